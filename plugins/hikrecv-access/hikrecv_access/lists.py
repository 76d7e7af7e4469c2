"""Lists of people and plates: CSV files, read again when they have changed."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock

from twisted.logger import Logger

from .rows import COLUMNS, KEYS, Key, Reader, Row

MOST_BYTES = 8_000_000
MOST_ROWS = 100_000

_Signature = tuple[int, int, int]


class ListError(Exception):
    """A list cannot be used; the sentence names file and line."""


class Lists:
    """
    Some files that are looked through together.

    A file is read again when its time or size has changed.  One that cannot be read
    then, or has a mistake in it, keeps what it had said, with an error in the log:
    half a list would shut out, or let in, whom nobody thought of.

    :raises ListError: when a file cannot be used at the start.
    """

    def __init__(self, files: Iterable[Path], reader: Reader, log: Logger) -> None:
        self._files = [_File(path, reader) for path in files]
        self._log = log
        self._lock = Lock()

    def about(self, who: Mapping[str, str]) -> Iterator[Row]:
        """The lines that have something in common with *who*, in the order of the files."""
        for rows in self._now():
            yield from dict.fromkeys(row for key in who.items() for row in rows.get(key, ()))

    def sizes(self) -> list[tuple[Path, int]]:
        """Each file, and how many lines it has."""
        return [
            (file.path, len({id(row) for rows in file.rows.values() for row in rows})) for file in self._files
        ]

    def _now(self) -> list[Mapping[Key, Sequence[Row]]]:
        with self._lock:
            for file in self._files:
                try:
                    file.refresh()
                except ListError as error:
                    self._log.error("{error}; what the list said before goes on to hold", error=error)
            return [file.rows for file in self._files]


class _File:
    def __init__(self, path: Path, reader: Reader) -> None:
        self.rows: Mapping[Key, Sequence[Row]] = {}
        self.path = path
        self._reader = reader
        self._signature: _Signature | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read it, if it is another than before; :raises ListError: once for each state of the file."""
        try:
            found = self.path.stat()
        except OSError as error:
            if self._signature != (0, 0, 0):
                self._signature = (0, 0, 0)
                raise ListError(f"{self.path} cannot be read: {error.strerror}") from None
            return
        signature = (found.st_mtime_ns, found.st_size, found.st_ino)
        if signature != self._signature:
            self._signature = signature
            self.rows = _index(self._read())

    def _read(self) -> list[Row]:
        try:
            with self.path.open("rb") as file:
                _check_owner(os.fstat(file.fileno()), self.path)
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise ListError(f"{self.path} cannot be read: {error.strerror}") from None
        if len(data) > MOST_BYTES:
            raise ListError(f"{self.path} is larger than {MOST_BYTES:,} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ListError(f"{self.path} is not UTF-8 text") from None
        return list(self._rows(text))

    def _rows(self, text: str) -> Iterator[Row]:
        lines = csv.reader(io.StringIO(text), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
        columns: list[str] | None = None
        try:
            for cells in lines:
                if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                    continue
                where = f"{self.path}, line {lines.line_num}"
                if columns is None:
                    columns = _columns(cells, where)
                    continue
                if lines.line_num > MOST_ROWS:
                    raise ListError(f"{self.path} has more than {MOST_ROWS:,} lines")
                yield self._row(columns, cells, where, lines.line_num)
        except csv.Error as error:
            raise ListError(f"{self.path}, line {lines.line_num}: {error}") from None
        if columns is None:
            raise ListError(f"{self.path} is empty; its first line names the columns: {', '.join(COLUMNS)}")

    def _row(self, columns: list[str], cells: list[str], where: str, line: int) -> Row:
        if len(cells) > len(columns):
            raise ListError(f"{where}: it has more cells than there are columns")
        try:
            named = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
            return self._reader.row(named, f"{self.path.name}:{line}")
        except ValueError as error:
            raise ListError(f"{where}: {error}") from None


def _delimiter(text: str) -> str:
    """Spreadsheets of half the world write `;`."""
    lines = (line for line in io.StringIO(text) if line.strip() and not line.lstrip().startswith("#"))
    head = next(lines, "")
    return ";" if head.count(";") > head.count(",") else ","


def _columns(cells: list[str], where: str) -> list[str]:
    columns = [cell.strip().lower().replace(" ", "_") for cell in cells]
    for column in columns:
        # A misspelt valid_until would let people in for ever.
        if column not in COLUMNS:
            raise ListError(f"{where}: there is no column {column!r}; there are {', '.join(COLUMNS)}")
    if len(set(columns)) < len(columns) or not set(columns) & set(KEYS):
        raise ListError(f"{where}: it names each column once, and one of {', '.join(KEYS)}")
    return columns


def _index(rows: Iterable[Row]) -> Mapping[Key, Sequence[Row]]:
    index: dict[Key, list[Row]] = {}
    for row in rows:
        for key in row.keys:
            index.setdefault(key, []).append(row)
    return index


def _check_owner(status: os.stat_result, path: Path) -> None:
    """Who can write to a list can open the door."""
    if not stat.S_ISREG(status.st_mode):
        raise ListError(f"{path} is not a file")
    if status.st_mode & 0o002:
        raise ListError(f"everybody may write to {path}; chmod o-w {path}")

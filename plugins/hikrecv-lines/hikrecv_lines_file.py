"""A file of lines that is put aside when it is full, or when a day is over."""

from __future__ import annotations

import errno
import os
from datetime import date, datetime
from glob import escape
from pathlib import Path
from typing import BinaryIO

_BLOCK = 65_536


class RotatedFile:
    """
    Holds whole lines only, whatever happens: a line that fails is taken back.

    ``events.jsonl`` is put aside as ``events-20260302T080000000000.jsonl``.

    :param head: the first line of each file, or nothing.
    :param max_size: bytes; 0 is no limit.
    :param keep: how many files that were put aside are kept.
    """

    def __init__(
        self, path: Path, head: bytes = b"", *, max_size: int, daily: bool, keep: int, fsync: bool
    ) -> None:
        self.path = path
        self._head = head
        self._max_size = max_size
        self._daily = daily
        self._keep = keep
        self._fsync = fsync
        self._file: BinaryIO | None = None
        self._size = 0
        self._day = date.min

    def write(self, line: bytes, when: datetime) -> None:
        """Add *line*, to the file of the day of *when*.  :raises OSError: when it is not written."""
        file = self._file or self._open(when)
        if self._is_over(len(line), when):
            self._put_aside()
            file = self._open(when)
        self._append(file, line)

    def close(self) -> None:
        """Close it; the next line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, when: datetime) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a line that was written has left this process, and survives its end.
        self._file = file = self.path.open("ab", buffering=0)
        self._size = _whole_lines(self.path)
        file.truncate(self._size)
        self._day = _day(when)
        if self._size:
            self._day = date.fromtimestamp(self.path.stat().st_mtime)  # noqa: DTZ012, the system's day
        elif self._head:
            self._append(file, self._head)
        if self._fsync:
            _sync_names(self.path.parent)
        return file

    def _append(self, file: BinaryIO, line: bytes) -> None:
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._fsync:
                os.fsync(file.fileno())
        except OSError:
            file.truncate(self._size)
            raise
        self._size += len(line)

    def _is_over(self, more: int, when: datetime) -> bool:
        if self._size <= len(self._head):
            return False
        full = 0 < self._max_size < self._size + more
        return full or (self._daily and _day(when) > self._day)

    def _put_aside(self) -> None:
        self.close()
        stem, suffix = self.path.stem, self.path.suffix
        now = datetime.now().astimezone()
        self.path.rename(_free(self.path.with_name(f"{stem}-{now:%Y%m%dT%H%M%S%f}{suffix}")))
        aside = self.path.parent.glob(f"{escape(stem)}-????????T????????????*{escape(suffix)}")
        by_age = sorted(aside, key=lambda each: each.stat().st_mtime_ns)
        for old in by_age[: max(0, len(by_age) - self._keep)]:
            old.unlink()


def _free(path: Path) -> Path:
    """A name near *path* that no file has: the clock may have been set back."""
    while path.exists():
        path = path.with_stem(f"{path.stem}-again")
    return path


def _day(when: datetime) -> date:
    return when.astimezone().date()


def _sync_names(folder: Path) -> None:
    """A new file is on the disk only when its name is too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _whole_lines(path: Path) -> int:
    """How many bytes of *path* are whole lines: a crash may have left half a one."""
    at = path.stat().st_size
    with path.open("rb") as file:
        while at:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            end = file.read(at - begin).rfind(b"\n")
            if end >= 0:
                return begin + end + 1
            at = begin
    return 0

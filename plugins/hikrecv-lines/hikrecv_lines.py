"""
hikrecv-lines: every event as one line of a file, JSON or CSV, rotated by size and by day.

It is also the example to read before you write a plugin of your own.  The entry
point in setup.cfg names this module; hikrecv makes one `Plugin` of it for each
``[reactions.<name>]`` table that says ``plugin = "lines"``.
"""

from __future__ import annotations

from threading import Lock
from typing import Literal

import msgspec
from hikrecv_lines_file import RotatedFile
from hikrecv_lines_row import row

from hikrecv import Context, Event, Retry, hookimpl
from hikrecv.config import Bytes
from hikrecv.reactions.words import UnknownWord, find_word

__version__ = "0.1.0"

HIKRECV_API = 1
"""The version of the hooks that this was written for; hikrecv refuses what it cannot serve."""

dry_run = True
"""It looks at `context.dry_run`, so its hook may be called in a dry run."""


class Settings(msgspec.Struct, frozen=True):
    """The plugin's own keys; a wrong or unknown one is an error before anything starts."""

    path: str = "events.jsonl"
    """The file; a relative one is below `plugins/<reaction>/` in the state directory."""
    format: Literal["json", "csv"] = "json"
    """`json`: the whole event; `csv`: the columns, under a line with their names."""
    columns: tuple[str, ...] = ("received", "device.id", "family", "type", "state", "match.person", "key")
    """For `csv`: names as in a `when`, such as `plate.text`."""
    max_size: Bytes = Bytes(100_000_000)
    """A file that would become larger is put aside; 0 is no limit."""
    daily: bool = False
    """Put the file aside when a day is over, by the system's time zone."""
    keep: int = 10
    """So many files that were put aside are kept, the newest."""
    fsync: bool = False
    """Wait until the line is on the disk before the event counts as done."""

    def __post_init__(self) -> None:
        if self.keep < 0:
            raise ValueError("keep must be 0 or more")
        try:
            for name in self.columns:
                find_word(name, None)
        except UnknownWord as error:
            raise ValueError(f"columns: {error}") from None


class Plugin:
    """One reaction, and its file."""

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._columns = None
        head = b""
        if settings.format == "csv":
            self._columns = [find_word(name, None) for name in settings.columns]
            head = row(settings.columns)
        self._file = RotatedFile(
            context.state_dir / settings.path,
            head,
            max_size=settings.max_size,
            daily=settings.daily,
            keep=settings.keep,
            fsync=settings.fsync,
        )
        # With `concurrency` above 1 hooks run side by side, each in a thread of its own.
        self._lock = Lock()

    @hookimpl
    def hikrecv_event(self, event: Event, context: Context) -> None:
        """
        Write the event.

        A plain ``def`` may block: it runs in the reaction's own thread.  When it
        returns, the event is done.  `Retry` says that it is not, and hikrecv calls
        again after a while: a full disk delays, and loses nothing.
        """
        line = self._line(event)
        if context.dry_run:
            context.log.info("would write {size} bytes for {event}", size=len(line), event=event.id)
            return
        with self._lock:
            try:
                self._file.write(line, event.received)
            except OSError as error:
                raise Retry(f"cannot write {self._file.path}: {error.strerror}") from error

    @hookimpl
    def hikrecv_stop(self) -> None:
        """Clean up.  A hook may leave out the arguments that it does not need."""
        with self._lock:
            self._file.close()

    def _line(self, event: Event) -> bytes:
        if self._columns is None:
            return event.to_json() + b"\n"
        return row([word.read(event) for word in self._columns])

"""How the ledger is written: grouped or at once, always whole, and never after the disk has failed."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hikrecv.errors import LedgerBusy, LedgerError

from .database import Presence, can_wait, in_passing, storable, transaction

CURE = "say where each reaction goes on: hikrecv reactions rewind NAME --to now|SEQ"

WAITING = 1_000
"""
More grouped changes than this are written without waiting for :meth:`Writer.commit`: nobody's memory grows,
and a crash repeats no more hand-overs than so many and those of the moment.
"""

AGAIN = 1.0
"""Seconds at least between two attempts to open a file again that could not be written."""

Row = Callable[[], tuple[Any, ...]]


class Writer:
    """
    A connection with synced transactions, and changes that wait for the next of them.

    Every method raises `LedgerError` when the file cannot be used.  After a full disk or a
    lock what waited still waits.  After a failed write or sync what the system holds in
    memory may look written and not be: so nothing is done with the file before it was
    opened again and written anew, which is tried by whoever uses it next, once a second at
    most.  A file that was removed or replaced under the open connection is lost: what is
    written to it goes with the process.

    :param reopen: opens the file again; None where there is no other chance.
    :param presence: tells when the file is not there any more.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        name: str,
        *,
        reopen: Callable[[], sqlite3.Connection] | None = None,
        presence: Presence | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._name = name
        self._reopen, self._presence, self._monotonic = reopen, presence, monotonic
        self._broken: LedgerError | None = None
        self._next_try = 0.0
        self._grouped: dict[tuple[str, ...], Row] = {}
        self._waiting = 0

    def commit(self) -> None:
        """Write what is grouped; called about once a second."""
        if self._grouped:
            with self._writing():
                pass

    def check(self) -> None:
        """See that the file is there and can be used, also when nobody has anything to write."""
        with self._usable():
            self._see_that_it_is_there()

    def _group(self, sql: str, *of: str, row: Row, weight: int = 1) -> None:
        """Run *sql* with *row* at the next commit; a later change *of* the same replaces it."""
        self._grouped[sql, *of] = row
        self._waiting += weight
        if self._waiting >= WAITING:
            self.commit()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One synced transaction, beginning with everything that was waiting."""
        with self._usable():
            with transaction(self._connection):
                for (sql, *_), row in self._grouped.items():
                    self._execute(sql, row())
                yield
            self._see_that_it_is_there()
        self._grouped.clear()
        self._waiting = 0

    def _run(self, sql: str, *values: Any) -> int:
        """Run *sql* within :meth:`_writing`; how many rows it changed."""
        return self._execute(sql, values).rowcount

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._usable():
            return self._execute(sql, values).fetchall()

    def _execute(self, sql: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except UnicodeEncodeError:
            clean = (storable(value) if isinstance(value, str) else value for value in values)
            return self._connection.execute(sql, tuple(clean))

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        if self._broken is not None:
            self._begin_again(self._broken)
        try:
            with in_words(self._name):
                yield
        except LedgerError as error:
            cause = error.__cause__
            if not (isinstance(cause, sqlite3.Error) and can_wait(cause)):
                self._broken = error
                self._next_try = self._monotonic()
            raise

    def _begin_again(self, broken: LedgerError) -> None:
        """Open the file again and write all of it once more.  :raises LedgerError: when that cannot help."""
        if self._reopen is None or not isinstance(broken, LedgerBusy) or self._monotonic() < self._next_try:
            raise type(broken)(*broken.args)
        self._next_try = self._monotonic() + AGAIN
        with in_words(self._name):
            # While it was the only connection, this leaves what was promised and nothing else.
            self._connection.close()
            self._see_that_it_is_there(log=False)
            self._connection = self._reopen()
            _write_anew(self._connection)
        if self._presence is not None:
            self._presence.opened_again()
        self._broken = None

    def _see_that_it_is_there(self, *, log: bool = True) -> None:
        if self._presence is not None and (missing := self._presence.missing(log=log)):
            raise LedgerError(f"{missing}, so nobody knows what the reactions have done; {CURE}")


def _write_anew(connection: sqlite3.Connection) -> None:
    """
    Write every page and sync it, or fail.

    After a sync that failed the kernel takes for clean what never reached the disk.
    """
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def in_words(name: str) -> Iterator[None]:
    """Make SQLite's errors a sentence about the ledger called *name*."""
    try:
        yield
    except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
        if isinstance(error, sqlite3.Error) and in_passing(error):
            raise LedgerBusy(f"the ledger {name} cannot be used now: {error}") from error
        raise LedgerError(
            f"the ledger {name} is damaged ({error}), so nobody knows what the reactions have done; {CURE}"
        ) from error

"""How the ledger is written: grouped or at once, always whole, and never after the disk has failed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hikrecv.errors import LedgerBusy, LedgerError

from .database import can_wait, in_passing, storable, transaction

CURE = "say where each reaction goes on: hikrecv reactions rewind NAME --to now|SEQ"

WAITING = 1_000
"""More grouped changes than this are written without waiting for :meth:`Writer.commit`."""

Row = Callable[[], tuple[Any, ...]]


class Writer:
    """
    A connection with synced transactions, and changes that wait for the next of them.

    Every method raises `LedgerError` when the file cannot be used.  After a failed
    write or sync it stays so until the ledger is opened again: what the system holds
    in memory may look written and not be.  A full disk and a lock are exceptions:
    what waited still waits.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._broken = ""
        self._grouped: dict[tuple[str, ...], Row] = {}
        self._waiting = 0

    def commit(self) -> None:
        """Write what is grouped; called about once a second."""
        if self._grouped:
            with self._writing():
                pass

    def _group(self, sql: str, *of: str, row: Row) -> None:
        """Run *sql* with *row* at the next commit; a later change *of* the same replaces it."""
        self._grouped[sql, *of] = row
        self._waiting += 1
        # Whoever forgets to commit does not make memory grow.
        if self._waiting >= WAITING:
            self.commit()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One synced transaction, beginning with everything that was waiting."""
        with self._usable(), transaction(self._connection):
            for (sql, *_), row in self._grouped.items():
                self._execute(sql, row())
            yield
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
        if self._broken:
            raise LedgerError(self._broken)
        try:
            with in_words(self._name):
                yield
        except LedgerError as error:
            cause = error.__cause__
            if not (isinstance(cause, sqlite3.Error) and can_wait(cause)):
                self._broken = str(error)
            raise


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

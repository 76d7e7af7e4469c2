"""The ledger: what the reactions have done.  Not derived; losing it is an operator's business."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from hikrecv.errors import LedgerError

from .database import Presence, Schema, beside, open_to_read, open_to_write, remove, sync_directory
from .dead_letters import DeadLetter, DeadLetters
from .place import Place, Try
from .promises import DAY, MARKS, Promises
from .writer import CURE, in_words

__all__ = ["DeadLetter", "Ledger", "Place", "Try"]

SCHEMA = Schema.of("ledger")

REMOVED = 7 * DAY
"""For so long a reaction that left the configuration keeps its place."""


class Ledger(DeadLetters, Promises):
    """
    The book of the reactions, for one thread at a time.

    Two kinds of changes: places, attempts and cooldowns are grouped until `commit`,
    because losing the last of them costs a repeat and nothing else; everything else
    is on disk when the method returns, and takes along what was waiting.  A method
    that fails has changed nothing.

    Times are seconds since 1970, but for those by which things are forgotten: they are of the
    steady clock (`hikrecv.journal.steady`).  For the errors see `Writer`.
    """

    @classmethod
    def open(cls, path: Path | str, *, expected: bool = False) -> Ledger:
        """
        Open the ledger at *path* to write, and make it when it is not there; ``":memory:"`` for tests.

        :param expected: it must be there, because the journal holds events.
        :raises LedgerError: when it is lost or damaged; see :meth:`anew`.
        :raises StateTooNew: when a newer hikrecv made it.
        """
        if expected and not _is_there(path):
            raise LedgerError(
                f"the ledger {path} is lost, so nobody knows what the reactions have done; {CURE}"
            )
        with in_words(str(path)):
            connection = _open(path)
            try:
                if path == ":memory:":
                    return cls(connection, str(path))
                return cls(connection, str(path), reopen=partial(_open, path), presence=Presence(Path(path)))
            except BaseException:
                connection.close()
                raise

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """
        Open the ledger at *path* for one look; no file is made or changed.

        :raises StateError: when it is not there, or cannot be read without a change.
        :raises LedgerError: when it is damaged.
        """
        with in_words(str(path)):
            return cls(open_to_read(path, SCHEMA), str(path))

    @classmethod
    def anew(cls, path: Path, reactions: Iterable[str]) -> Ledger:
        """
        Begin a new ledger in which *reactions* have no place until they are rewound.

        What is left of the old one is kept beside it as ``<name>.damaged-<number>``.
        Power may fail at any moment: there is an old ledger, or none, or the whole new one.
        """
        new = beside(path, ".new")
        remove(new)
        ledger = cls.open(new)
        for name in reactions:
            ledger._later(name, Place(cursor=0, placed=False))
        ledger.close()
        _put_aside(path)
        new.rename(path)
        sync_directory(path.parent)
        return cls.open(path, expected=True)

    def close(self) -> None:
        """Write what waits and close the file; nothing else may be called after it."""
        try:
            self.commit()
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Close what is lost; what waited is not written."""
        self._grouped.clear()
        self._connection.close()

    def clocks(self) -> dict[str, str]:
        """What is known of the devices' clocks, as :meth:`keep_clocks` was given it."""
        return dict(self._all("SELECT device, known FROM clocks ORDER BY rowid"))

    def keep_clocks(self, changed: Iterable[tuple[str, str | None]]) -> None:
        """Keep what is known of the clocks of these devices; None: nothing any more."""
        with self._writing():
            for device, known in changed:
                self._run("DELETE FROM clocks WHERE device = ?", device)
                if known is not None:
                    self._run("INSERT INTO clocks VALUES (?, ?)", device, known)

    def prune(self, now: float, *, keep: float = MARKS) -> tuple[str, ...]:
        """
        Forget what is too old to matter; the names of reactions that are forgotten with it.

        :param now: by the steady clock: a wall clock may be years ahead after a boot.
        :param keep: seconds for which marks are kept; never less than `MARKS`.
        """
        gone = [
            name
            for name, place in self.places().items()
            if place.removed_at is not None and place.removed_at < now - REMOVED
        ]
        for name in gone:
            self.forget(name)
        self._forget_promises(now, keep)
        return tuple(gone)


def _open(path: Path | str) -> sqlite3.Connection:
    connection = open_to_write(path, SCHEMA, "FULL")
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))
    except BaseException:
        connection.close()
        raise
    return connection


def _is_there(path: Path | str) -> bool:
    return path == ":memory:" or (Path(path).exists() and Path(path).stat().st_size > 0)


def _put_aside(path: Path) -> None:
    """The log goes with its file: it must never be read into the new one."""
    number = 1
    while any(beside(path, f".damaged-{number}{ending}").exists() for ending in ("", "-wal", "-shm")):
        number += 1
    for ending in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            beside(path, ending).rename(beside(path, f".damaged-{number}{ending}"))

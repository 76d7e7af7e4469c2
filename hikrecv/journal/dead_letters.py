"""What the reactions gave up: dead letters, kept until somebody looks."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any, ClassVar

import msgspec

from .place import LENGTH
from .places import Places


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """
    An event that a reaction will not be handed again by itself.  Times are seconds since 1970.

    :param event: the event's id; `first` is when it was first tried.
    """

    id: int
    reaction: str
    event: str
    key: str
    seq: int
    n: int
    reason: str
    attempts: int
    at: float
    first: float


_COLUMNS = ", ".join(DeadLetter.__struct_fields__)


class DeadLetters(Places):
    """
    The part of the ledger that keeps dead letters.

    :cvar most_letters: how many a reaction may have; one more drops its oldest.
    """

    most_letters: ClassVar[int] = 100_000

    def __init__(self, connection: sqlite3.Connection, name: str, **more: Any) -> None:
        super().__init__(connection, name, **more)
        rows = self._all("SELECT reaction, count(*) FROM dead_letters GROUP BY reaction")
        self._dead: dict[str, int] = dict(rows)

    def forget(self, name: str) -> None:
        """Forget its dead letters too."""
        super().forget(name)
        self._dead.pop(name, None)

    def dead(
        self, name: str, event: str, key: str, seq: int, n: int, reason: str, attempts: int, at: float
    ) -> None:
        """Keep an event that was given up; the same event again replaces its letter."""
        first = self._places[name].first_tried(seq, n)
        letter = (name, event, key, seq, n, reason[:LENGTH], attempts, at, at if first is None else first)
        with self._writing():
            fewer = self._run("DELETE FROM dead_letters WHERE reaction = ? AND event = ?", name, event)
            self._run(
                "INSERT INTO dead_letters (reaction, event, key, seq, n, reason, attempts, at, first)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *letter,
            )
            if self._dead.get(name, 0) - fewer >= self.most_letters:
                fewer += self._run(
                    "DELETE FROM dead_letters WHERE id ="
                    " (SELECT min(id) FROM dead_letters WHERE reaction = ?)",
                    name,
                )
        self._dead[name] = self._dead.get(name, 0) + 1 - fewer

    def dead_letters(self, name: str | None = None, most: int = -1) -> list[DeadLetter]:
        """The letters of the reaction, or of all; the oldest first, not more than *most*."""
        rows = self._all(
            f"SELECT {_COLUMNS} FROM dead_letters"  # noqa: S608, names of ours
            " WHERE ?1 IS NULL OR reaction = ?1 ORDER BY id LIMIT ?2",
            name,
            most,
        )
        return [DeadLetter(**dict(zip(DeadLetter.__struct_fields__, row, strict=True))) for row in rows]

    def dead_counts(self) -> dict[str, int]:
        """How many letters each reaction has."""
        return {name: count for name, count in self._dead.items() if count}

    def drop(self, *letters: int) -> int:
        """Throw the letters with these ids away; how many of them there were."""
        dropped: Counter[str] = Counter()
        with self._writing():
            for letter in letters:
                for (name,) in self._all("SELECT reaction FROM dead_letters WHERE id = ?", letter):
                    dropped[name] += self._run("DELETE FROM dead_letters WHERE id = ?", letter)
        for name, count in dropped.items():
            self._dead[name] -= count
        return dropped.total()

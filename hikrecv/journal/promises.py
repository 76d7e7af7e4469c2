"""What must not happen twice, or not so soon, or not otherwise: marks, cooldowns, decisions."""

from __future__ import annotations

from typing import ClassVar

from .writer import Writer

DAY = 86_400.0

MARKS = 30 * DAY
"""No mark is forgotten earlier: until then a device may send the same thing again."""

COOLDOWNS = 31 * DAY
"""No cooldown is longer."""

DECISIONS = 7 * DAY
"""For so long a terminal that asks the same again is told the same."""

_COOLED = "INSERT OR REPLACE INTO cooldowns VALUES (?, ?, ?, ?)"


class Promises(Writer):
    """
    The part of the ledger that the world outside relies on.

    `at` is always a time of the steady clock (`hikrecv.journal.steady`), by which things are forgotten.

    :cvar most_names: of cooldowns and of decisions no more than the latest so many
        are kept, whoever invents names.
    """

    most_names: ClassVar[int] = 100_000

    def mark(self, name: str, key: str, at: float) -> bool:
        """
        Note that the reaction is about to act on *key*, which it must not do twice.

        The mark is on disk when this returns; False when it was there before.
        """
        with self._writing():
            return self._run("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", name, key, at) == 1

    def decision(self, key: str) -> bool | None:
        """What a terminal was told that asked about *key*, or None."""
        found = self._all("SELECT answer FROM decisions WHERE key = ?", key)
        return bool(found[0][0]) if found else None

    def decide(self, key: str, answer: bool, at: float) -> bool:
        """Keep the answer about *key* unless there is one; which answer holds."""
        with self._writing():
            self._run("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?)", key, answer, at)
        return answer if (held := self.decision(key)) is None else held

    def last(self, name: str, who: str) -> float | None:
        """When the reaction was last handed an event of *who* (a device, a person, a plate)."""
        waiting = self._grouped.get((_COOLED, name, who))
        if waiting is not None:
            return float(waiting()[2])
        found = self._all("SELECT received FROM cooldowns WHERE reaction = ? AND who = ?", name, who)
        return found[0][0] if found else None

    def cooled(self, name: str, who: str, received: float, at: float) -> None:
        """The reaction was handed an event of *who* that was received then.  Grouped."""
        self._group(_COOLED, name, who, row=lambda: (name, who, received, at))

    def newest(self) -> float:
        """When the latest of what is forgotten by age was written, by the steady clock."""
        columns = (("marks", "at"), ("decisions", "at"), ("cooldowns", "at"), ("places", "removed_at"))
        found = (self._all(f"SELECT max({column}) FROM {table}") for table, column in columns)  # noqa: S608
        return max((row[0][0] or 0.0 for row in found), default=0.0)

    def _forget_promises(self, now: float, keep: float) -> None:
        with self._writing():
            self._run("DELETE FROM marks WHERE at < ?", now - max(keep, MARKS))
            for table, age in (("decisions", DECISIONS), ("cooldowns", COOLDOWNS)):
                self._run(f"DELETE FROM {table} WHERE at < ?", now - age)  # noqa: S608, names of ours
                self._run(
                    f"DELETE FROM {table} WHERE at <="  # noqa: S608, names of ours
                    f" (SELECT at FROM {table} ORDER BY at DESC LIMIT 1 OFFSET ?)",
                    self.most_names,
                )

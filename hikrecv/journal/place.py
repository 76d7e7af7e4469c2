"""Where a reaction stands: its cursor, what is done beyond it, what was tried."""

from __future__ import annotations

from typing import Literal

import msgspec

LENGTH = 1_000
"""Characters of a reason or an error that are kept."""


class Try(msgspec.Struct, frozen=True):
    """
    An event that was tried and is not done.

    :param first: when that was noted first, seconds since 1970; None when nobody said.
    """

    seq: int
    n: int
    attempts: int
    error: str
    first: float | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """
    A reaction's page in the ledger.  Times are seconds since 1970.

    :param cursor: everything up to and including this seq is done.
    :param placed: False when the ledger was lost and nobody has said yet where to go on.
    :param done: events above the cursor that are done, as (seq, n).
    :param removed_at: since when it stands in the configuration no more, by the steady clock.
    """

    cursor: int
    placed: bool = True
    paused: bool = False
    removed_at: float | None = None
    last_success: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    done: frozenset[tuple[int, int]] = frozenset()
    tries: tuple[Try, ...] = ()

    @property
    def state(self) -> Literal["unplaced", "removed", "paused", "placed"]:
        """What keeps it from running, the weightiest first; ``placed`` when nothing does."""
        if not self.placed:
            return "unplaced"
        if self.removed_at is not None:
            return "removed"
        return "paused" if self.paused else "placed"

    @property
    def holds(self) -> int | None:
        """The seq above which the journal must keep everything for it, or None."""
        return self.cursor if self.placed and self.removed_at is None else None

    def attempts(self, seq: int, n: int) -> int:
        """How often that event was tried."""
        return next((each.attempts for each in self.tries if (each.seq, each.n) == (seq, n)), 0)

    def first_tried(self, seq: int, n: int) -> float | None:
        """When that event was first tried."""
        return next((each.first for each in self.tries if (each.seq, each.n) == (seq, n)), None)

    def advanced(self, cursor: int, at: float | None) -> Place:
        """With the cursor moved on; what is done and tried up to it needs no note any more."""
        place = self._succeeded(at)
        done, tries = self.done, self.tries
        if done:
            done = frozenset(each for each in done if each[0] > cursor)
        if tries:
            tries = tuple(each for each in tries if each.seq > cursor)
        return msgspec.structs.replace(place, cursor=cursor, done=done, tries=tries)

    def finished(self, seq: int, n: int, at: float | None) -> Place:
        """With one event above the cursor done."""
        if seq <= self.cursor:
            return self
        return msgspec.structs.replace(
            self._succeeded(at), done=self.done | {(seq, n)}, tries=self._without(seq, n)
        )

    def tried(self, trial: Try) -> Place:
        """With one more attempt of one event that failed."""
        first = self.first_tried(trial.seq, trial.n)
        at, error = trial.first, trial.error[:LENGTH]
        trial = msgspec.structs.replace(trial, first=at if first is None else first, error=error)
        return msgspec.structs.replace(
            self,
            tries=(*self._without(trial.seq, trial.n), trial),
            last_error=error,
            last_error_at=self.last_error_at if at is None else at,
        )

    def _without(self, seq: int, n: int) -> tuple[Try, ...]:
        return tuple(each for each in self.tries if (each.seq, each.n) != (seq, n))

    def _succeeded(self, at: float | None) -> Place:
        return self if at is None else msgspec.structs.replace(self, last_success=at)

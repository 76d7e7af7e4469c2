"""How far a reaction is: what it has in hand, what is done, and where its cursor may stand."""

from __future__ import annotations

from collections.abc import Iterable

MOST_AHEAD = 1_000
"""Events above the cursor that may be in hand or done."""

Place = tuple[int, int]
"""A push's seq, and the event's place in it."""


class Order:
    """
    Keeps a low-water cursor while events end in any order.

    :param done: what the ledger knows as done above *cursor*.
    :ivar read_to: the newest seq whose events were taken.
    """

    def __init__(self, cursor: int, done: Iterable[Place] = ()) -> None:
        self.read_to = cursor
        self._before = set(done)
        self._done: set[Place] = set()
        self._open: dict[int, set[int]] = {}
        self._received: dict[int, float] = {}

    @property
    def cursor(self) -> int:
        """Everything up to this seq is done or was not wanted."""
        return next(iter(self._open)) - 1 if self._open else self.read_to

    @property
    def ahead(self) -> int:
        """How many events above the cursor are in hand or done."""
        return len(self._done) + sum(map(len, self._open.values()))

    @property
    def beyond(self) -> set[Place]:
        """What is done above the cursor."""
        return self._done

    @property
    def oldest(self) -> float | None:
        """When the oldest event in hand was received; None when none is."""
        return self._received[next(iter(self._open))] if self._open else None

    def was_done(self, seq: int, n: int) -> bool:
        """Had this event ended already when the reaction was started?"""
        return (seq, n) in self._before

    def read(self, seq: int, wanted: Iterable[int] = (), received: float = 0.0) -> None:
        """Everything up to *seq* was looked at; the events *wanted* of *seq* are in hand."""
        self.read_to = seq
        if numbers := set(wanted):
            self._open[seq] = numbers
            self._received[seq] = received

    def again(self) -> None:
        """Nothing is in hand any more: go on from the cursor."""
        self.read_to = self.cursor
        self._before |= self._done
        self._open.clear()
        self._received.clear()

    def finish(self, seq: int, n: int) -> None:
        """This event has come to an end; one that was not read from the journal changes nothing."""
        still = self._open.get(seq)
        if still is None:
            return
        still.discard(n)
        if not still:
            del self._open[seq], self._received[seq]
            if not self._done and not self._open:
                return  # one after the other, nothing is ever done above the cursor
        self._done.add((seq, n))
        if self.cursor >= seq:
            cursor = self.cursor
            self._done = {place for place in self._done if place[0] > cursor}

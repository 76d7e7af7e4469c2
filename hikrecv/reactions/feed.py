"""Events in journal order for the couriers: from memory when they keep up, else from the journal."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import takewhile
from operator import attrgetter
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from hikrecv.errors import Gone
from hikrecv.isapi.event import Event

from .attempt import Attempts
from .enrich import Enrichment
from .slices import MOST_PUSHES, Published, Run, Slices, branch, weight

CACHE_BYTES = 4_000_000
CACHE_PUSHES = 4_096
MARKS = 3_600
"""How many seconds of this life `age` tells apart."""


class Feed:
    """
    What was published, from the reactor's thread, and what was before it.

    :param open_at: the events of the journal from a seq on (`hikrecv.history.read_back`).
    :param in_thread: calls a function where blocking does no harm (`deferToThreadPool`).
    :param last: the seq of the newest push that was durable at start.
    :param first: gives the oldest seq that the journal still keeps.
    :param kept: how many seqs from one to another were pushes, and not refused for want of room.
    :ivar last: the newest seq that was published.
    :ivar born: what `last` was at start; events up to it were there before this life.
    :ivar changed: called without arguments after each :meth:`publish`.
    """

    def __init__(
        self,
        open_at: Callable[[int], Iterator[Published]],
        in_thread: Run,
        clock: IReactorTime,
        *,
        last: int = 0,
        first: Callable[[], int] = lambda: 1,
        kept: Callable[[int, int], int] = lambda first, last: max(last - first + 1, 0),
        enrichment: Enrichment | None = None,
        most_bytes: int = CACHE_BYTES,
    ) -> None:
        self.last = self.born = last
        self.changed: list[Callable[[], Any]] = []
        self.enrichment = enrichment or Enrichment((), _nobody, clock.seconds)
        self._slices = Slices(open_at, in_thread, self.enrichment)
        self._first = first
        self.kept = kept
        self._clock = clock
        self._most_bytes = most_bytes
        # Everything published after `_floor` is in `_seqs` and `_entries`, from `_head` on.
        self._floor = last
        self._seqs: list[int] = []
        self._entries: list[_Entry] = []
        self._head = 0
        self._bytes = 0
        self._second = float("-inf")
        self._marks: deque[tuple[int, float]] = deque([(last, clock.seconds())], maxlen=MARKS)

    @property
    def first(self) -> int:
        """The oldest seq that can still be read."""
        return self._first()

    def publish(self, seq: int, events: tuple[Event, ...], size: int | None = None) -> None:
        """
        Take the sighted *events* of the durable push *seq*, in journal order.

        :param size: the bytes of memory that they hold: the push's body.
        """
        entry = _Entry(events, weight(events) if size is None else size + 2_000)
        self._seqs.append(seq)
        self._entries.append(entry)
        self._bytes += entry.weight
        self.last = seq
        self._mark(seq)
        if self._bytes > self._most_bytes or len(self._seqs) - self._head > CACHE_PUSHES:
            self._trim()
        for tell in tuple(self.changed):
            tell()

    def at_hand(self, seq: int, most: int = MOST_PUSHES) -> list[Published]:
        """What :meth:`after` would give, as far as it needs no waiting."""
        if seq < self._floor:
            return []
        start = bisect_right(self._seqs, seq, self._head)
        seqs, entries = self._seqs[start : start + most], self._entries[start : start + most]
        if self.enrichment:
            entries = list(takewhile(_is_enriched, entries))
        return [(seq, entry.events) for seq, entry in zip(seqs, entries, strict=False)]

    def crowded(self, seq: int) -> bool:
        """Whether the next push above *seq* is among the oldest that are at hand, and little room is left."""
        if self._bytes * 2 < self._most_bytes or self._head >= len(self._seqs):
            return False
        return self._floor <= seq <= self._seqs[self._head]

    async def after(self, seq: int, most: int = MOST_PUSHES) -> list[Published]:
        """
        The next pushes above *seq*, at most *most*, enriched; [] when *seq* is the newest.

        What the journal does not keep any more is passed over; compare `first`.

        :raises JournalError: when the journal cannot be read.
        """
        while True:
            found = self.at_hand(seq, most)
            if found or seq >= self.last:
                return found
            if seq >= self._floor:
                await self._enriched(bisect_right(self._seqs, seq, self._head))
                continue
            floor = self._floor
            found = await self._read_back(seq, floor)
            if found:
                return found[:most]
            seq = floor

    def age(self, seq: int) -> float:
        """
        Seconds that *seq* has been there in this life, by the monotonic clock.

        Never more than it is; for the last hour less by a second at most.
        """
        place = bisect_left(self._marks, (seq, 0.0))
        return 0.0 if place == len(self._marks) else self._clock.seconds() - self._marks[place][1]

    def close(self) -> None:
        """The journal is about to close."""
        self._slices.forget()
        self.enrichment.close()

    async def _read_back(self, seq: int, floor: int) -> list[Published]:
        while seq < floor:
            seq = max(seq, self.first - 1)
            try:
                return await self._slices.after(seq, floor)
            except Gone:
                # Retention was here first; whoever asks again with the same answer has another trouble.
                if self.first - 1 <= seq:
                    raise
        return []

    def _mark(self, seq: int) -> None:
        """The newest seq of each second in which something came."""
        now = self._clock.seconds()
        if now - self._second < 1.0:
            self._marks[-1] = (seq, now)
        else:
            self._second = now
            self._marks.append((seq, now))

    def _trim(self) -> None:
        while self._bytes > self._most_bytes or len(self._seqs) - self._head > CACHE_PUSHES:
            self._floor = self._seqs[self._head]
            self._bytes -= self._entries[self._head].weight
            self._entries[self._head] = _NOTHING
            self._head += 1
        if self._head > CACHE_PUSHES:
            del self._seqs[: self._head], self._entries[: self._head]
            self._head = 0

    async def _enriched(self, place: int) -> None:
        """Once for each push, however many couriers wait for it."""
        entry = self._entries[place]
        if entry.work is None:
            entry.work = Deferred.fromCoroutine(self._enrich(entry))
        await branch(entry.work)

    async def _enrich(self, entry: _Entry) -> None:
        entry.events = await self.enrichment.all(entry.events)
        entry.enriched = True


class _Entry(msgspec.Struct):
    events: tuple[Event, ...]
    weight: int
    enriched: bool = False
    work: Deferred[None] | None = None


_is_enriched = attrgetter("enriched")
_NOTHING = _Entry((), 0)


def _nobody(name: str) -> Attempts:
    raise AssertionError("there are no enrichers")

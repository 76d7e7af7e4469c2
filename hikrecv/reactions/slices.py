"""The journal read back for couriers that are behind: a bounded slice at a time, off the reactor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from hikrecv.isapi.event import Event

from .enrich import Enrichment

T = TypeVar("T")
Published = tuple[int, tuple[Event, ...]]
"""A push's seq and its events."""
Run = Callable[..., Deferred[list[Published]]]

MOST_PUSHES = 64
MOST_BYTES = 2_000_000
MOST_OPEN = 4
RECENT_BYTES = 8_000_000


def weight(events: tuple[Event, ...]) -> int:
    """About how many bytes of memory *events* of one push hold: its body, and something for themselves."""
    bodies = (getattr(event.__dict__.get("_data_full"), "body", b"") for event in events)
    views = (picture.__dict__.get("_view") for event in events for picture in event.pictures)
    pictures: int = sum(view.nbytes for view in views if view is not None)
    return 2_000 + 2_000 * len(events) + max(pictures, *map(len, bodies), 0)


class Slices:
    """
    Reads in order from any place; several couriers at the same place read once.

    Beginning at a place is dear (what an event means depends on those before it),
    going on is cheap: so a few readings are kept open, and the last slices too.

    :param open_at: the events from a seq on, in order; may block; raises `Gone`.
    :param in_thread: calls a function where blocking does no harm.
    """

    def __init__(
        self, open_at: Callable[[int], Iterator[Published]], in_thread: Run, enrichment: Enrichment
    ) -> None:
        self._open_at = open_at
        self._in_thread = in_thread
        self._enrichment = enrichment
        self._open: OrderedDict[int, _Reading] = OrderedDict()
        self._recent: OrderedDict[int, tuple[list[Published], int]] = OrderedDict()
        self._recent_bytes = 0
        self._lock = DeferredLock()

    async def after(self, seq: int, last: int) -> list[Published]:
        """
        The next pushes with a seq above *seq* and not above *last*; [] when there are none.

        :raises JournalError: when the journal cannot give them; `Gone` when it keeps them no more.
        """
        # One reading at a time: it takes one core, and the second who asks for a place finds it done.
        return self._kept(seq) or await branch(Deferred.fromCoroutine(self._locked(seq, last)))

    def forget(self) -> None:
        """Close everything; the journal is about to be."""
        self._open.clear()
        self._recent.clear()
        self._recent_bytes = 0

    async def _locked(self, seq: int, last: int) -> list[Published]:
        await self._lock.acquire()
        try:
            found = self._kept(seq)
            if not found:
                read = await self._read(seq, last)
                found = [(each, await self._enrichment.all(events)) for each, events in read]
                self._keep(seq, found)
            return found
        finally:
            self._lock.release()

    async def _read(self, seq: int, last: int) -> list[Published]:
        reading = self._open.pop(seq, None) or _Reading(self._open_at, seq + 1)
        found = await self._in_thread(reading.slice, last)
        if found and not reading.ended:
            self._open[found[-1][0]] = reading
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return found

    def _kept(self, seq: int) -> list[Published]:
        for start, (found, _) in self._recent.items():
            if start <= seq < found[-1][0]:
                self._recent.move_to_end(start)
                return [push for push in found if push[0] > seq]
        return []

    def _keep(self, seq: int, found: list[Published]) -> None:
        if not found:
            return
        size = sum(weight(events) for _, events in found)
        self._recent[seq] = found, size
        self._recent_bytes += size
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= self._recent.popitem(last=False)[1][1]


class _Reading:
    """One way through the journal.  Used by one thread at a time."""

    def __init__(self, open_at: Callable[[int], Iterator[Published]], start: int) -> None:
        self._open_at = open_at
        self._start = start
        self._pushes: Iterator[Published] | None = None
        self._beyond: Published | None = None
        self.ended = False

    def slice(self, last: int) -> list[Published]:
        """The next pushes up to the seq *last*, within the bounds of a slice."""
        found: list[Published] = []
        size = 0
        while len(found) < MOST_PUSHES and size < MOST_BYTES:
            push = self._next()
            if push is None or push[0] > last:
                self._beyond = push
                break
            found.append(push)
            size += weight(push[1])
        return found

    def _next(self) -> Published | None:
        if self._beyond is not None:
            beyond, self._beyond = self._beyond, None
            return beyond
        if self._pushes is None:
            self._pushes = self._open_at(self._start)
        push = next(self._pushes, None)
        self.ended = push is None
        return push


def branch(work: Deferred[T]) -> Deferred[T]:
    """A Deferred of one's own that follows *work*; cancelling it leaves *work* alone."""
    mine: Deferred[Any] = Deferred()

    def follow(result: Any) -> Any:
        if not mine.called:
            mine.callback(result)
        return None if isinstance(result, Failure) else result

    work.addBoth(follow)
    return mine

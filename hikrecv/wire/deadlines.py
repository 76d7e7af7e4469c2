"""One timer for the deadlines of all connections."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..config import Limits

FIRST_BYTE_TIME = 120.0
"""Seconds in which a new connection must say something; later it may be quiet for `idle_time`."""
CONTENT_WAIT = 2.0
"""Seconds for what a device most likely never sends: a body without length, the last line of chunks."""
DOCUMENT_WAIT = 0.25
"""Seconds of silence after which a body without length is looked at: a whole document is its end."""
STALLED = 20.0
"""Seconds in which something more of a body must come."""
LINGER_TIME = 5.0
"""Seconds in which a refused device may go on sending, so that it sees the answer."""
CLOSE_TIME = 15.0
"""Seconds for the peer to take the last answer and close."""


class Watched(Protocol):
    """Something with a deadline: `slot` is the wheel's own note of where it stands."""

    deadline: float
    slot: int

    def overdue(self, now: float) -> None:
        """The deadline passed; it may be watched again from here."""


class Wheel:
    """
    Wakes what is overdue, up to `grain` seconds late.

    A connection's deadline moves with every request, mostly to later.  A timer
    each would be made and cancelled as often; here a connection stands in the
    bucket of the earliest deadline it had, and is looked at when that is due:
    whoever has got more time is put further back then.  So a keep-alive request
    costs two comparisons, and an idle connection one entry in a set.

    Time is monotonic, because the reactor's own is the wall clock and jumps.

    :param clock: only wakes us; *now* judges.
    """

    def __init__(
        self, clock: IReactorTime, now: Callable[[], float] = time.monotonic, grain: float = 0.25
    ) -> None:
        self._clock, self.now, self._grain = clock, now, grain
        self._buckets: dict[int, set[Watched]] = {}
        self._order: list[int] = []
        self._timer: IDelayedCall | None = None
        self._timed = 0
        self._log = Logger(namespace="hikrecv.wire")

    def watch(self, one: Watched) -> None:
        """Wake *one* at its deadline; call it again whenever the deadline has moved."""
        if one.slot and one.slot * self._grain <= one.deadline:
            return  # it stands earlier: lazily moved when that bucket is due
        slot = math.ceil(one.deadline / self._grain)
        if one.slot == slot:
            return
        if one.slot:
            self.forget(one)
        one.slot = slot
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = set()
            heapq.heappush(self._order, slot)
            self._set_timer()
        bucket.add(one)

    def forget(self, one: Watched) -> None:
        """*one* waits for nothing any more."""
        bucket = self._buckets.get(one.slot)
        if bucket is not None:
            bucket.discard(one)
        one.slot = 0

    def _set_timer(self) -> None:
        if not self._order or (self._timer is not None and self._timed <= self._order[0]):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timed = self._order[0]
        wait = self._timed * self._grain - self.now()
        self._timer = self._clock.callLater(max(0.0, wait), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self.now()
        while self._order and self._order[0] * self._grain <= now:
            for one in self._buckets.pop(heapq.heappop(self._order)):
                if one.slot:  # else one before it in the same bucket has closed it
                    self._look_at(one, now)
        self._set_timer()

    def _look_at(self, one: Watched, now: float) -> None:
        one.slot = 0
        if one.deadline > now:
            self.watch(one)
            return
        try:
            one.overdue(now)
        except Exception:  # a bug in one conversation must not cost the others their deadlines
            self._log.failure("a deadline could not be kept")


def spans(limits: Limits) -> dict[str, float]:
    """How long each thing that a connection waits for may take, in seconds; but for the body."""
    return {
        "fresh": min(FIRST_BYTE_TIME, limits.idle_time),
        "idle": limits.idle_time,
        "head": limits.header_time,
        "final-line": CONTENT_WAIT,
        "done": CONTENT_WAIT,
        "room": limits.answer_time,
        "answer": limits.answer_time,
        "linger": LINGER_TIME,
        "close": CLOSE_TIME,
    }

"""How long ago an event happened, whatever has been done to the wall clock since."""

from __future__ import annotations

import math

from hikrecv.isapi.event import Event
from hikrecv.sightings.freshness import behind

from .feed import Feed
from .reaction import LATE

SKEW = 60.0
"""Seconds that a stored time may lie in the future before it is not believed."""


def lateness(event: Event) -> float:
    """How late the device was with *event*, in seconds; what is not live was late by `LATE` at least."""
    return behind(event) if event.freshness == "live" else max(behind(event), LATE)


def age(event: Event, seq: int, feed: Feed, now: float, late: float) -> float:
    """
    Seconds since *event* happened: since it was received, and how *late* the device was.

    A wall clock that was set forward makes events look old, which is the safe side.
    Set back, it would make an old one look new: so what came in this life is at
    least as old as the monotonic clock says, and what came before it and lies in
    the future has no age that could be known.

    :param now: the wall clock, in seconds since 1970.
    """
    by_wall = now - event.received.timestamp()
    if by_wall < -SKEW and seq <= feed.born:
        return math.inf
    return max(by_wall, feed.age(seq), 0.0) + late

"""What is left of an event when only its place in the story matters."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import msgspec
from xxhash import xxh3_128_hexdigest

from hikrecv.isapi.event import Episode, Event

from .database import storable

WINDOW = 8192
"""How many events back a new one can still be tied to an old one."""

LENGTH = 256
"""Characters of a name that are kept as they are."""

DEVICES = 4096
"""How many devices are remembered; who invents new names pushes out the longest silent one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class Clock(NamedTuple):
    """
    What an event left known of its device's clock; microseconds.

    :param offset: how far it is behind ours (negative: ahead); None: not known yet.
    :param trial: another offset, on which the latest events agree.
    :param steady: how many of them in a row.
    :param since: when the first of them was received.
    """

    offset: int | None = None
    trial: int | None = None
    steady: int = 0
    since: int | None = None


class Fact(msgspec.Struct, frozen=True, gc=False):
    """
    An event as sightings see it, and what they decided about it.

    Times are microseconds since 1970.  All fields are plain, so that a row of
    the index is a Fact as it stands.

    :param region: which of the alarms of one type and channel it belongs to.
    :param episode: the id of the episode's first event; None unless it is a repeat or the end.
    """

    seq: int
    n: int
    id: str
    key: str
    received: int
    occurred: int | None
    device: str
    channel: str | None
    type: str
    region: str | None
    family: str
    state: str
    freshness: str
    duplicate_of: str | None = None
    episode: str | None = None
    episode_count: int = 0
    episode_first: int | None = None
    clock_offset: int | None = None
    clock_trial: int | None = None
    clock_steady: int = 0
    clock_since: int | None = None

    @property
    def clock(self) -> Clock:
        """What was known of the device's clock after this event."""
        return Clock(self.clock_offset, self.clock_trial, self.clock_steady, self.clock_since)


def fact_of(event: Event) -> Fact:
    """The fact that sightings attached to *event*, or a new one with what the event itself says."""
    known: Fact | None = event.__dict__.get("_fact")
    return undecided(event) if known is None else known


def undecided(event: Event) -> Fact:
    """What *event* itself says, whoever looked at it before."""
    episode = event.episode or _NO_EPISODE
    return Fact(
        event.seq,
        event.n,
        event.id,
        _bounded(event.key),
        microseconds(event.received),
        None if event.occurred is None else microseconds(event.occurred),
        _bounded(event.device.id),
        None if event.channel is None else _bounded(event.channel.id),
        _bounded(event.type),
        _region(event),
        event.family,
        event.state,
        event.freshness,
        event.duplicate_of,
        episode.id or None,
        episode.count,
        microseconds(episode.first) if episode.id else None,
    )


def attach(event: Event, fact: Fact) -> None:
    """Let *fact* travel with *event*, as far as the index."""
    event.__dict__["_fact"] = fact


def microseconds(moment: datetime) -> int:
    """An aware *moment* as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The reverse of :func:`microseconds`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


_NO_EPISODE = Episode(id="", count=0, first=_EPOCH)


def _bounded(text: str) -> str:
    """A name that a device made up, or what stands for it when it is absurdly long: thousands are kept."""
    if len(text) > LENGTH:
        return xxh3_128_hexdigest(text.encode("utf-8", "backslashreplace"))
    return text if text.isascii() else storable(text)


def _region(event: Event) -> str | None:
    """What tells apart two alarms of one type at one channel: a region, an input, a zone, a rule."""
    region = None if event.thermal is None else event.thermal.rule
    if len(event.regions) == 1:
        region = event.regions[0].id or region
    elif event.regions:
        region = ",".join(sorted({each.id for each in event.regions if each.id})) or region
    elif event.io is not None:
        region = event.io.port
    elif event.panel is not None:
        # Contact-ID: the thousands say whether it began or ended, the rest what it is.
        code = None if event.panel.code is None else event.panel.code % 1000
        region = f"{code}/{event.panel.area}/{event.panel.zone}"
    return None if region is None else _bounded(region)

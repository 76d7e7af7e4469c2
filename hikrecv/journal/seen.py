"""What a device's events tell about the device: counts, clock, rhythm."""

from __future__ import annotations

import msgspec

from hikrecv.isapi.event import Device, Event

from .database import storable
from .fact import LENGTH, Fact

NAMES = 256
"""How many different words of a device are counted one by one (channels, anomalies)."""

HOUR = 3_600_000_000
"""Microseconds."""

DAYS = 14
"""How many days a device's rhythm is taken from."""

_DAY = 86_400_000_000
_MINUTE = 60_000_000


class Seen(msgspec.Struct, kw_only=True, omit_defaults=True):
    """
    One device, as far as the index has read its events.

    Counts are of what the index has seen: they outlive retention and begin anew
    when the index is made again.  Times are microseconds since 1970.

    :param offset: how far its clock is behind ours, microseconds; negative: ahead.
    :param hour: the hour (since 1970) of its last event; `this` and `before` are how many
        events there were in it and in the hour before.
    :param gaps: the longest silence that ended on each of the last days, (day, microseconds).
    """

    device: str
    first_received: int
    last_received: int
    last_seq: int = 0
    last_n: int = 0
    mac: str | None = None
    ip: str | None = None
    serial: str | None = None
    name: str | None = None
    peer_ip: str = ""
    trust: str = "none"
    events: int = 0
    late: int = 0
    resent: int = 0
    duplicates: int = 0
    offset: int | None = None
    hour: int = 0
    this: int = 0
    before: int = 0
    families: dict[str, int] = {}
    channels: dict[str, int] = {}
    anomalies: dict[str, int] = {}
    gaps: list[tuple[int, int]] = []

    @property
    def rhythm(self) -> float | None:
        """
        Its usual longest silence, in seconds; None before the second day.

        The second longest of the last days: one outage is no habit, but a weekend
        comes twice in two weeks.
        """
        gaps = sorted(gap for _, gap in self.gaps)
        return gaps[-2] / 1_000_000 if len(gaps) > 1 else None

    def rate(self, now: int) -> float:
        """Events in the hour before *now* (microseconds since 1970), on the whole."""
        hour, part = divmod(now, HOUR)
        this, before = self._counts(hour)
        return this + before * (1 - part / HOUR)

    def silent(self, now: int) -> bool:
        """Is it silent for more than twice as long as usual, and a minute?"""
        quiet = now - self.last_received
        return self.rhythm is not None and quiet > self.rhythm * 2_000_000 + _MINUTE

    def note(self, event: Event, fact: Fact) -> None:
        """Count *event*, the newest of the device."""
        self._follow(fact.received)
        self.last_seq, self.last_n = fact.seq, fact.n
        self.peer_ip, self.trust = event.peer.ip, event.peer.trust
        device = event.device
        if (
            device.mac != self.mac
            or device.ip != self.ip
            or device.serial != self.serial
            or device.name != self.name
        ):
            self._named(device)
        self.offset = fact.clock_offset
        self.events += 1
        self.late += fact.freshness == "late"
        self.resent += fact.freshness == "resent"
        self.duplicates += fact.duplicate_of is not None
        _count(self.families, fact.family)
        if fact.channel is not None:
            _count(self.channels, fact.channel)
        for name in event.anomalies:
            _count(self.anomalies, name)

    def _named(self, device: Device) -> None:
        """Devices do not say all of it every time."""
        self.mac, self.ip = _short(device.mac) or self.mac, _short(device.ip) or self.ip
        self.serial, self.name = _short(device.serial) or self.serial, _short(device.name) or self.name

    def _counts(self, hour: int) -> tuple[int, int]:
        """What `this` and `before` are in that *hour*."""
        if hour == self.hour:
            return self.this, self.before
        return 0, self.this if hour == self.hour + 1 else 0

    def _follow(self, received: int) -> None:
        gap = max(received - self.last_received, 0)
        self.last_received = received
        hour = received // HOUR
        if hour != self.hour:
            self.this, self.before = self._counts(hour)
            self.hour = hour
        self.this += 1
        day = received // _DAY
        if self.gaps and self.gaps[-1][0] == day:
            if gap > self.gaps[-1][1]:
                self.gaps[-1] = (day, gap)
        else:
            self.gaps = [*self.gaps[1 - DAYS :], (day, gap)]


def _short(text: str | None) -> str | None:
    return None if text is None else storable(text[:LENGTH])


def _count(counts: dict[str, int], name: str) -> None:
    if name in counts or len(counts) < NAMES:
        counts[name] = counts.get(name, 0) + 1

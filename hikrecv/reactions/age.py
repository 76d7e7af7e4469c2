"""How long ago an event happened, whatever has been done to the wall clock since."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from msgspec.json import decode, encode

from hikrecv.isapi.event import Event
from hikrecv.journal.steady import SteadyClock
from hikrecv.sightings.clocks import Trusted, TrustedClocks
from hikrecv.sightings.freshness import behind

from .feed import Feed
from .reaction import ACTING_AGE, LATE, Reaction

SETTLED = 600.0
"""Seconds after which our own clock is taken for right, if it was not set meanwhile."""

SKEW = 60.0
"""Seconds that a stored time may lie in the future before it is not believed."""


Write = Callable[[list[tuple[str, str | None]]], Awaitable[object]]
"""Writes what is known of devices' clocks to the ledger."""


class Age(NamedTuple):
    """Seconds since an event happened, and why it is as old as that, in words about *device*."""

    seconds: float
    why: str = ""


def lateness(event: Event) -> float:
    """How late the device was with *event* as far as can be guessed; what is not live, by `LATE` at least."""
    return behind(event) if event.freshness == "live" else max(behind(event), LATE)


class Ages:
    """
    Judges how old events are: since they were received, and how late the device was.

    For who acts or must not repeat itself, a device's clock is believed as far as it is trusted;
    for everybody else as far as can be guessed.

    A wall clock that was set forward makes events look old, which is the safe side.
    Set back, it would make an old one look new: so what came in this life is at
    least as old as the monotonic clock says, and what came before it and lies in the
    future, or before the machine was started or its clock set, has no age that could be known.

    :param wall: the wall clock, in seconds since 1970.
    :param trusted: what is known of the devices' clocks; nothing by default.
    :param steady: see :meth:`moment`; without one the wall clock is taken for steady.
    """

    def __init__(
        self,
        feed: Feed,
        wall: Callable[[], float],
        *,
        trusted: TrustedClocks | None = None,
        steady: SteadyClock | None = None,
    ) -> None:
        self._feed, self._wall, self._steady = feed, wall, steady
        self.trusted = TrustedClocks() if trusted is None else trusted

    def moment(self) -> float:
        """Now, for what the ledger is to forget when enough time has really passed."""
        return self._wall() if self._steady is None else self._steady.now()

    def opened(self, kept: Mapping[str, str], newest: float) -> None:
        """A ledger was opened: what it has *kept* of the clocks, and its *newest* time by the steady one."""
        self.trusted.restore({device: decode(known, type=Trusted) for device, known in kept.items()})
        if self._steady is not None:
            self._steady.at_least(newest)

    async def keep(self, write: Write) -> None:
        """
        Have what was learned of the devices' clocks written.

        Not while our own clock may be wrong, soon after the machine was started or the clock set: by such
        a clock every device is years off.
        """
        if self._steady is not None and not self._steady.settled(SETTLED):
            return
        await self._keep(self.trusted.changes(), write)

    async def forget(self, device: str, write: Write) -> bool:
        """Learn the clock of *device* anew, also after a restart; was anything known of it?"""
        known = self.trusted.forget(device)
        # Whatever our own clock is, this is not learned from it.
        await self._keep([each for each in self.trusted.changes() if each[1] is None], write)
        return known

    async def _keep(self, changes: list[tuple[str, Trusted | None]], write: Write) -> None:
        if changes:
            await write(
                [(device, None if known is None else encode(known).decode()) for device, known in changes]
            )
            self.trusted.kept(changes)

    def of(
        self, event: Event, seq: int, reaction: Reaction, *, made: bool = False, asked: bool = False
    ) -> Age:
        """
        How old *event* is for *reaction*.

        :param made: it was made by us and not by the device, which then was not late with it.
        :param asked: a terminal waits for the answer, which is as good as acting.
        """
        here = self._here(event, seq)
        if math.isinf(here):
            return Age(here, "it was received before the machine was started anew, or its clock set")
        if made:
            return Age(here)
        if asked or reaction.careful:
            if self._steady is not None and self._steady.in_doubt():
                return Age(
                    math.inf,
                    "this machine was just started and no time server has set its clock; nothing acts before "
                    "one has, or before it has run for five minutes",
                )
            late = self._late(event, reaction.max_age or ACTING_AGE, acts=asked or reaction.acts)
        else:
            late = Age(lateness(event))
        return late._replace(seconds=here + late.seconds)

    def _here(self, event: Event, seq: int) -> float:
        by_wall = self._wall() - event.received.timestamp()
        if seq <= self._feed.born:
            broken = self._steady is not None and not self._steady.continuous
            if by_wall < -SKEW or broken:
                return math.inf
        return max(by_wall, self._feed.age(seq), 0.0)

    def _late(self, event: Event, most: float, *, acts: bool) -> Age:
        late = self.trusted.lateness(event, most)
        device = event.device.id.partition("/")[0]
        if late.reason == "no time":
            # Nobody knows when it happened; a door is not opened for that.
            return Age(math.inf, "the device says no time that can be read") if acts else Age(0.0)
        if late.reason == "clock":
            return Age(
                math.inf,
                f"nobody knows how wrong the clock of {device} is; set it right, let it send heartbeats, or "
                f'write clock = "learned" in [devices.{device}]',
            )
        seconds = late.seconds
        if event.freshness == "resent" or (event.freshness == "late" and not late.sure):
            seconds = max(seconds, LATE)
        if seconds < 1:
            return Age(seconds)
        why = f"by its own clock {device} was {seconds:.0f} s late with it; if that clock was set,"
        return Age(seconds, f"{why} `hikrecv devices forget-clock {device}`")

"""Devices are asked what time it is: the one sign of a wrong clock that needs no heartbeats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from .config import DeviceTable
from .errors import Reject, Retry
from .journal.fact import microseconds, moment
from .sightings.clocks import TrustedClocks

LOOK = 20.0
"""Seconds between two looks at who is to be asked."""
EVERY = 6 * 3600.0
SOON = 60.0
"""The same for a device whose clock is in doubt."""
AGAIN = 600.0
"""The same after it did not answer, and *REFUSED* after it refused, which must not lock an account."""
REFUSED = 3600.0
SLOW = 5_000_000
"""Microseconds after which an answer says too little about the moment it was given."""
_log = Logger()


def answering(devices: Mapping[str, DeviceTable]) -> frozenset[str]:
    """The devices that can be asked: those with an address and a login."""
    return frozenset(
        name for name, table in devices.items() if table.login is not None and (table.address or table.url)
    )


class AskClocks:
    """
    Asks devices for their time: seldom, and soon when their clock is in doubt where something acts.

    One is asked at a time.  That a device is away or refuses is not an error of ours: its clock is then as
    unknown as it was, and a reaction that leaves events out says so.

    :param ask: gives what the clock of a device says.
    :param wall: our clock, nanoseconds since 1970.
    """

    def __init__(
        self,
        clock: Any,
        clocks: TrustedClocks,
        ask: Callable[[str], Awaitable[datetime]],
        wall: Callable[[], int],
    ) -> None:
        self._clock, self._clocks, self._ask, self._wall = clock, clocks, ask, wall
        self._asked: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._work: Deferred[None] | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def start(self, names: Collection[str]) -> None:
        """Ask these devices from now on, the first time at the first look."""
        self.stop()
        self._clocks.answering = frozenset(names)
        if names:
            self._loop.start(LOOK, now=False)

    def stop(self) -> None:
        """End."""
        if self._loop.running:
            self._loop.stop()
        if self._work is not None:
            self._work.cancel()

    def _look(self) -> None:
        if self._work is None:
            self._work = Deferred.fromCoroutine(self._round())
            self._work.addBoth(self._ended)

    def _ended(self, result: object) -> None:
        self._work = None
        if isinstance(result, Failure) and not result.check(CancelledError):
            _log.failure("asking the devices for their time failed", result)

    async def _round(self) -> None:
        doubted = self._clocks.doubted
        for name in sorted(self._clocks.answering):
            now = self._clock.seconds()
            due = self._asked.get(name, float("-inf")) + (SOON if name in doubted else EVERY)
            if now >= max(due, self._not_before.get(name, 0.0)):
                doubted.discard(name)
                if pause := await self._one(name):
                    self._not_before[name] = now + pause
                else:
                    self._asked[name] = now

    async def _one(self, name: str) -> float:
        """Ask; for how many seconds it is not asked again, whatever happens."""
        began = self._wall() // 1000
        try:
            said = microseconds(await self._ask(name))
        except Retry as error:
            _log.debug("the clock of {device} is not known: {error}", device=name, error=error)
            return AGAIN
        except Reject as error:
            _log.warn("the clock of {device} cannot be asked for: {error}", device=name, error=error)
            return REFUSED
        ended = self._wall() // 1000
        if 0 <= ended - began <= SLOW:
            self._clocks.measured(name, (began + ended) // 2 - said, ended)
            _log.debug(
                "the clock of {device} says {said}, {behind} behind ours",
                device=name,
                said=moment(said),
                behind=timedelta(microseconds=(began + ended) // 2 - said),
            )
        return 0.0

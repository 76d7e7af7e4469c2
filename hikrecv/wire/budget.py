"""What all listeners share: connections, bytes in flight, and every address's hour."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..config import Limits
from .addresses import subnet
from .inflight import InFlight
from .quota import Quota
from .watch import Watch


class Connections:
    """
    How many are open, in all and per address (of IPv6 per /64, see `Quota`).

    :param watch: is told the number.
    """

    def __init__(self, limits: Limits, watch: Watch | None = None) -> None:
        self._most, self._most_each, self._watch = limits.connections, limits.connections_per_address, watch
        self._of: dict[str, int] = {}
        self.open = 0

    def enter(self, ip: str, free: bool) -> str | None:
        """
        Count one more; otherwise which limit it would pass, as a setting's name.

        :param free: the limit per address does not hold for it.
        """
        if self.open >= self._most:
            return "limits.connections"
        key = subnet(ip)
        count = self._of.get(key, 0)
        if not free and count >= self._most_each:
            return "limits.connections_per_address"
        self._of[key] = count + 1
        self._count(1)
        return None

    def leave(self, ip: str) -> None:
        """One that was let in has ended."""
        key = subnet(ip)
        left = self._of.get(key, 0) - 1
        if left > 0:
            self._of[key] = left
        else:
            self._of.pop(key, None)
        self._count(-1)

    def _count(self, change: int) -> None:
        self.open += change
        if self._watch is not None:
            self._watch.connections(self.open)


class Budget:
    """One for the whole receiver, however many ports it has."""

    def __init__(
        self, limits: Limits, watch: Watch | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = now
        self.connections = Connections(limits, watch)
        self.in_flight = InFlight(max(limits.in_flight, limits.body), watch)
        self.quota = Quota(limits, now)

"""How much one address may send in an hour, so that nobody pushes the real events off the disk."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ..config import Limits
from ..push import Trust
from .addresses import subnet

HOUR = 3600.0


class Quota:
    """
    Bytes and pushes per address and hour; of a sender that nobody knows, a tenth.

    An address's hour begins with its first push.  IPv6 counts by /64, because
    that is what one host has to choose from.

    :param keys: how many addresses are remembered; the one longest quiet is forgotten first.
    """

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic, keys: int = 4096) -> None:
        self._bytes, self._pushes = limits.bytes_per_hour, limits.pushes_per_hour
        self._now, self._keys = now, keys
        self._spent: OrderedDict[str, tuple[float, int, int]] = OrderedDict()

    def wait(self, ip: str, trust: Trust) -> int:
        """Seconds until *ip* may send again; 0: it may now."""
        spent = self._spent.get(subnet(ip))
        if spent is None:
            return 0
        began, size, pushes = spent
        left = began + HOUR - self._now()
        share = 10 if trust == "none" else 1
        if left <= 0 or (size * share < self._bytes and pushes * share < self._pushes):
            return 0
        return int(left) + 1

    def charge(self, ip: str, size: int) -> None:
        """*ip* sent one push of *size* bytes."""
        key, now = subnet(ip), self._now()
        began, total, pushes = self._spent.pop(key, (now, 0, 0))
        if now - began >= HOUR:
            began, total, pushes = now, 0, 0
        self._spent[key] = (began, total + size, pushes + 1)
        if len(self._spent) > self._keys:
            self._spent.popitem(last=False)

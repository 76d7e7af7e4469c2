"""How much one sender may send in an hour, so that nobody pushes the real events off the disk."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ..config import Limits
from ..senders import SenderClass
from .admission import Sender

HOUR = 3600.0
STRANGERS_PART = 10
"""A stranger gets this part of an hour's share, where better known senders are configured."""
HOSTS = 4
"""The strangers of one IPv6 /64 get together what so many of them may have: one host can take them all."""

_Spent = OrderedDict[str, tuple[float, int, int]]


class Quota:
    """
    Bytes and pushes per sender and hour, taken when a request begins.

    A sender's hour begins with its first push.  An IPv6 host is one address, and
    has billions to choose from: so the strangers of a /64 have a ceiling together.

    :param keys: how many senders are remembered; the one longest quiet is forgotten first.
    """

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic, keys: int = 4096) -> None:
        self._limits, self._now, self._keys = limits, now, keys
        self._spent: _Spent = OrderedDict()
        self._spent_nets: _Spent = OrderedDict()
        self.part = 1

    def take(self, sender: Sender, size: int, pushes: int = 1) -> int:
        """Take *size* bytes from the hour of *sender*; else the seconds until it may try again."""
        part = self.part if sender.standing is SenderClass.STRANGER else 1
        most, most_pushes = self._limits.bytes_per_hour // part, self._limits.pushes_per_hour // part
        now = self._now()
        began, total, count = self._spent.get(sender.key) or (now, 0, 0)
        if now - began >= HOUR:
            began, total, count = now, 0, 0
        if total + size > most or count + pushes > most_pushes:
            return int(began + HOUR - now) + 1
        if sender.net:
            wait = self._take_net(sender.net, size, pushes, now, HOSTS * most, HOSTS * most_pushes)
            if wait:
                return wait
        self._spent[sender.key] = (began, total + size, count + pushes)
        self._spent.move_to_end(sender.key)
        if len(self._spent) > self._keys:
            self._spent.popitem(last=False)
        return 0

    def _take_net(self, net: str, size: int, pushes: int, now: float, most: int, most_pushes: int) -> int:
        began, total, count = self._spent_nets.get(net) or (now, 0, 0)
        if now - began >= HOUR:
            began, total, count = now, 0, 0
        if total + size > most or count + pushes > most_pushes:
            return int(began + HOUR - now) + 1
        self._spent_nets[net] = (began, total + size, count + pushes)
        self._spent_nets.move_to_end(net)
        if len(self._spent_nets) > self._keys:
            self._spent_nets.popitem(last=False)
        return 0

    def give_back(self, sender: Sender, size: int, pushes: int = 0) -> None:
        """What was taken and not used."""
        for spent, key in ((self._spent, sender.key), (self._spent_nets, sender.net)):
            if key in spent:
                began, total, count = spent[key]
                # In the next hour there is perhaps less to give back from.
                spent[key] = (began, max(0, total - size), max(0, count - pushes))

"""How many connections are open, whose, and which one goes where there are too many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

from ..config import Limits
from ..senders import SenderClass
from .admission import Sender
from .watch import Watch

RESTED = 5.0
"""Seconds that a connection has rested at least before it goes for one that is no better known."""
LOOKED_AT = 64
"""Connections, the oldest first, of which one is chosen to go: a flood must not make us search."""
NET = 4
"""The strangers of one IPv6 /64 have together so many times the connections of one address."""
MOST_OF = {SenderClass.STRANGER: 2, SenderClass.ADMITTED: 4}
"""Of ``limits.connections`` strangers leave a half free, admitted senders a quarter."""


class Connected(Protocol):
    """A connection as the crowd sees it."""

    sender: Sender

    @property
    def expendable(self) -> bool:
        """Nothing that it has sent is being kept at this moment."""

    @property
    def resting(self) -> float:
        """Since when it is between two requests (monotonic); infinite when it is not."""

    def make_way(self) -> None:
        """Close, for another one."""


Group = dict[Connected, None]


class Connections:
    """
    All that are open, in all, per class, and per address.

    Where a limit is reached the least known goes first: for a known device any
    connection of a stranger is closed, one that rests before one that is sending;
    among equals only one that has rested for a while.  So known devices always get
    in, and whoever can be known only after its login is not locked out by others
    that hold connections and say nothing.

    :param watch: is told the number.
    :ivar bounds: the classes that have a share of the connections only (a better known one is configured).
    """

    def __init__(
        self, limits: Limits, watch: Watch | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._most_each, self._watch, self._now = (
            limits.connections,
            limits.connections_per_address,
            watch,
            now,
        )
        self._classes: dict[SenderClass, Group] = {cls: {} for cls in SenderClass}
        self._hosts: dict[str, Group] = {}
        self._nets: dict[str, Group] = {}
        self.bounds: frozenset[SenderClass] = frozenset()
        self.open = 0

    def enter(self, one: Connected, files_left: bool = True) -> str | None:
        """
        Count one more, perhaps in place of another; else which limit it would pass, as a setting's name.

        :param files_left: False when the process cannot open many more files.
        """
        sender = one.sender
        limit, there = self._reached(sender, files_left)
        if limit is not None:
            victim = self._weakest(sender, there)
            if victim is None:
                return limit
            self.leave(victim)
            victim.make_way()
            # It has made room under one limit; under another there may still be none.
            limit, _ = self._reached(sender, files_left=True)
            if limit is not None:
                return limit
        self._put(one, sender)
        self._count(1)
        return None

    def leave(self, one: Connected) -> None:
        """One that was let in has ended; nothing happens the second time."""
        if one in self._classes[one.sender.standing]:
            self._take(one, one.sender)
            self._count(-1)

    def know(self, one: Connected, sender: Sender) -> None:
        """It has proved to be *sender*."""
        if one in self._classes[one.sender.standing]:
            self._take(one, one.sender)
            self._put(one, sender)
        one.sender = sender

    def _reached(self, sender: Sender, files_left: bool) -> tuple[str | None, list[Group]]:
        """The limit that *sender* has reached, and where one may go for it."""
        standing, classes = sender.standing, self._classes
        if not sender.free and len(self._hosts.get(sender.key, ())) >= self._most_each:
            return "limits.connections_per_address", [self._hosts[sender.key]]
        if sender.net and not sender.free and len(self._nets.get(sender.net, ())) >= NET * self._most_each:
            return "limits.connections_per_address", [self._nets[sender.net]]
        own = classes[standing]
        if standing in self.bounds and len(own) >= self._most - self._most // MOST_OF[standing]:
            return "limits.connections", [own]
        if self.open >= self._most or not files_left:
            limit = "limits.connections" if files_left else "the number of open files (LimitNOFILE)"
            return limit, [classes[cls] for cls in SenderClass if cls <= standing]
        return None, []

    def _weakest(self, sender: Sender, there: Iterable[Group]) -> Connected | None:
        rested = self._now() - RESTED
        for group in there:
            oldest = [one for one in islice(group, LOOKED_AT) if one.expendable]
            best = min(oldest, key=lambda one: one.resting, default=None)
            if best is None:
                continue
            if best.sender.standing < sender.standing or best.resting <= rested:
                return best
        return None

    def _put(self, one: Connected, sender: Sender) -> None:
        self._classes[sender.standing][one] = None
        self._hosts.setdefault(sender.key, {})[one] = None
        if sender.net:
            self._nets.setdefault(sender.net, {})[one] = None

    def _take(self, one: Connected, sender: Sender) -> None:
        del self._classes[sender.standing][one]
        for groups, key in ((self._hosts, sender.key), (self._nets, sender.net)):
            group = groups.get(key)
            if group is not None:
                group.pop(one, None)
                if not group:
                    del groups[key]

    def _count(self, change: int) -> None:
        self.open += change
        if self._watch is not None:
            self._watch.connections(self.open)

"""What all listeners share: connections, bytes in flight, every sender's hour, and the classes' shares."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..config import Config, JournalTable, Limits
from ..senders import SenderClass, classes_of
from .admission import Sender
from .crowd import Connections
from .inflight import InFlight, Share, Total
from .quota import Quota
from .shares import Shares
from .watch import Watch

ROOM_PART = 4
"""Each class that is not the best known one configured has this part of ``limits.in_flight``."""

HOUR_USED = "it sent more than an hour's share; see limits.bytes_per_hour and limits.pushes_per_hour"
DAY_USED = {
    SenderClass.STRANGER: (
        "strangers together have used up their tenth of [journal] max; name the device in [devices] with its "
        "address, or take it off the network"
    ),
    SenderClass.ADMITTED: (
        "admitted senders together have used up their half of [journal] max; name the device in [devices] "
        "with its address, or raise [journal] max"
    ),
}


class Budget:
    """
    One for the whole receiver, however many ports it has.

    A share binds only where somebody better known is configured: else strangers have it all.
    """

    def __init__(
        self,
        limits: Limits,
        watch: Watch | None = None,
        now: Callable[[], float] = time.monotonic,
        journal: JournalTable | None = None,
    ) -> None:
        self.now, self._limits = now, limits
        self.connections = Connections(limits, watch, now)
        self.total = Total(watch)
        self.rooms = {cls: InFlight(limits.in_flight, limits.body, self.total) for cls in SenderClass}
        self.quota = Quota(limits, now)
        self.shares = Shares(journal or JournalTable(), now)
        self.nearly_full: Callable[[], bool] = lambda: False
        self._best = SenderClass.STRANGER

    def take_over(self, config: Config) -> None:
        """Divide by the classes that *config* tells apart, from now on."""
        self.divide(classes_of(config))

    def divide(self, classes: frozenset[SenderClass]) -> None:
        """The same for *classes*, of which strangers are always one."""
        self._best = best = max(classes)
        bounds = classes - {best}
        self.connections.bounds = self.shares.bounds = bounds
        self.quota.part = 1 if best is SenderClass.STRANGER else 10
        whole = self._limits.in_flight
        for cls, room in self.rooms.items():
            size = whole // ROOM_PART if cls < best else whole - len(bounds) * (whole // ROOM_PART)
            room.resize(size, self._limits.body)

    def share(self, sender: Sender, ready: Callable[[], None]) -> Share:
        """Room for one body of *sender*; the strangers of an IPv6 /64 are one, who has many addresses."""
        key = "" if sender.free else sender.net or sender.key
        return Share(self.rooms[sender.standing], ready, key)

    def take(self, sender: Sender, size: int, pushes: int = 1) -> tuple[str, int] | None:
        """
        Take *size* bytes from the hour of *sender* and from its class's share of the journal.

        :returns: else why not, and the seconds until it may try again.
        """
        if not sender.free:
            wait = self.quota.take(sender, size, pushes)
            if wait:
                return HOUR_USED, wait
        if sender.standing < self._best:
            wait = self.shares.take(sender.standing, size)
            if wait:
                if not sender.free:
                    self.quota.give_back(sender, size, pushes)
                return DAY_USED[sender.standing], wait
        return None

    def give_back(self, sender: Sender, size: int, pushes: int = 0) -> None:
        """What was taken and not used: less came than was announced, or it was not kept."""
        if not sender.free:
            self.quota.give_back(sender, size, pushes)
        if sender.standing < self._best:
            self.shares.give_back(sender.standing, size)

    def only_for_known(self, sender: Sender) -> bool:
        """Whether what is left of the journal is for better known senders than *sender*."""
        return sender.standing < self._best and self.nearly_full()

"""How many bytes of bodies are held at once, over all connections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .watch import Watch

FREE = 4
"""Part of the room in which everybody reads: what those that wait later already hold."""
STEP = 262_144
"""What a body of unknown length asks room for at a time: the largest read (`line.BODY_READ`)."""


class InFlight:
    """
    The room for bodies that are being read or kept.

    Up to a quarter of it everybody reads freely.  Above that a request goes on only
    when all that it still announces fits: then it is promised the room, else it
    waits without reading, and smaller ones pass it.  So whoever was let in can
    always finish, and memory stays bounded; yet an announcement alone occupies
    nothing, or a few slow senders with large Content-Lengths would hold the port.

    :param limit: bytes; at least the size of one body.
    """

    __slots__ = ("_letting_in", "_limit", "_waiting", "_watch", "held", "promised")

    def __init__(self, limit: int, watch: Watch | None = None) -> None:
        self._limit, self._watch = limit, watch
        self._waiting: OrderedDict[Share, int] = OrderedDict()
        self._letting_in = False
        self.held = 0
        self.promised = 0

    @property
    def full(self) -> bool:
        """A new request cannot even begin: it is told to come back later."""
        return self.held >= self._limit

    def _count(self, held: int, promised: int) -> None:
        self.held += held
        self.promised += promised
        if self._watch is not None:
            self._watch.in_flight(self.held)

    def _promise(self, share: Share, left: int) -> bool:
        taken = self.held + self.promised
        if taken <= self._limit // FREE:
            return True
        if taken + left > self._limit:
            return False
        self._count(0, left - share.promised)
        share.promised = left
        return True

    def _let_in(self) -> None:
        if self._letting_in:
            return  # the one just let in has ended already: the loop below sees its room
        self._letting_in = True
        try:
            while self._waiting:
                share, left = next(iter(self._waiting.items()))
                if not self._promise(share, left):
                    break
                del self._waiting[share]
                share.ready()
        finally:
            self._letting_in = False


class Share:
    """
    What one request holds.

    :param ready: called when a request that had to wait may read on.
    """

    __slots__ = ("_room", "held", "promised", "ready")

    def __init__(self, room: InFlight, ready: Callable[[], None]) -> None:
        self._room, self.ready = room, ready
        self.held = 0
        self.promised = 0

    def add(self, size: int, left: int) -> bool:
        """
        *size* bytes have come, *left* are announced; False: stop reading until `ready` is called.

        What has come is held in any case.
        """
        room = self._room
        kept = min(size, self.promised) if self.promised else 0
        self.held += size
        self.promised -= kept
        room._count(size, -kept)
        if left <= 0 or self.promised >= left or room._promise(self, left):
            return True
        room._waiting[self] = left
        return False

    def release(self) -> None:
        """The request is over: give everything back."""
        room = self._room
        if room._waiting:
            room._waiting.pop(self, None)
        room._count(-self.held, -self.promised)
        self.held = self.promised = 0
        if room._waiting:
            room._let_in()

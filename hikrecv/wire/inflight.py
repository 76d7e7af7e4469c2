"""How many bytes of bodies are held at once, over all connections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .watch import Watch

FREE = 4
"""Part of the room in which everybody reads: what those that wait later already hold."""
STEP = 262_144
"""What a body of unknown length asks room for at a time: the largest read (`line.BODY_READ`)."""
SMALL = 64
"""A body of at most this part of the room is small."""
FOR_SMALL = 4
"""This part of the room is for small bodies, so that large ones that do not end hold nobody else up."""
EACH = 4
"""One sender holds at most this part of the room, or one body."""


class Total:
    """What the rooms of all classes hold together; *watch* is told."""

    __slots__ = ("held", "watch")

    def __init__(self, watch: Watch | None = None) -> None:
        self.held, self.watch = 0, watch


class _Sender:
    """What one sender holds and is promised, and its requests that wait for its own sake."""

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = 0
        self.waiting: OrderedDict[Share, int] = OrderedDict()


class InFlight:
    """
    The room for bodies of one class of senders that are being read or kept.

    Up to a quarter of it everybody reads freely.  Above that a request goes on only
    when all that it still announces fits: then it is promised the room, else it
    waits without reading, and smaller ones pass it.  So whoever was let in can
    always finish, and memory stays bounded; yet an announcement alone occupies
    nothing, or a few slow senders with large Content-Lengths would hold the port.
    A part is for small bodies alone, and a sender gets no more than its part.

    :param limit: bytes.
    :param body: the size of the largest body; it fits in any case.
    """

    __slots__ = ("_each", "_large", "_letting_in", "_limit", "_of", "_small", "_total", "_waiting", "held",
                 "promised")  # fmt: skip

    def __init__(self, limit: int, body: int = 0, total: Total | None = None) -> None:
        self._total = total or Total()
        self._waiting: OrderedDict[Share, int] = OrderedDict()
        self._of: dict[str, _Sender] = {}
        self._letting_in = False
        self.held = 0
        self.promised = 0
        self.resize(limit, body)

    def resize(self, limit: int, body: int) -> None:
        """Another size from now on; what is held stays."""
        self._small = limit // SMALL
        self._each = max(limit // EACH, body)
        self._large = max(limit - limit // FOR_SMALL, body)
        self._limit = self._large + limit // FOR_SMALL

    @property
    def full(self) -> bool:
        """A new request cannot even begin: it is told to come back later."""
        return self.held >= self._limit

    def _count(self, share: Share, held: int, promised: int) -> None:
        self.held += held
        self.promised += promised
        if share.sender is not None:
            share.sender.taken += held + promised
        total = self._total
        total.held += held
        if total.watch is not None:
            total.watch.in_flight(total.held)

    def _promise(self, share: Share, left: int) -> bool:
        taken = self.held + self.promised
        if taken <= self._limit // FREE:
            return True
        more = left - share.promised
        small = share.held + left <= self._small
        queue = None
        if taken + more > (self._limit if small else self._large):
            queue = self._waiting
        elif share.sender is not None and share.sender.taken + more > self._each:
            queue = share.sender.waiting
        if queue is not None:
            queue[share] = left
            return False
        self._count(share, 0, more)
        share.promised = left
        return True

    def _let_in(self, queue: OrderedDict[Share, int]) -> None:
        while queue:
            share, left = queue.popitem(last=False)
            if not self._promise(share, left):
                if share in queue:
                    queue.move_to_end(share, last=False)
                    break
                continue  # there is room, but its sender has its part: it waits for that
            share.ready()

    def _released(self, sender: _Sender | None) -> None:
        if self._letting_in:
            return  # the one just let in has ended already: the loop below sees its room
        self._letting_in = True
        try:
            if sender is not None and sender.waiting:
                self._let_in(sender.waiting)
            self._let_in(self._waiting)
        finally:
            self._letting_in = False


class Share:
    """
    What one request holds.

    :param ready: called when a request that had to wait may read on.
    :param key: whose it is; "" for a sender that speaks for many.
    """

    __slots__ = ("_key", "_room", "held", "promised", "ready", "sender")

    def __init__(self, room: InFlight, ready: Callable[[], None], key: str = "") -> None:
        self._room, self.ready, self._key = room, ready, key
        self.held = 0
        self.promised = 0
        self.sender: _Sender | None = None

    def add(self, size: int, left: int) -> bool:
        """
        *size* bytes have come, *left* are announced; False: stop reading until `ready` is called.

        What has come is held in any case.
        """
        room = self._room
        if self.sender is None and self._key:
            self.sender = room._of.get(self._key)
            if self.sender is None:
                self.sender = room._of[self._key] = _Sender()
        kept = min(size, self.promised) if self.promised else 0
        self.held += size
        self.promised -= kept
        room._count(self, size, -kept)
        return left <= 0 or self.promised >= left or room._promise(self, left)

    def release(self) -> None:
        """The request is over: give everything back."""
        room, sender = self._room, self.sender
        if room._waiting:
            room._waiting.pop(self, None)
        if sender is not None and sender.waiting:
            sender.waiting.pop(self, None)
        room._count(self, -self.held, -self.promised)
        self.held = self.promised = 0
        if sender is not None and not sender.taken and not sender.waiting:
            room._of.pop(self._key, None)
            self.sender = None
        if room._waiting or (sender is not None and sender.waiting):
            room._released(sender)

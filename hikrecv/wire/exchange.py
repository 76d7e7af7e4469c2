"""One request on its way through a connection."""

from __future__ import annotations

from typing import Literal

from ..config import Limits
from .admission import Sender
from .deadlines import CONTENT_WAIT, DOCUMENT_WAIT, STALLED
from .inflight import STEP, Share
from .messages import Head

Fate = Literal["keep", "drop", "answered"]
"""What becomes of the body: it is kept, or read and thrown away before or after the answer."""

QUIET_LOOKS = 3
"""How often a body without a length is looked at when its sender pauses for a moment."""


class Exchange:
    """One request on its way: what has come of it, and what becomes of it."""

    __slots__ = (
        "_counted",
        "_due",
        "acknowledged",
        "chunks",
        "cost",
        "fate",
        "head",
        "looked",
        "looks",
        "sender",
        "share",
        "size",
        "taken",
    )

    def __init__(
        self, head: Head, sender: Sender, fate: Fate, share: Share, taken: int = 0, cost: int = 0
    ) -> None:
        self.head, self.sender, self.fate, self.share = head, sender, fate, share
        self.chunks: list[bytes] = []
        self.size = self.looks = self._counted = 0
        self.looked = -1
        self.acknowledged = False
        self.taken = taken
        """Bytes of the body that were taken from its sender's hour, and beside them `cost`."""
        self.cost = cost
        self._due = 0.0

    @property
    def left(self) -> int:
        """Bytes that are still announced."""
        return STEP if self.head.length is None else self.head.length - self.size

    def take(self, chunk: bytes) -> bool:
        """The next piece of the body; False: stop reading until there is room."""
        size, length = len(chunk), self.head.length
        self.chunks.append(chunk)
        self.size += size
        return self.share.add(size, STEP if length is None else length - self.size)

    def due(self, began: float, heard: float, limits: Limits) -> float:
        """
        Until when the body may go on, when nothing more comes.

        One rule for both bounds: whoever sends faster than `body_rate` is never
        late, whoever is slower has `body_time` in all beyond what the rate allows.
        What came fast is no credit for later: else a sender that stops just before
        the end of a large body would hold room for an hour.
        """
        if not self._due:
            self._due = began + limits.body_time
        self._due += (self.size - self._counted) / limits.body_rate
        self._due = min(self._due, max(began, heard) + limits.body_time)
        self._counted = self.size
        return min(self._due, max(began, heard) + STALLED)

    def until(self, began: float, heard: float, limits: Limits) -> float:
        """The same, or when a pause of its sender is looked at."""
        until = self.due(began, heard, limits)
        if self.head.framing != "close":
            return until
        look = 0 < self.size != self.looked and self.looks < QUIET_LOOKS
        return min(until, heard + (DOCUMENT_WAIT if look else CONTENT_WAIT))

    def body(self) -> bytes:
        """What has come, in one piece."""
        self.chunks = [b"".join(self.chunks)]
        return self.chunks[0]

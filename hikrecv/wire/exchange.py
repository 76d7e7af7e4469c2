"""One request on its way through a connection."""

from __future__ import annotations

from typing import Literal

from ..config import Limits
from ..push import Trust
from .deadlines import CONTENT_WAIT, DOCUMENT_WAIT, body_deadline
from .inflight import STEP, Share
from .messages import Head

Fate = Literal["keep", "drop", "answered"]
"""What becomes of the body: it is kept, or read and thrown away before or after the answer."""

QUIET_LOOKS = 3
"""How often a body without a length is looked at when its sender pauses for a moment."""


class Exchange:
    """One request on its way: what has come of it, and what becomes of it."""

    __slots__ = ("acknowledged", "chunks", "fate", "head", "looked", "looks", "share", "size", "trust")

    def __init__(self, head: Head, trust: Trust, fate: Fate, share: Share) -> None:
        self.head, self.trust, self.fate, self.share = head, trust, fate, share
        self.chunks: list[bytes] = []
        self.size = self.looks = 0
        self.looked = -1
        self.acknowledged = False

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

    def until(self, began: float, heard: float, limits: Limits) -> float:
        """Until when the body may go on, or a pause of its sender is looked at."""
        until = body_deadline(began, self.size, limits)
        if self.head.framing != "close":
            return until
        look = 0 < self.size != self.looked and self.looks < QUIET_LOOKS
        return min(until, heard + (DOCUMENT_WAIT if look else CONTENT_WAIT))

    def body(self) -> bytes:
        """What has come, in one piece."""
        self.chunks = [b"".join(self.chunks)]
        return self.chunks[0]

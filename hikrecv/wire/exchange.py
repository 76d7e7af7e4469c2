"""One request on its way through a connection."""

from __future__ import annotations

from typing import Literal

from ..push import Trust
from .inflight import STEP, Share
from .messages import Head

Fate = Literal["keep", "drop", "answered"]
"""What becomes of the body: it is kept, or read and thrown away before or after the answer."""


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

    def body(self) -> bytes:
        """What has come, in one piece."""
        self.chunks = [b"".join(self.chunks)]
        return self.chunks[0]

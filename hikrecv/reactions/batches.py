"""Events that a reaction takes together: until enough are there, or the oldest waited long enough."""

from __future__ import annotations

from typing import Generic, TypeVar

from hikrecv.config import Batch

MOST_BYTES = 16_000_000
"""A batch is handed over early when its events hold so much memory."""

T = TypeVar("T")


class Collecting(Generic[T]):
    """The batch that is being filled.  Holds no clock: `now` is the reactor's, in seconds."""

    def __init__(self, rule: Batch, most_bytes: int = MOST_BYTES) -> None:
        self._rule = rule
        self._most_bytes = most_bytes
        self._items: list[T] = []
        self._bytes = 0
        self._due = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, weight: int, now: float) -> None:
        """Put *item*, which holds *weight* bytes, into the batch."""
        if not self._items:
            self._due = now + self._rule.wait
        self._items.append(item)
        self._bytes += weight

    @property
    def full(self) -> bool:
        """Nothing more goes in."""
        return len(self._items) >= self._rule.most or self._bytes >= self._most_bytes

    def due_in(self, now: float) -> float | None:
        """Seconds until the batch has waited enough; None while it is empty."""
        return max(0.0, self._due - now) if self._items else None

    def take(self) -> list[T]:
        """The batch; a new one begins."""
        items, self._items, self._bytes = self._items, [], 0
        return items

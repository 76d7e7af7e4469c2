"""Damage that is met while reading: every number is told of once, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

import msgspec

from ..errors import JournalError
from .record import Damaged

LINES = 20
"""Sentences in an hour; what is met beyond them is counted, and kept a copy of."""
_HOUR = 3600.0
_RANGES = 1000
"""Ranges of numbers that are remembered.  Where more is damaged, only `hikrecv verify` knows all of it."""
_MORE = "more is damaged than is told here: see `hikrecv verify`"


def refuse(damaged: Damaged) -> None:
    """What whoever reads gets when nobody asked to hear of damage.  :raises JournalError: always."""
    raise JournalError(damaged.sentence)


class Damages:
    """
    Hears of damage from any thread, perhaps of the same again and again.

    :param tell: gets a sentence for people.
    :param keep: gets what was not known before, to keep a copy of the bytes.
    :ivar count: how many numbers cannot be read, as far as anybody tried.
    """

    def __init__(
        self,
        tell: Callable[[str], object],
        keep: Callable[[Damaged], object] = lambda damaged: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.count = 0
        self._tell, self._keep, self._monotonic = tell, keep, monotonic
        self._known: list[tuple[int, int]] = []
        self._lock = Lock()
        self._lines, self._since = 0, monotonic()

    def __call__(self, damaged: Damaged) -> None:
        """Tell of those of its numbers that were not told of before."""
        for first, last in self.know(damaged):
            news = msgspec.structs.replace(damaged, first=first, last=last)
            self._keep(news)
            self._say(news.sentence)

    def know(self, damaged: Damaged) -> list[tuple[int, int]]:
        """Count it and tell nobody; returns the ranges that are new."""
        with self._lock:
            if len(self._known) >= _RANGES:
                return []
            fresh = _without(damaged.first, damaged.last, self._known) if damaged.last else []
            self._known = _joined(sorted([*self._known, *fresh]))
            self.count += sum(last - first + 1 for first, last in fresh)
            return fresh

    def _say(self, sentence: str) -> None:
        with self._lock:
            now = self._monotonic()
            if now - self._since >= _HOUR:
                self._lines, self._since = 0, now
            self._lines += 1
            lines = self._lines
        if lines <= LINES:
            self._tell(sentence if lines < LINES else _MORE)


def _without(first: int, last: int, known: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of *first* to *last* is in none of the *known* ranges, which ascend."""
    left = []
    for begin, end in known:
        if end < first:
            continue
        if begin > last:
            break
        if begin > first:
            left.append((first, begin - 1))
        first = end + 1
    return [*left, (first, last)] if first <= last else left


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and joined[-1][1] + 1 == first:
            first = joined.pop()[0]
        joined.append((first, last))
    return joined

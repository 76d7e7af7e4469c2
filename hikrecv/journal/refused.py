"""Numbers that were given and never kept: pushes that were answered 503 for want of room."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from .segment import Segment

# A push has its number before it is written, and what is under way behind it has the next ones; so a number
# that is refused is never given again.  Whoever counts numbers has to know: they are no loss, and nothing
# that a reaction is behind with.

MOST = 200
"""Ranges that are remembered.  Of more the oldest are forgotten: then too much is counted, not too little."""

Range = tuple[int, int]


class Refused:
    """
    Ranges of such numbers, ascending and apart.

    Written to by one thread; others may ask at any time.

    :ivar news: whether something was added since :meth:`told`.
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self.ranges: tuple[Range, ...] = ()
        for first, last in ranges:
            self.add(first, last)
        self.news = False

    def add(self, first: int, last: int) -> None:
        """These were refused, too."""
        self.news = True
        joined: list[Range] = []
        for begin, end in sorted([*self.ranges, (first, last)]):
            if joined and begin <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        self.ranges = tuple(joined[-MOST:])

    def told(self) -> tuple[Range, ...]:
        """All of them, for who writes them down."""
        self.news = False
        return self.ranges

    def kept(self, first: int, last: int) -> int:
        """How many of the numbers from *first* to *last* were not refused."""
        ranges = self.ranges
        count = max(last - first + 1, 0)
        for begin, end in ranges[max(bisect_left(ranges, (first, 0)) - 1, 0) :]:
            if begin > last:
                break
            count -= max(min(end, last) - max(begin, first) + 1, 0)
        return count


def between(used: Sequence[Segment]) -> Iterator[Range]:
    """Those before the first number of a segment: each says what was written before it, wherever that is."""
    for segment in used:
        if segment.first > segment.previous + 1:
            yield segment.previous + 1, segment.first - 1


def within(previous: Iterable[tuple[int, int]]) -> Iterator[Range]:
    """Those between records: *previous* has each record's number before it, and its own."""
    for before, seq in previous:
        if seq > before + 1:
            yield before + 1, seq - 1

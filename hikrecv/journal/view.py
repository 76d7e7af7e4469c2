"""Reading the journal, the same for its writer's process and for any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from ..errors import Gone
from .mark import Mark
from .record import Damaged, Entry, Note, decode
from .segment import PAGE, Hole, Index, Record, Segment, Window, locate, read_index, unpack, walk
from .state import Layout
from .store import Store
from .tail import WRONG_SUM

_MISSING = "records are missing"
_UNKNOWN = "a record is of a kind that this version does not know"

_Place = tuple[Segment | None, int, int]
_NOWHERE: _Place = (None, 0, 0)


class Found(NamedTuple):
    """A record and where it stands."""

    record: Record
    segment: Segment


class View(msgspec.Struct, frozen=True):
    """
    The journal as it was at one moment: what is on disk up to `mark`.

    Every record is checked by its sum, which no other bytes pass.  A segment may be retired, and used again,
    at any moment: what is read then fails its check, and a look at the directory tells that from damage.

    :param indexes: of segments that have none on disk yet.
    :param begin: the number from which on everything should be there; 0 when that is not known.
    """

    store: Store
    layout: Layout
    segments: tuple[Segment, ...]
    mark: Mark
    indexes: Mapping[int, Index] = {}
    begin: int = 0

    @property
    def first(self) -> int:
        """The lowest number that is kept; one above the last when there is none."""
        return self.segments[0].first if self.segments else self.mark.seq + 1

    @property
    def last(self) -> int:
        """The highest number that is on disk."""
        return self.mark.seq

    def word_of(self, seq: int) -> str:
        """The journal's word when *seq* was kept, whether that can be read or not; "" when it is not kept."""
        return next((segment.word for segment in reversed(self.segments) if segment.first <= seq), "")

    def items(self, start: int, stop: int | None = None) -> Iterator[Entry | Note | Damaged]:
        """
        Everything from number *start* to before *stop*, in order.

        :raises Gone: when *start* is no longer kept, or is retired while it is being read.
        """
        for found in self.records(start, stop):
            if isinstance(found, Damaged):
                yield found
                continue
            (header, offset, head, body), segment = found
            item = decode(header, head, body, segment.word)
            end = offset + header.size
            yield item or Damaged(header.seq, header.seq, _UNKNOWN, segment.name, offset, end)

    def records(self, start: int, stop: int | None = None) -> Iterator[Found | Damaged]:
        """The same, not decoded."""
        if start < self.first:
            raise Gone(f"number {start} is no longer kept: the journal begins at {self.first}")
        stop = self.last + 1 if stop is None else min(stop, self.last + 1)
        if start >= stop:
            return
        seen, hole = start - 1, _NOWHERE
        for segment in self._reaching(start):
            if segment.first >= stop:
                yield from self._lost(seen, min(segment.previous, stop - 1), hole)
                return
            for item in self._walk(segment, start):
                if isinstance(item, Hole):
                    hole = (segment, hole[1] if hole[0] is segment else item.start, item.end)
                    continue
                yield from self._lost(seen, min(item.header.previous, stop - 1), hole)
                if item.header.seq >= stop:
                    return
                hole, seen = _NOWHERE, item.header.seq
                yield Found(item, segment)
        yield from self._lost(seen, stop - 1, hole)

    @contextmanager
    def window(self, segment: Segment) -> Iterator[Window]:
        """The segment's file, open.  :raises Gone: when it was retired."""
        try:
            fd = self.store.open(self.layout.segment(segment.generation))
        except FileNotFoundError:
            raise _gone(segment) from None
        try:
            yield Window(self.store, fd)
        finally:
            self.store.close(fd)

    def _reaching(self, start: int) -> Iterator[Segment]:
        return (segment for segment in self.segments if not segment.end or segment.last >= start)

    def _walk(self, segment: Segment, start: int) -> Iterator[Record | Hole]:
        """The pieces of a segment from a place at or before number *start*."""
        with self.window(segment) as window:
            index = self.indexes.get(segment.generation) or read_index(window, segment) or ()
            here = self.mark.generation == segment.generation
            end = segment.end or (self.mark.end if here else segment.capacity)
            yield from walk(window, segment.stamp, locate(index, start), end, start=start)

    def _lost(self, seen: int, last: int, hole: _Place) -> Iterator[Damaged]:
        if last <= seen:
            return
        segment, start, end = hole
        if segment is None:
            yield Damaged(seen + 1, last, _MISSING)
        elif self._retired(segment):
            raise _gone(segment)
        else:
            yield Damaged(seen + 1, last, WRONG_SUM, segment.name, start, end)

    def _retired(self, segment: Segment) -> bool:
        """Whether the file is no longer this segment's."""
        with self.window(segment) as window:
            now = unpack(window.at(0, PAGE))
        return now is not None and now.stamp != segment.stamp


def _gone(segment: Segment) -> Gone:
    return Gone(f"numbers {segment.first} to {segment.last} were retired while they were being read")


def pushes(items: Iterable[Entry | Note | Damaged], damage: Callable[[Damaged], object]) -> Iterator[Entry]:
    """The pushes among *items*; *damage* hears of what cannot be read: nothing is skipped silently."""
    for item in items:
        if isinstance(item, Entry):
            yield item
        elif isinstance(item, Damaged):
            damage(item)

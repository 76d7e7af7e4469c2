"""Checking every record of a journal."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .record import Damaged
from .segment import DATA, PAGE, Segment, good_copies, read_index, unpack
from .survey import missing_before
from .view import Found, View


class Verdict(msgspec.Struct, frozen=True):
    """
    What was found of one record, or of one segment's own pages.

    :param seq: the record's number, 0 for a segment's own pages.
    :param done: bytes looked at so far, of *total*.
    :param damaged: None when all is well.
    """

    segment: str
    seq: int
    done: int
    total: int
    damaged: Damaged | None = None


def verify(view: View) -> Iterator[Verdict]:
    """
    Read everything and check every sum; for progress there is a verdict a record.

    :raises Gone: when the oldest segment is retired meanwhile.
    """
    ends = {segment.name: segment.end or view.mark.end for segment in view.segments}
    total = sum(ends.values()) - DATA * len(ends)
    done = 0
    for damaged in missing_before(view.segments, view.begin, view.last):
        yield Verdict("", damaged.last, 0, total, damaged)
    for segment in view.segments:
        for reason in _flaws(view, segment):
            damaged = Damaged(0, 0, reason, segment.name)
            yield Verdict(segment.name, 0, done, total, damaged)
    for found in view.records(view.first):
        if isinstance(found, Found):
            header = found.record.header
            done += header.size
            yield Verdict(found.segment.name, header.seq, done, total)
        else:
            done += found.end - found.start
            yield Verdict(found.segment, found.last, done, total, found)


def look_over(view: View) -> Iterator[Damaged]:
    """
    What is damaged in segments of which the last page says so: one look each, and a walk where it is due.

    What was overwritten or cut off at random usually took the index with it; the rest is found on reading.

    :raises Gone: when a segment is retired meanwhile.
    """
    for segment in view.segments:
        if segment.end and _index_is_damaged(view, segment):
            found = view.records(segment.first, segment.last + 1)
            yield from (item for item in found if isinstance(item, Damaged))


def _index_is_damaged(view: View, segment: Segment) -> bool:
    with view.window(segment) as window:
        return read_index(window, segment) is None


def _flaws(view: View, segment: Segment) -> Iterator[str]:
    with view.window(segment) as window:
        page = window.at(0, PAGE)
        if good_copies(page) < 2:
            yield "one of the two copies of the header is damaged"
        # A segment that is not the last is sealed a moment later, or at the next start.
        own = unpack(page)
        if own and own.end and read_index(window, segment) is None:
            yield "the index is damaged, which makes reading slower"

"""What an unsealed segment holds: what is kept, what is damaged, and what was never promised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from .record import SEAL, Damaged, Header
from .refused import Range, within
from .segment import DATA, STEP, Hole, Index, Record, Segment, Window, walk

# A crash leaves at its end at most one group that was being written, in any state: whole, torn, or with a
# later record intact and an earlier one not.  Nothing of that group was acknowledged, so what follows its
# first gap is cut.  A gap before a number that was acknowledged is another matter: the disk has lost what it
# had promised, so the rest is kept and the gap reported.  Which numbers were acknowledged is said by the
# mark, by the segment that follows, and by every record (`durable`, as it was when the record was written).

WRONG_SUM = "the sum of a record does not fit"


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """
    The judgement on an unsealed segment.

    :param end: where the next record would go.
    :param last: the last number that was kept, or lost after it had been acknowledged.
    :param refused: numbers between its records that were never kept.
    :param cut: bytes behind `end` that held records nobody was promised.
    """

    end: int
    last: int
    index: Index
    newest: int
    damages: tuple[Damaged, ...]
    cut: int
    refused: tuple[Range, ...] = ()


class Piece(msgspec.Struct, frozen=True):
    """A record or a hole, without the record's body."""

    start: int
    end: int
    header: Header | None
    good: bool

    def follows(self, last: int) -> bool:
        """Whether it is the record that was written next after number *last*."""
        return self.good and self.header is not None and self.header.previous == last


def examine(window: Window, segment: Segment, acknowledged: int, known: int | None = None) -> Tail:
    """
    Walk through the segment and judge it.

    :param acknowledged: the highest number that is known to have been acknowledged.
    :param known: where that number ends in this segment, if it is in this one.
    """
    pieces = tuple(_pieces(walk(window, segment.stamp, DATA, segment.capacity, known=known)))
    headers = [piece.header for piece in pieces if piece.header is not None]
    acknowledged = max([acknowledged, *(header.durable for header in headers)])
    return _Judge(segment, acknowledged).judge(pieces)


def _pieces(found: Iterable[Record | Hole]) -> Iterator[Piece]:
    for item in found:
        if isinstance(item, Hole):
            yield Piece(item.start, item.end, item.header, good=False)
        elif item.header.kind == SEAL:
            return
        else:
            yield Piece(item.offset, item.offset + item.header.size, item.header, good=True)


class _Judge:
    def __init__(self, segment: Segment, acknowledged: int) -> None:
        self._name = segment.name
        self._acknowledged = acknowledged
        self._end, self._last, self._newest = DATA, segment.previous, 0
        self._index: list[tuple[int, int]] = []
        self._damages: list[Damaged] = []
        self._refused: list[Range] = []
        self._hole: tuple[int, int] | None = None

    def judge(self, pieces: tuple[Piece, ...]) -> Tail:
        promised, highest = self._promised(pieces)
        for piece in pieces[:promised]:
            self._take(piece)
        self._lose(highest, WRONG_SUM)
        rest = pieces[promised:]
        while rest and rest[0].follows(self._last):
            self._take(rest[0])
            rest = rest[1:]
        self._lose(self._acknowledged, "acknowledged records are missing at the end of the journal")
        return Tail(
            end=self._end,
            last=self._last,
            index=tuple(self._index),
            newest=self._newest,
            damages=tuple(self._damages),
            refused=tuple(self._refused),
            cut=max((piece.end - self._end for piece in rest if piece.header), default=0),
        )

    def _promised(self, pieces: tuple[Piece, ...]) -> tuple[int, int]:
        """How many pieces, from the first, reach to the last one that was acknowledged; and its number."""
        count, top = 0, self._last
        for place, piece in enumerate(pieces):
            if piece.header is not None and top < piece.header.seq <= self._acknowledged:
                count, top = place + 1, piece.header.seq
        return count, top

    def _take(self, piece: Piece) -> None:
        if piece.header is not None:
            self._end = piece.end
        if piece.good and piece.header is not None:
            self._lose(piece.header.previous, WRONG_SUM)
            self._keep(piece, piece.header)
        else:
            self._hole = (self._hole or (piece.start,))[0], piece.end

    def _keep(self, piece: Piece, header: Header) -> None:
        self._refused += within([(header.previous, header.seq)])
        self._last = header.seq
        self._newest = max(self._newest, header.at)
        if not self._index or piece.start - self._index[-1][1] >= STEP:
            self._index.append((header.seq, piece.start))

    def _lose(self, last: int, reason: str) -> None:
        if last > self._last:
            first, (start, end) = self._last + 1, self._hole or (self._end, self._end)
            if self._damages and self._damages[-1].last == self._last:
                before = self._damages.pop()
                first, start, reason = before.first, before.start, before.reason
            self._damages.append(Damaged(first, last, reason, self._name, start, end))
            self._last = last
        self._hole = None

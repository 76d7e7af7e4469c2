"""Which segments a directory holds, by their headers alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from .record import Damaged
from .segment import DATA, PAGE, Segment, unpack
from .state import Layout
from .store import Store

_NAME = re.compile(r"([0-9a-f]{16})\.seg")


class Survey(msgspec.Struct, frozen=True):
    """
    The segments of a directory.

    :param used: those with records, oldest first; all but the last should be sealed.
    :param spares: prepared ones.
    :param dead: names of files that hold nothing anybody was promised.
    :param unreadable: names of files that may hold something, but have no good header.
    :param misfits: those of the used whose file has another length, with that length.
    :param generation: the highest there is.
    """

    used: tuple[Segment, ...]
    spares: tuple[Segment, ...]
    dead: tuple[str, ...]
    unreadable: tuple[str, ...]
    misfits: tuple[tuple[Segment, int], ...]
    generation: int


def survey(store: Store, layout: Layout) -> Survey:
    """
    Look at the first page of every segment; nothing is changed.

    :raises StateTooNew: when a newer hikrecv wrote one of them.
    """
    used: list[Segment] = []
    spares: list[Segment] = []
    dead: list[str] = []
    unreadable: list[str] = []
    misfits: list[tuple[Segment, int]] = []
    generations = {name: int(found[1], 16) for name, found in _named(store, layout)}
    for name, generation in generations.items():
        try:
            segment, length = _look(store, layout, name)
        except FileNotFoundError:
            continue  # retired meanwhile: only a reader in another process sees that
        if segment is None:
            (unreadable if length else dead).append(name)
        elif segment.generation != generation or (not segment.first and length < segment.size):
            dead.append(name)  # renamed for another use, or not prepared to the end
        elif not segment.first:
            spares.append(segment)
        else:
            used.append(segment)
            misfits += [(segment, length)] * (length != segment.size)
    used.sort(key=lambda segment: (segment.first, not segment.end, segment.last))
    highest = max(generations.values(), default=0)
    return Survey(tuple(used), tuple(spares), tuple(dead), tuple(unreadable), tuple(misfits), highest)


def _named(store: Store, layout: Layout) -> Iterator[tuple[str, re.Match[str]]]:
    for name in sorted(store.names(layout.journal)):
        if found := _NAME.fullmatch(name):
            yield name, found


def _look(store: Store, layout: Layout, name: str) -> tuple[Segment | None, int]:
    """The header and the file's length; length 0 also for a file in which nothing was ever written."""
    fd = store.open(layout.journal / name)
    try:
        page = store.read(fd, PAGE, 0)
        segment = unpack(page)
        if segment is None and not any(page) and not any(store.read(fd, PAGE, DATA)):
            return None, 0
        return segment, max(store.size(fd), 1)
    finally:
        store.close(fd)


def missing_before(used: Sequence[Segment], begin: int, last: int = 0) -> tuple[Damaged, ...]:
    """
    The numbers before the first segment that were never retired.

    :param begin: as :func:`read_begin` says it.
    :param last: what was kept last, which is what counts when there is no segment at all.
    """
    gone = used[0].previous if used else last
    if not begin or gone < begin:
        return ()
    return (Damaged(begin, gone, "the segment at the beginning is missing"),)


def missing(used: Sequence[Segment]) -> tuple[Damaged, ...]:
    """The numbers that no segment has, although the segment after them knows that they were written."""
    return tuple(
        Damaged(before.last + 1, after.previous, "a segment is missing, or its end")
        for before, after in pairwise(used)
        if after.previous > before.last
    )

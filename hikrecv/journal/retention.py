"""Which segments go: by age and by bytes, oldest first, unless somebody still waits for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ..config import JournalTable
from .holds import Hold, Word, held_bytes
from .room import fitting
from .segment import Segment


class Loser(msgspec.Struct, frozen=True):
    """A reaction that was still waiting for events *first* to *last* when they went: an alarm."""

    reaction: str
    first: int
    last: int


class Retained(msgspec.Struct, frozen=True):
    """
    What a round of retention did.

    :param segments: how many went, and *bytes* how much that was.
    :param losers: reactions that lost events, also those that lost them to the budget since the last round.
    """

    segments: int = 0
    bytes: int = 0
    losers: tuple[Loser, ...] = ()


class Rules(msgspec.Struct, frozen=True):
    """
    ``[journal]`` in plain numbers.

    :param keep: nanoseconds.
    :param budget: bytes of all files of the journal.
    :param hold: bytes by which a reaction may lag and still hold what it waits for.
    :param size: bytes of an ordinary segment: a quarter at most of the budget, and of what the disk gives.
    """

    keep: int
    budget: int
    hold: int
    size: int

    @classmethod
    def of(cls, table: JournalTable, page: int, disk: int) -> Rules:
        """The rules of a table on a disk that gives so many bytes; sizes come in whole pages."""
        size = max(fitting(min(table.segment, table.max // 4), disk) // page * page, 4 * page)
        hold = table.max // 4 if table.hold_max is None else table.hold_max
        return cls(int(table.keep * 1e9), table.max, min(hold, table.max - 3 * size), size)

    def hold_within(self, taken: int) -> int:
        """`hold` when the disk is full and the journal has no more than *taken* bytes to go round in."""
        return min(self.hold, taken - 3 * self.size)


def waiting(used: Sequence[Segment], holds: Mapping[str, Hold]) -> dict[str, Hold]:
    """Who has not had all of the oldest of *used*."""
    oldest = used[0]
    return {name: each for name, each in sorted(holds.items()) if max(each.seq, oldest.first) <= oldest.last}


def refuse_to_lose(used: Sequence[Segment], holds: Mapping[str, Hold]) -> list[str]:
    """For whom pushes are refused rather than the oldest of *used* lost."""
    return [
        name for name, each in waiting(used, holds).items() if each.hold == "always" and not each.released
    ]


def may_go(used: Sequence[Segment], holds: Mapping[str, Hold], hold: int) -> tuple[bool, tuple[Loser, ...]]:
    """
    Whether the oldest of *used*, which is due, goes now, and who loses by it.

    Whoever waits for it holds it as long as the sealed segments from there on take no more than *hold* bytes;
    with ``hold = "always"`` however much that is, and not at all when it was released.

    :param holds: for each reaction what it still needs.
    """
    oldest = used[0]
    waits = waiting(used, holds)
    holding = any(not each.released for each in waits.values())
    if refuse_to_lose(used, holds) or (holding and held_bytes(used, oldest.first) <= hold):
        return False, ()
    return True, tuple(Loser(name, max(each.seq, oldest.first), oldest.last) for name, each in waits.items())


Bound = Literal["hold_max", "max", "disk"]


class Allowance(msgspec.Struct, frozen=True):
    """
    How much of the journal a reaction may hold back.

    :param bytes: with ``budget`` it loses the oldest beyond it, with ``always`` pushes are refused.
    :param bound: what sets it: ``[journal] hold_max``, ``[journal] max``, or what the disk gives.
    """

    bytes: int
    bound: Bound


def allowance(rules: Rules, word: Word, taken: int, free: int) -> Allowance:
    """
    What a reaction may hold back as things are.

    :param taken: bytes that the journal has.
    :param free: bytes that the disk still gives.
    """
    room = min(rules.budget, taken + free)
    bound: Bound = "max" if rules.budget <= room else "disk"
    if word == "always":
        # One segment is being written on.
        return Allowance(max(room - rules.size, 0), bound)
    ring = room - 3 * rules.size
    if rules.hold < ring:
        bound = "hold_max"
    return Allowance(max(min(rules.hold, ring), 0), bound)

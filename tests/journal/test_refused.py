"""Numbers that were refused for want of room are neither lost nor damaged, nor is anybody behind there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import SEGMENT, STATE, Desk, damages, table
from journal_stores import MemoryStore

from hikrecv.errors import JournalFull
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.refused import MOST, Refused
from hikrecv.journal.state import Layout
from hikrecv.journal.verify import verify

RANGES = st.lists(st.tuples(st.integers(1, 200), st.integers(0, 20)), max_size=40)


@given(RANGES, st.integers(1, 230), st.integers(0, 230))
def test_what_is_kept_is_what_was_not_refused(ranges: list[tuple[int, int]], first: int, length: int) -> None:
    refused = Refused([(begin, begin + more) for begin, more in ranges])
    numbers = {seq for begin, more in ranges for seq in range(begin, begin + more + 1)}

    assert refused.kept(first, first + length) == len(set(range(first, first + length + 1)) - numbers)
    assert refused.ranges == tuple(sorted(refused.ranges))


def test_of_too_many_ranges_the_oldest_are_forgotten() -> None:
    refused = Refused((seq, seq) for seq in range(0, 4 * MOST, 2))

    assert len(refused.ranges) == MOST
    assert refused.ranges[-1] == (4 * MOST - 2, 4 * MOST - 2)


def with_refusals(store: MemoryStore) -> Desk:
    """Kept, then two refused within a segment, kept, the disk full at a segment's end, and kept again."""
    desk = Desk(store, table(most=100 * SEGMENT))
    desk.keep(*[bytes(5000)] * 3)
    store.room -= store.free(STATE)  # nothing new is to be had
    desk.keep(bytes(40_000))
    desk.keep(bytes(40_000))
    desk.keep(*[bytes(5000)] * 2)
    for _ in range(16):
        desk.keep(bytes(5000))
    store.room = 1 << 40
    desk.keep(*[bytes(5000)] * 2)
    return desk


@pytest.mark.parametrize("restarts", range(4))
def test_they_are_known_now_and_after_every_restart(restarts: int) -> None:
    store = MemoryStore()
    desk = with_refusals(store)
    refused, given_numbers = set(desk.refused), list(desk.given)
    assert all(isinstance(error, JournalFull) for error in desk.refused.values())
    assert {4, 5} < refused
    assert {6, 7} <= set(desk.acknowledged)
    acknowledged = set(desk.acknowledged)
    for _ in range(restarts):
        desk = Desk(store.killed(), table(most=100 * SEGMENT))
        acknowledged |= set(desk.keep(*[bytes(5000)] * 5))
    last = desk.journal.last

    for source in (desk.journal, JournalReader(STATE, store=store)):
        for first in (1, 4, 5, 6, given_numbers[-1]):
            assert source.kept(first, last) == len([seq for seq in acknowledged if first <= seq <= last])
    assert desk.journal.report.damages == ()
    assert damages(desk.journal) == []
    assert [each for each in verify(JournalReader(STATE, store=store).view) if each.damaged] == []


def test_numbers_that_are_given_again_after_a_restart_are_no_longer_refused() -> None:
    store = MemoryStore()
    desk = Desk(store, table(most=100 * SEGMENT))
    desk.keep(bytes(100))
    store.room -= store.free(STATE)
    assert desk.keep(bytes(40_000)) == [2]
    desk.keep(bytes(100))  # what was refused is written down with the next that is kept
    desk.keep(bytes(40_000))
    store.room = 1 << 40

    again = Desk(store.killed(), table(most=100 * SEGMENT))
    assert again.keep(bytes(100)) == [4]

    assert again.journal.kept(1, 4) == JournalReader(STATE, store=store).kept(1, 4) == 3


def test_a_torn_list_of_them_is_no_list() -> None:
    store = MemoryStore()
    desk = with_refusals(store)
    spoiled = Layout(STATE).mark
    store.spoil(spoiled, 140, b"\xff")
    reader = JournalReader(STATE, store=store)

    # What stands at the end of a segment is known from the segments.
    assert reader.kept(1, reader.last) > desk.journal.kept(1, desk.journal.last) > 0

"""Damage is never passed over in silence: who reads hears of it, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_kit import STATE, Desk
from journal_stores import MemoryStore

from hikrecv.errors import JournalError
from hikrecv.journal.damages import LINES, Damages
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.record import Damaged
from hikrecv.journal.segment import PAGE, unpack
from hikrecv.journal.verify import look_over


def damaged(first: int, last: int) -> Damaged:
    return Damaged(first, last, "the sum of a record does not fit", "1.seg", 4096, 8192)


def spoiled(*numbers: int, told: list[str] | None = None) -> Desk:
    """A journal of twenty pushes in several segments; some are damaged after the start."""
    store = MemoryStore()
    desk = Desk(store, on_damage=None if told is None else told.append)
    for number in range(1, 21):
        desk.keep(b"<%04d>" % number + bytes(5000))
    for number in numbers:
        body = b"<%04d>" % number
        path = next(path for path, inode in store.files.items() if body in inode.data)
        store.spoil(path, store.files[path].data.find(body), b"X")
    return desk


def copies(desk: Desk) -> list[Path]:
    desk.journal.commit()
    assert isinstance(desk.store, MemoryStore)
    return [path for path in desk.store.files if path.parent.name == "quarantine"]


def test_reading_on_through_damage_is_an_error_unless_somebody_hears_of_it() -> None:
    desk = spoiled(2)

    with pytest.raises(JournalError, match=r"number 2 is damaged and cannot be read: .*`hikrecv verify`"):
        list(desk.journal.entries(1))
    with pytest.raises(JournalError, match="number 2 is damaged"):
        list(JournalReader(STATE, store=desk.store).entries(1))


def test_the_journal_tells_counts_and_keeps_a_copy_of_what_whoever_reads_meets() -> None:
    told: list[str] = []
    desk = spoiled(2, 3, 7, told=told)

    read = [entry.seq for entry in desk.journal.entries(1)]
    again = [entry.seq for entry in desk.journal.entries(2)]

    assert read == [1, 4, 5, 6, *range(8, 21)]
    assert again == read[1:]
    assert [sentence.split(":")[0] for sentence in told] == [
        "numbers 2 to 3 are damaged and cannot be read",
        "number 7 is damaged and cannot be read",
    ]
    assert desk.journal.status().damaged == 3
    assert len(copies(desk)) == 2


def test_one_that_is_asked_for_by_its_number_is_told_too() -> None:
    told: list[str] = []
    desk = spoiled(7, told=told)

    for _ in range(2):
        with pytest.raises(JournalError, match="number 7 is damaged"):
            desk.journal.read(7)

    assert len(told) == 1


def test_what_was_told_at_the_start_is_counted_and_not_told_again() -> None:
    told: list[str] = []
    desk = spoiled(20)
    assert isinstance(desk.store, MemoryStore)

    after = Desk(desk.store.killed(), on_damage=told.append)
    list(after.journal.entries(1))

    assert [(each.first, each.last) for each in after.journal.report.damages] == [(20, 20)]
    assert after.journal.status().damaged == 1
    assert told == []


def test_a_sealed_segment_that_lost_its_end_is_found_by_a_look_at_its_index() -> None:
    desk = spoiled()
    assert isinstance(desk.store, MemoryStore)
    sealed = desk.journal.view().segments[1]
    path = STATE / "journal" / sealed.name
    assert unpack(bytes(desk.store.files[path].data[:PAGE])) == sealed
    desk.store.spoil(path, sealed.end - 5200, bytes(sealed.size - sealed.end + 5200))

    found = list(look_over(desk.journal.view()))

    assert [(each.first, each.last, each.segment) for each in found] == [
        (sealed.last, sealed.last, sealed.name)
    ]


def test_a_look_over_a_good_journal_reads_no_records() -> None:
    desk = spoiled(3)

    assert list(look_over(desk.journal.view())) == []


def test_only_what_is_new_of_a_range_is_told() -> None:
    told: list[str] = []
    damages = Damages(told.append)

    for first, last in ((5, 6), (2, 9), (1, 10), (5, 5)):
        damages(damaged(first, last))

    assert [sentence.split(" are ")[0].split(" is ")[0] for sentence in told] == [
        "numbers 5 to 6",
        "numbers 2 to 4",
        "numbers 7 to 9",
        "number 1",
        "number 10",
    ]
    assert damages.count == 10


def test_a_disk_that_crumbles_does_not_fill_the_log() -> None:
    now, told, kept = [0.0], [], []
    damages = Damages(told.append, kept.append, lambda: now[0])

    for number in range(1, 200, 2):
        damages(damaged(number, number))
    lines = list(told)
    now[0] = 3600.0
    damages(damaged(301, 301))

    assert len(lines) == LINES
    assert "more is damaged than is told here" in lines[-1]
    assert len(kept) == damages.count == 101
    assert "number 301" in told[-1]

"""Files of the journal that somebody removes by hand while it is written."""

from __future__ import annotations

import errno
from itertools import count

import pytest
from journal_kit import SEGMENT, STATE, Desk, table
from journal_stores import FailsAt, MemoryStore, Watched

from hikrecv.journal.state import Layout

LAYOUT = Layout(STATE)


class Alarms(list[str]):
    def desk(self, store: MemoryStore, **more: object) -> Desk:
        return Desk(store, table(most=40 * SEGMENT), on_damage=self.append, **more)


def filled(desk: Desk, count: int = 20) -> Desk:
    for _ in range(count):
        desk.keep(bytes(5000))
    return desk


def look(desk: Desk) -> None:
    desk.journal.look()
    desk.journal.commit()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("noticed", ["by looking", "by retention"])
def test_a_sealed_segment_that_is_gone_is_an_alarm_and_the_rest_goes_on(which: int, noticed: str) -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store))
    gone = desk.journal.view().segments[which]
    store.unlink(LAYOUT.segment(gone.generation))
    before = desk.journal.status().bytes

    if noticed == "by looking":
        look(desk)
        assert before - desk.journal.status().bytes == SEGMENT
    else:
        desk.retain({}, after=2000)
    filled(desk, 10)

    assert not desk.broken
    assert not desk.refused
    if noticed == "by retention" and which:
        return  # there were spares enough: it would have been removed, and that was done
    assert len(alarms) == 1
    assert f"numbers {gone.first} to {gone.last} are damaged and cannot be read" in alarms[0]
    assert "its segment was removed while the receiver was running" in alarms[0]
    lost = set(range(gone.first, gone.last + 1))
    kept = {seq: body for seq, body in desk.given.items() if seq >= desk.journal.first and seq not in lost}
    found = {}
    for entry in desk.journal.entries(desk.journal.first):
        found[entry.seq] = entry.push.body
    assert found == kept


def test_the_segment_that_is_written_on_is_written_anew_and_loses_nothing() -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store), 3)
    path = LAYOUT.segment(desk.journal.view().segments[-1].generation)
    store.unlink(path)
    desk.keep(b"into a file without a name")

    look(desk)
    desk.keep(b"and one more")

    assert len(alarms) == 1
    assert "was removed while it is written; it was written anew and nothing is lost" in alarms[0]
    again = alarms.desk(store.killed())
    assert again.read() == desk.given
    assert again.journal.report.damages == ()


def test_a_segment_that_was_being_written_anew_when_the_process_died_leaves_no_file() -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store), 3)
    begun = LAYOUT.segment(desk.journal.view().segments[-1].generation).with_suffix(".seg.new")
    store.close(store.create(begun, SEGMENT))

    again = alarms.desk(store.killed())

    assert begun not in store.files
    assert again.read() == desk.given


def test_behind_a_disk_that_does_not_answer_looks_do_not_pile_up() -> None:
    desk = Alarms().desk(MemoryStore())
    looks: list[int] = []
    desk.journal._scribe.look = lambda: looks.append(1)

    for _ in range(100):
        desk.journal.look()
    desk.journal.commit()
    desk.journal.look()
    desk.journal.commit()

    assert len(looks) == 2


def test_another_file_in_its_place_is_noticed_too() -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store), 3)
    path = LAYOUT.segment(desk.journal.view().segments[-1].generation)
    store.unlink(path)
    store.close(store.create(path, SEGMENT))

    look(desk)

    assert alarms.desk(store.killed()).read() == desk.given


def test_spares_and_the_mark_are_made_again() -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store), 3)
    used = {segment.generation for segment in desk.journal.view().segments}
    for path in [*store.files]:
        if path == LAYOUT.mark or (path.suffix == ".seg" and int(path.stem, 16) not in used):
            store.unlink(path)

    look(desk)
    filled(desk, 20)
    desk.journal.close()

    assert not desk.broken
    assert not desk.refused
    again = alarms.desk(store.killed())
    assert again.read() == desk.given
    assert [each for each in alarms if "durable" not in each] == []


def test_a_spare_that_is_gone_before_anybody_looked_is_replaced_when_it_is_needed() -> None:
    store, alarms = MemoryStore(), Alarms()
    desk = filled(alarms.desk(store), 3)
    used = {segment.generation for segment in desk.journal.view().segments}
    for path in [*store.files]:
        if path.suffix == ".seg" and int(path.stem, 16) not in used:
            store.unlink(path)

    filled(desk, 20)

    assert not desk.broken
    assert desk.read() == desk.given


def free(store: MemoryStore) -> int:
    return store.free(STATE)


# -- room for others ----------------------------------------------------------------


def on_a_disk_with(free: int, ballast: int = SEGMENT) -> tuple[MemoryStore, Desk]:
    store = MemoryStore(free)
    return store, Desk(store, table(most=100 * SEGMENT, ballast=ballast))


def test_room_for_ledger_and_index_is_kept_before_the_journal_grows() -> None:
    store, desk = on_a_disk_with(12 * SEGMENT)

    filled(desk, 100)

    assert LAYOUT.ballast in store.files or free(store) >= SEGMENT
    assert desk.journal.status().full != ""
    assert desk.read() == desk.acknowledged


@pytest.mark.parametrize("left", range(0, 3 * SEGMENT, SEGMENT // 4))
def test_on_a_nearly_full_disk_what_is_left_is_theirs_from_the_first_start(left: int) -> None:
    store = MemoryStore()
    filled(Desk(store, table(most=100 * SEGMENT)), 40)
    store.room -= free(store) - left
    before = free(store)

    desk = filled(Desk(store.killed(), table(most=100 * SEGMENT, ballast=SEGMENT)), 40)

    laid = SEGMENT if LAYOUT.ballast in store.files else 0
    assert free(store) + laid >= min(before, SEGMENT) - 4096
    assert desk.read(desk.journal.first)


def test_when_others_fill_the_disk_the_room_is_given_and_taken_again_when_there_is_some() -> None:
    store, desk = on_a_disk_with(40 * SEGMENT)
    filled(desk, 3)
    assert LAYOUT.ballast in store.files

    store.room -= free(store)
    look(desk)
    assert LAYOUT.ballast not in store.files
    assert free(store) == SEGMENT
    filled(desk, 40)
    assert free(store) == SEGMENT  # the journal does not take it

    store.room += 20 * SEGMENT
    look(desk)
    desk.retain({})
    assert LAYOUT.ballast in store.files
    assert desk.journal.status().full == ""
    assert filled(desk, 3).acknowledged.keys() >= set(list(desk.given)[-3:])


def test_when_others_took_that_too_the_journal_gives_what_it_can_spare_and_no_more() -> None:
    store, desk = on_a_disk_with(40 * SEGMENT)
    desk.retain({})
    filled(desk, 40)
    for _ in range(8):
        store.room -= free(store)
        look(desk)
        filled(desk, 3)
    before = desk.journal.status().bytes

    store.room -= free(store)
    look(desk)

    assert desk.journal.status().bytes == before
    assert desk.journal.status().segments > 2
    assert not desk.refused
    assert desk.read(desk.journal.first)


def test_the_room_has_the_size_that_is_configured_now() -> None:
    store, desk = on_a_disk_with(40 * SEGMENT)
    desk.journal.close()

    Desk(store.killed(), table(most=100 * SEGMENT, ballast=2 * SEGMENT))

    assert len(store.files[LAYOUT.ballast].data) == 2 * SEGMENT


@pytest.mark.parametrize("gone", ["mark", "segment", "nothing"])
def test_a_look_without_a_free_descriptor_breaks_nothing_and_the_next_one_does_its_work(gone: str) -> None:
    for nth in count(1):
        memory, alarms = MemoryStore(), Alarms()
        fails = FailsAt(memory, 0, frozenset({"open", "create", "names"}), errno.EMFILE)
        desk = filled(alarms.desk(Watched(memory, fails)), 3)
        paths = {
            "mark": [LAYOUT.mark],
            "segment": [LAYOUT.segment(desk.journal.view().segments[-1].generation)],
        }.get(gone, [])
        for path in paths:
            memory.unlink(path)
        fails.calls, fails.nth = 0, nth

        look(desk)
        failed = fails.failed
        look(desk)
        desk.keep(b"goes on")

        assert desk.broken == []
        assert all(path in memory.files for path in paths)
        assert alarms.desk(memory.killed()).read() == desk.given
        if not failed:
            break
    assert nth > 1

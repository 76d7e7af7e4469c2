"""Opening a journal after everything that can have happened to it."""

from __future__ import annotations

import errno
from pathlib import Path
from random import Random
from typing import Any

import pytest
from journal_kit import SEGMENT, STATE, Desk, damages, push, table
from journal_stores import MemoryStore, Watched

from hikrecv.errors import Gone, JournalError, StateError, StateTooNew
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.record import Damaged, push_head, record_size
from hikrecv.journal.recovery import Report
from hikrecv.journal.segment import DATA, PAGE, unpack
from hikrecv.journal.verify import verify

JOURNAL = STATE / "journal"


def segments(store: MemoryStore) -> list[Path]:
    """The used segments, oldest first."""
    found = {}
    for path, inode in store.files.items():
        if path.suffix == ".seg" and (header := unpack(bytes(inode.data[:PAGE]))) and header.first:
            found[header.first, header.generation] = path
    return [found[key] for key in sorted(found)]


def place_of(store: MemoryStore, body: bytes) -> tuple[Path, int]:
    """Where the bytes of a body are."""
    return next((path, inode.data.find(body)) for path, inode in store.files.items() if body in inode.data)


def flip(store: MemoryStore, body: bytes) -> None:
    path, offset = place_of(store, body)
    store.spoil(path, offset, bytes([store.files[path].data[offset] ^ 1]))


def filled(store: MemoryStore, count: int = 20, size: int = 5000) -> Desk:
    """A journal of several segments."""
    desk = Desk(store)
    for number in range(1, count + 1):
        desk.keep(b"<%04d>" % number + bytes(size))
    return desk


def test_a_journal_goes_on_where_it_was_closed() -> None:
    store = MemoryStore()
    before = filled(store)
    before.journal.close()

    after = Desk(store)

    assert after.read() == before.given
    assert after.journal.word == before.journal.word
    assert after.journal.report.new_word == ""
    assert after.keep(b"next") == [21]
    assert after.read(21) == {21: b"next"}


def test_a_killed_process_costs_neither_records_nor_the_word() -> None:
    store = MemoryStore()
    before = filled(store)

    after = Desk(store.killed())

    assert after.read() == before.given
    assert after.journal.word == before.journal.word


def test_what_was_written_and_not_synced_is_on_disk_before_it_is_shown() -> None:
    store = MemoryStore()
    before = Desk(Watched(store, without=frozenset({"sync"})))
    before.keep(b"only in the page cache")

    after = Desk(store.killed())

    assert after.read() == {1: b"only in the page cache"}
    assert Desk(store.after_power_cut(Random(1))).read() == {1: b"only in the page cache"}


def test_a_torn_tail_is_cut_and_the_journal_gets_a_new_word() -> None:
    store = MemoryStore()
    before = filled(store, 2)
    word = before.journal.word

    def dies_in_the_write(name: str, *args: Any) -> None:
        if name == "write" and len(args[1]) > 3:
            data = bytearray(b"".join(args[1]))
            data[40:60] = bytes(20)
            store.write(args[0], [data], args[2])
            raise KeyboardInterrupt

    torn = Desk(Watched(store.killed(), dies_in_the_write))
    with pytest.raises(KeyboardInterrupt):
        torn.keep(b"torn", b"whole, but of the same group")

    after = Desk(store.killed())

    assert after.read() == before.given
    assert after.journal.report.damages == ()
    assert after.journal.report.cut > 100
    assert "cut from its end" in after.journal.report.new_word
    assert after.journal.word != word
    assert after.keep(b"next") == [3]
    assert [entry.word for entry in after.journal.entries(1)] == [word, word, after.journal.word]
    after.journal.close()
    assert Desk(store).journal.report == Report()


def test_damage_in_the_middle_of_the_open_segment_is_reported_and_the_rest_kept() -> None:
    store = MemoryStore()
    before = filled(store, 4)
    flip(store, b"<0002>")

    after = Desk(store.killed())

    (damaged,) = after.journal.report.damages
    assert (damaged.first, damaged.last) == (2, 2)
    assert after.journal.report.new_word == ""
    assert damages(after.journal) == [damaged]
    assert [entry.seq for entry in after.journal.entries(1, damage=str)] == [1, 3, 4]
    copy = STATE / "quarantine" / f"{damaged.segment}-{damaged.start}"
    assert b"0002>" in store.files[copy].data
    assert before.journal.word == after.journal.word


def test_damage_is_told_from_a_torn_tail_without_the_mark_too() -> None:
    """Every record says what was on disk when it was written."""
    store = MemoryStore()
    filled(store, 4)
    flip(store, b"<0002>")
    store.unlink(JOURNAL / "durable")

    after = Desk(store.killed())

    assert [(d.first, d.last) for d in after.journal.report.damages] == [(2, 2)]
    assert [entry.seq for entry in after.journal.entries(1, damage=str)] == [1, 3, 4]


def test_the_rest_of_a_group_that_found_no_room_never_comes_back() -> None:
    """As a file system that allocates on overwriting fails: all but the last bytes are written."""
    store = MemoryStore()

    def before(name: str, *args: Any) -> None:
        if name == "write" and len(args[1]) > 3 and not desk.refused and desk.acknowledged:
            store.write(*args)
            raise OSError(errno.ENOSPC, "No space left on device")

    head = len(push_head(push()))
    rest_of_page = PAGE - record_size(head, 5) - record_size(head, 0)
    desk = Desk(Watched(store, before))
    desk.keep(b"first")
    desk.keep(b"r" * rest_of_page, b"refused, and whole on the disk")
    desk.keep(b"w" * rest_of_page)
    assert desk.refused.keys() == {2, 3}

    again = Desk(store.killed())

    assert b"refused, and whole on the disk" in store.files[segments(store)[0]].data
    assert again.read() == {1: b"first", 4: b"w" * rest_of_page}
    assert again.keep(b"next") == [5]
    assert list(Desk(store.killed()).read()) == [1, 4, 5]


def test_each_use_of_a_segment_has_a_salt_of_its_own() -> None:
    store = MemoryStore()
    filled(store)

    salts = [unpack(bytes(store.files[path].data[:PAGE])).salt for path in segments(store)]  # type: ignore[union-attr]

    assert len({*salts, 0}) == len(salts) + 1 > 3


def test_damage_in_a_sealed_segment_is_met_by_whoever_reads_there() -> None:
    store = MemoryStore()
    filled(store)
    flip(store, b"<0003>")
    after = Desk(store.killed())

    (damaged,) = damages(after.journal)

    assert after.journal.report.damages == ()
    assert (damaged.first, damaged.last, damaged.segment) == (3, 3, segments(store)[0].name)
    assert damages(after.journal) == [item for v in verify(after.journal.view()) if (item := v.damaged)]
    assert after.journal.read(4).push.body.startswith(b"<0004>")
    with pytest.raises(JournalError, match="number 3 is damaged and cannot be read: the sum of a record"):
        after.journal.read(3)
    after.journal.quarantine(damaged)
    after.journal.commit()
    assert any(path.parent.name == "quarantine" for path in store.files)


@pytest.mark.parametrize("offset", [0, -80])
def test_a_damaged_last_record_is_an_alarm_and_its_number_is_not_given_again(offset: int) -> None:
    store = MemoryStore()
    before = filled(store, 4)
    path, place = place_of(store, b"<0004>")
    store.spoil(path, place + offset, b"\xff" * 8)

    after = Desk(store.killed())

    assert [(d.first, d.last) for d in after.journal.report.damages] == [(4, 4)]
    assert after.journal.report.new_word == "its end is damaged"
    assert after.journal.word != before.journal.word
    assert after.keep(b"next") == [5]
    assert [(d.first, d.last) for d in damages(after.journal)] == [(4, 4)]


def test_a_missing_segment_in_the_middle_is_an_alarm_and_a_gap() -> None:
    store = MemoryStore()
    filled(store)
    gone = segments(store)[1]
    store.unlink(gone)

    after = Desk(store.killed())

    (damaged,) = after.journal.report.damages
    assert damaged.reason == "a segment is missing, or its end"
    assert [(d.first, d.last) for d in damages(after.journal)] == [(damaged.first, damaged.last)]
    read = [entry.seq for entry in after.journal.entries(1, damage=str)]
    assert sorted([*read, *range(damaged.first, damaged.last + 1)]) == list(range(1, 21))


def test_a_missing_last_segment_is_an_alarm_and_its_numbers_are_not_given_again() -> None:
    store = MemoryStore()
    filled(store)
    store.unlink(segments(store)[-1])

    after = Desk(store.killed())

    (damaged,) = after.journal.report.damages
    assert damaged.last == 20
    assert after.journal.report.new_word == "its end is damaged"
    assert after.keep(b"next") == [21]
    assert damages(after.journal)[0].last == 20


def test_a_missing_first_segment_is_an_alarm_and_one_that_was_retired_is_none() -> None:
    store = MemoryStore()
    desk = filled(store, 30)
    desk.retain({})
    filled_up = Desk(store.killed(), table(most=8 * SEGMENT))
    filled_up.retain({})
    for _ in range(40):
        filled_up.keep(bytes(5000))
    first = filled_up.journal.first
    assert first > 1
    assert Desk(store.killed()).journal.report.damages == ()
    assert not [verdict for verdict in verify(JournalReader(STATE, store=store).view) if verdict.damaged]
    store.unlink(segments(store)[0])

    reader = JournalReader(STATE, store=store)
    after = Desk(store.killed())

    (damaged,) = after.journal.report.damages
    assert (damaged.first, damaged.last) == (first, after.journal.first - 1)
    assert "at the beginning is missing" in damaged.reason
    assert [verdict.damaged for verdict in verify(reader.view) if verdict.damaged] == [damaged]


def test_a_state_of_before_the_begin_was_kept_raises_no_false_alarm() -> None:
    store = MemoryStore()
    filled(store)
    store.files[JOURNAL / "durable"].resize(40)
    store.unlink(segments(store)[0])

    assert Desk(store.killed()).journal.report.damages == ()
    assert Desk(store.killed()).journal.report.damages == ()


def test_all_segments_gone_is_an_alarm_too() -> None:
    store = MemoryStore()
    filled(store)
    for path in segments(store):
        store.unlink(path)

    after = Desk(store.killed())

    assert [(d.first, d.last) for d in after.journal.report.damages] == [(1, 20)]
    assert after.keep(b"next") == [21]


def test_a_truncated_segment_is_an_alarm() -> None:
    store = MemoryStore()
    filled(store)
    path = segments(store)[0]
    store.files[path].resize(12_000)
    store.files[path].sync()

    after = Desk(store.killed())

    (damaged,) = after.journal.report.damages
    assert (damaged.segment, damaged.first) == (path.name, 2)
    assert [(d.first, d.last) for d in damages(after.journal)] == [(2, damaged.last)]
    assert after.journal.read(1).push.body.startswith(b"<0001>")


def test_a_truncated_last_segment_is_an_alarm() -> None:
    store = MemoryStore()
    filled(store, 4)
    path = segments(store)[-1]
    store.files[path].resize(12_000)
    store.files[path].sync()

    after = Desk(store.killed())

    assert [d.last for d in after.journal.report.damages] == [4]
    assert after.keep(b"next") == [5]


def test_a_segment_without_a_readable_header_is_put_aside_and_not_removed() -> None:
    store = MemoryStore()
    filled(store)
    path = segments(store)[1]
    store.spoil(path, 0, b"\xee" * PAGE)

    after = Desk(store.killed())

    assert STATE / "quarantine" / path.name in store.files
    assert "no readable header" in after.journal.report.damages[0].reason
    assert len(after.journal.report.damages) == 2


def test_one_bad_sector_in_a_header_costs_nothing_and_is_named_by_verify() -> None:
    store = MemoryStore()
    before = filled(store)
    path = segments(store)[1]
    store.spoil(path, 0, bytes(512))

    after = Desk(store.killed())

    assert after.read() == before.given
    assert [v.damaged.reason for v in verify(after.journal.view()) if v.damaged] == [
        "one of the two copies of the header is damaged"
    ]


def test_a_damaged_index_of_a_segment_makes_reading_slower_and_nothing_else() -> None:
    store = MemoryStore()
    before = filled(store)
    path = segments(store)[1]
    header = unpack(bytes(store.files[path].data[:PAGE]))
    assert header is not None
    store.spoil(path, header.end, b"\xee" * 64)

    after = Desk(store.killed())

    assert after.read() == before.given
    assert ["the index is damaged" in v.damaged.reason for v in verify(after.journal.view()) if v.damaged]


def test_what_index_and_ledger_remember_and_the_journal_has_not_is_an_alarm() -> None:
    store = MemoryStore()
    filled(store, 4).journal.close()

    after = Desk(store, acknowledged=7)

    assert [(d.first, d.last) for d in after.journal.report.damages] == [(5, 7)]
    assert after.keep(b"next") == [8]


def test_a_lost_mark_costs_the_word_and_no_record() -> None:
    store = MemoryStore()
    before = filled(store)
    store.unlink(JOURNAL / "durable")

    after = Desk(store.killed())

    assert after.read() == before.given
    assert after.journal.report.damages == ()
    assert after.journal.word != before.journal.word


def test_a_restored_copy_gets_a_new_word_and_old_entries_keep_theirs() -> None:
    store = MemoryStore()
    before = filled(store)
    before.journal.close()

    copy = Desk(store.copied())

    assert copy.read() == before.given
    assert "restored" in copy.journal.report.new_word
    assert copy.journal.word != before.journal.word
    (seq,) = copy.keep(b"next")
    words = [entry.word for entry in copy.journal.entries(1)]
    assert words == [before.journal.word] * 20 + [copy.journal.word]
    assert seq == 21
    assert Desk(store).journal.word == before.journal.word


def test_restoring_over_the_old_directory_is_noticed_by_the_mark() -> None:
    """As `rsync -a` does it: what looks the same is left alone, the rest is replaced."""
    store = MemoryStore()
    filled(store, 3).journal.close()
    backup = store.copied()
    word = filled_more(store)
    for path, inode in backup.files.items():
        if inode.data != store.files[path].data:
            store.unlink(path)
            fd = store.create(path, 0)
            store.write(fd, [bytes(inode.data)], 0)

    after = Desk(store)

    assert after.journal.word != word
    assert len(after.read()) == 3


def filled_more(store: MemoryStore) -> str:
    desk = Desk(store)
    desk.keep(b"after the backup")
    desk.journal.close()
    return desk.journal.word


def test_numbers_refused_for_want_of_room_are_no_gap() -> None:
    store = MemoryStore()
    desk = Desk(store, table(most=4 * 16_384, segment=16_384))
    for _ in range(12):
        desk.keep(bytes(5000))
    assert desk.refused
    desk.retain({})
    desk.keep(b"room again")

    again = Desk(store.killed())

    assert again.journal.report.damages == ()
    assert damages(again.journal) == []
    assert set(desk.refused) & set(again.read()) == set()


def test_sealed_segments_are_not_read_at_the_start() -> None:
    store = MemoryStore()
    filled(store)
    read = []

    def before(name: str, *args: Any) -> None:
        if name == "read" and args[2] >= DATA:
            read.append(store.open_files[args[0]])

    Desk(Watched(store.killed(), before))

    assert {id(inode) for inode in read} == {id(store.files[segments(store)[-1]])}


def test_a_newer_state_is_refused_untouched() -> None:
    store = MemoryStore()
    filled(store, 2).journal.close()
    store.spoil(STATE / "format", 8, b"2")
    before = {path: bytes(inode.data) for path, inode in store.files.items()}

    with pytest.raises(StateTooNew, match="format 2 and this hikrecv knows 1"):
        Desk(store)

    assert before == {path: bytes(inode.data) for path, inode in store.files.items()}


def test_a_foreign_directory_is_refused() -> None:
    store = MemoryStore()
    store.make_directory(STATE)
    store.write(store.create(STATE / "format", 0), [b"something else\n"], 0)

    with pytest.raises(StateError, match="no state directory of hikrecv"):
        Desk(store)


def test_reading_below_the_first_or_above_the_last_is_said() -> None:
    desk = filled(MemoryStore(), 2)

    with pytest.raises(Gone, match="number 0 is no longer kept: the journal begins at 1"):
        desk.journal.read(0)
    with pytest.raises(Gone, match="no push with number 3; the last on disk is 2"):
        desk.journal.read(3)


def test_notes_stand_between_the_pushes() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"a")
    desk.journal.note("remote-check", {"key": "k", "allowed": False})
    desk.keep(b"b")

    items = list(Desk(store.killed()).journal.items(1))

    assert [item.seq for item in items if not isinstance(item, Damaged)] == [1, 2, 3]
    assert [entry.seq for entry in desk.journal.entries(1)] == [1, 3]
    with pytest.raises(Gone):
        desk.journal.read(2)
    with pytest.raises(TypeError):
        desk.journal.note("odd", object())


def test_a_body_above_a_segment_gets_one_of_its_own() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"small")
    desk.keep(b"L" * (3 * SEGMENT), b"after it")

    again = Desk(store.killed())

    assert again.read() == {1: b"small", 2: b"L" * (3 * SEGMENT), 3: b"after it"}
    assert again.keep(b"next") == [4]

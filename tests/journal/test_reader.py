"""Reading from another process: nothing is touched, and only what is on disk is shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from journal_kit import STATE, Desk, bodies, push, table
from journal_stores import READING, MemoryStore, Watched

from hikrecv.errors import Gone, StateError, StateTooNew
from hikrecv.journal.journal import Journal
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.record import Damaged
from hikrecv.journal.verify import verify


def reader(store: MemoryStore) -> JournalReader:
    return JournalReader(STATE, store=store)


def test_it_reads_what_the_writer_keeps() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(*(b"<%d>" % number * 900 for number in range(40)))

    look = reader(store)

    assert (look.first, look.last, look.word) == (1, 40, desk.journal.word)
    assert bodies(look) == desk.given
    assert [entry.seq for entry in look.entries(17, 20)] == [17, 18, 19]
    assert next(look.entries(1)).word == desk.journal.word


def test_it_follows() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.retain({})
    look, seen = reader(store), []

    for number in range(60):
        desk.keep(b"<%d>" % number * 500, b"second")
        start = look.last + 1
        look.refresh()
        seen += [entry.seq for entry in look.entries(start)]

    assert seen == list(range(1, 121))


def test_following_does_not_read_the_open_segment_again_and_again() -> None:
    store, reads = MemoryStore(), []
    desk = Desk(store)
    desk.keep(*(bytes(900) for _ in range(20)))
    look = JournalReader(STATE, store=Watched(store, lambda name, *_: reads.append(name)))

    for _ in range(3):
        desk.keep(b"next")
        start = look.last + 1
        look.refresh()
        reads.clear()
        assert [entry.seq for entry in look.entries(start)] == [start]
        assert reads.count("read") == 1


def test_it_does_not_show_what_is_not_synced() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"synced")
    shown = []

    def before(name: str, *args: Any) -> None:
        if name == "sync":
            shown.append(reader(store).last)

    watched = Watched(store, before)
    desk.journal.close()
    desk = Desk(watched)
    shown.clear()
    desk.keep(b"written and not synced")

    assert shown[0] == 1
    assert reader(store).last == 2


@pytest.mark.parametrize("old", [False, True], ids=["the mark is new", "a power cut left an old mark"])
def test_a_segment_that_is_being_sealed_is_whole(old: bool) -> None:
    """The seal is written before the header that says so, and both are synced together."""
    store = MemoryStore()
    shown: list[list[int]] = []
    damaged: list[Any] = []

    def before(name: str, *_: Any) -> None:
        if name != "write":
            return
        now, mark[:] = bytes(mark), first if old else mark
        look = reader(store)
        shown.append([entry.seq for entry in look.entries(1, damage=damaged.append)])
        damaged.extend(each.damaged for each in verify(look.view) if each.damaged)
        mark[:] = now

    Desk(store).keep(b"first")
    mark = store.files[STATE / "journal" / "durable"].data
    first = bytes(mark)
    store.killed()
    desk = Desk(Watched(store, before))
    for number in range(60):
        desk.keep(b"<%d>" % number * 500)
    desk.journal.close()

    assert len(desk.acknowledged) == 60
    assert all(seen == list(range(1, len(seen) + 1)) for seen in shown)
    assert damaged == []


def test_it_changes_nothing() -> None:
    store = MemoryStore()
    Desk(store).keep(b"a", b"b")
    store.killed()

    def before(name: str, *_: object) -> None:
        assert name in READING

    look = JournalReader(STATE, store=Watched(store, before))

    assert len(bodies(look)) == 2
    assert [verdict.damaged for verdict in verify(look.view)] == [None, None]


def test_an_old_mark_hides_only_the_last_group() -> None:
    """As after a power cut: the mark is never synced."""
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"1")
    mark = bytes(store.files[STATE / "journal" / "durable"].data)
    desk.keep(b"2", b"3")
    desk.keep(b"4")
    store.files[STATE / "journal" / "durable"].data[:] = mark

    assert list(bodies(reader(store))) == [1, 2, 3]


def test_what_was_retired_is_gone() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.retain({})
    for number in range(60):
        desk.keep(b"<%d>" % number * 900)
    look = reader(store)
    first = look.first
    for number in range(100):
        desk.keep(b"<%d>" % number * 900)

    with pytest.raises(Gone, match="retired while they were being read"):
        list(look.entries(first))
    look.refresh()
    with pytest.raises(Gone, match="no longer kept: the journal begins at"):
        list(look.entries(first))
    assert bodies(look) == {seq: desk.given[seq] for seq in range(look.first, 161)}


def test_where_there_is_no_journal_that_is_said() -> None:
    store = MemoryStore()
    store.make_directory(STATE)

    with pytest.raises(StateError, match="there is no journal in /state: has a receiver run"):
        reader(store)


def test_a_newer_state_is_refused() -> None:
    store = MemoryStore()
    Desk(store)
    store.spoil(STATE / "format", 8, b"7")

    with pytest.raises(StateTooNew, match="format 7"):
        reader(store)


def test_verify_misses_the_only_segment() -> None:
    store = MemoryStore()
    Desk(store).keep(b"a", b"b")
    for path in [path for path in store.files if path.suffix == ".seg"]:
        del store.files[path]

    (verdict,) = verify(reader(store).view)

    assert verdict.damaged is not None
    assert (verdict.damaged.first, verdict.damaged.last) == (1, 2)


def test_verify_tells_of_every_record_and_how_far_it_is() -> None:
    store = MemoryStore()
    Desk(store).keep(*(bytes(4000) for _ in range(20)))

    verdicts = list(verify(reader(store).view))

    assert [verdict.seq for verdict in verdicts] == list(range(1, 21))
    assert verdicts[-1].done == verdicts[-1].total
    assert all(verdict.damaged is None for verdict in verdicts)


READ_UNTIL_TOLD = """
import sys
from pathlib import Path
from hikrecv.errors import Gone
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.record import Entry

reader, gone, seen = JournalReader(Path(sys.argv[1])), 0, 0
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    reader.refresh()
    try:
        for item in reader.items(reader.first):
            assert isinstance(item, Entry), item
            assert item.push.body == b"%08d" % item.seq * (item.seq % 900), item.seq
            seen += 1
    except Gone:
        gone += 1
print("read", seen, "gone", gone)
"""


def test_another_process_never_reads_a_wrong_event_while_segments_are_used_again(tmp_path: Path) -> None:
    posts: SimpleQueue[tuple[Any, tuple[Any, ...]]] = SimpleQueue()
    journal = Journal.open(
        tmp_path / "state",
        table(segment=65_536, most=6 * 65_536),
        from_thread=lambda function, *args: posts.put((function, args)),
        on_broken=lambda error: pytest.fail(str(error)),
    )
    stop, done = tmp_path / "stop", []
    journal.retain({}).addCallback(done.append)
    child = subprocess.Popen(
        [sys.executable, "-c", READ_UNTIL_TOLD, str(tmp_path / "state"), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while journal.last < 3000:
            for _ in range(20):
                seq = journal.last + 1
                journal.append(push(b"%08d" % seq * (seq % 900))).durable.addCallback(done.append)
            while len(done) < journal.last + 1:
                function, args = posts.get(timeout=20)
                function(*args)
    finally:
        stop.touch()
        output, errors = child.communicate(timeout=20)
        journal.close()

    words = output.split()
    assert errors == ""
    assert words[0] == "read"
    assert int(words[1]) > 0
    assert journal.first > 1000


def test_damage_is_told_between_the_entries() -> None:
    store, damages = MemoryStore(), []
    Desk(store).keep(b"<one>", b"<two>", b"<three>")
    path = next(path for path, inode in store.files.items() if b"<two>" in inode.data)
    store.spoil(path, store.files[path].data.find(b"<two>"), b"X")

    found = list(reader(store).entries(1, damage=damages.append))

    assert [entry.push.body for entry in found] == [b"<one>", b"<three>"]
    assert [(damaged.first, damaged.last) for damaged in damages] == [(2, 2)]
    assert all(isinstance(damaged, Damaged) for damaged in damages)

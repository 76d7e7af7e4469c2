"""The durable mark: never ahead of the disk, never behind what was acknowledged."""

from __future__ import annotations

from typing import Any

import pytest
from journal_kit import STATE, Desk
from journal_stores import MemoryStore, Watched

from hikrecv.journal.mark import Mark, read_mark
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.segment import DATA
from hikrecv.journal.state import Layout

MARK = Layout(STATE).mark


def written(store: MemoryStore) -> Mark:
    mark = read_mark(store, MARK)
    assert mark is not None
    return mark


def test_it_is_moved_after_the_sync_and_not_before() -> None:
    inner = MemoryStore()
    seen: list[tuple[str, int, int]] = []

    def before(name: str, *args: Any) -> None:
        # While the group is synced, and until the sync has returned, its numbers are nobody's to see.
        if name in ("sync", "write") and MARK in inner.files:
            on_mark = inner.open_files[args[0]] is inner.files[MARK]
            what = f"{name} {'mark' if on_mark else 'segment'}"
            seen.append((what, written(inner).seq, desk.journal.durable))

    watched = Watched(inner)
    desk = Desk(watched)
    watched.before = before
    for number in range(1, 6):
        seen.clear()
        desk.append(b"a", b"b")
        desk.journal.commit()
        old, new = 2 * number - 2, 2 * number

        kinds = [kind for kind, _, _ in seen if kind != "sync mark"]
        assert kinds.index("sync segment") < kinds.index("write mark")
        until = kinds.index("write mark") + 1
        assert {(in_file, known) for _, in_file, known in seen[:until]} == {(old, old)}
        assert written(inner).seq == desk.journal.durable == new


@pytest.mark.parametrize("sizes", [[1], [1, 2, 3], [5000] * 13, [40_000, 1, 40_000]])
def test_after_each_group_it_says_exactly_where_the_last_record_ends(sizes: list[int]) -> None:
    store = MemoryStore()
    desk = Desk(store)
    for size in sizes:
        (seq,) = desk.keep(bytes(size))
        mark = written(store)
        segment = desk.journal.view().segments[-1]

        assert (mark.seq, mark.generation) == (seq, segment.generation)
        assert DATA + size < mark.end <= segment.capacity
        # A reader elsewhere shows the record that ends there, and the next one begins there.
        reader = JournalReader(STATE, store=store)
        assert reader.last == seq
        assert [entry.seq for entry in reader.entries(seq)] == [seq]
        again = Desk(store.as_it_is(None))  # type: ignore[arg-type]
        assert written(again.store) == mark  # type: ignore[arg-type]
        assert again.journal.durable == seq


def test_what_was_not_synced_when_the_power_failed_is_not_below_it() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"one")
    acknowledged = written(store)
    failing: list[str] = []

    def before(name: str, *_: Any) -> None:
        if name == "sync":
            failing.append(name)
            raise OSError(5, "the disk said no")

    broken = Desk(Watched(store.killed()))
    broken.store.before = before  # type: ignore[attr-defined]
    broken.keep(b"two")

    assert failing
    assert broken.acknowledged == {}
    assert broken.broken
    assert written(store) == acknowledged


@pytest.mark.parametrize("at", range(0, 40, 5))
def test_one_that_is_torn_is_none(at: int) -> None:
    store = MemoryStore()
    Desk(store).keep(b"one")
    byte = store.files[MARK].data[at]
    store.spoil(MARK, at, bytes([byte ^ 0x10]))

    assert read_mark(store, MARK) is None

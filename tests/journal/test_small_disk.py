"""A disk that is smaller than what the journal may take, or becomes so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_kit import SEGMENT, STATE, Desk, push, table
from journal_stores import MemoryStore

from hikrecv.config import Bytes, JournalTable
from hikrecv.journal.holds import Hold
from hikrecv.journal.journal import Journal
from hikrecv.journal.retention import Rules
from hikrecv.journal.room import SMALLEST, fitting

MB = 1_000_000


def filled(desk: Desk, count: int, size: int = 5000) -> Desk:
    for _ in range(count):
        desk.keep(bytes(size))
    return desk


def leave(store: MemoryStore, free: int) -> None:
    """Let others take all of the disk but so much."""
    store.room += free - store.free(STATE)


def test_segments_are_a_quarter_of_the_disk_at_most_and_never_tiny() -> None:
    assert fitting(64 * MB, 1000 * MB) == 64 * MB
    assert fitting(64 * MB, 40 * MB) == 8 * MB
    assert fitting(64 * MB, 0) >= SMALLEST
    assert fitting(32_768, 0) == 32_768
    assert Rules.of(JournalTable(), 4096, 40 * MB).size == 8 * MB // 4096 * 4096


def test_a_disk_that_is_too_small_is_said_at_the_start() -> None:
    small, large = Desk(MemoryStore(40 * MB), JournalTable()), Desk(MemoryStore())

    assert "may take 20,016 MB (max and ballast) and the disk of /state has 39 MB" in small.journal.shortage
    assert large.journal.shortage == ""


def test_what_the_journal_has_itself_counts_as_room() -> None:
    store = MemoryStore()
    desk = filled(Desk(store), 60)
    leave(store, 0)
    desk.journal.close()

    desk = Desk(store, table(most=desk.journal.status().bytes))

    assert desk.journal.shortage == ""


def test_on_a_disk_below_the_budget_the_oldest_make_room() -> None:
    store = MemoryStore(9 * SEGMENT)
    desk = Desk(store, table(most=100 * SEGMENT))
    desk.retain({})

    filled(desk, 200)

    assert not desk.refused
    assert desk.journal.first > 100
    assert desk.read() == {seq: body for seq, body in desk.given.items() if seq >= desk.journal.first}
    assert "No space left on device" in desk.journal.status().tight


def test_room_given_back_ends_the_early_retirement() -> None:
    store = MemoryStore(9 * SEGMENT)
    desk = Desk(store, table(most=100 * SEGMENT))
    desk.retain({})
    filled(desk, 200)

    store.room += 50 * SEGMENT
    filled(desk, 20)
    first = desk.journal.first
    filled(desk, 40)

    assert desk.journal.status().tight == ""
    assert desk.journal.first == first


def test_a_reaction_that_waits_holds_what_leaves_the_ring_to_go_round() -> None:
    store = MemoryStore(9 * SEGMENT)
    desk = Desk(store, table(most=100 * SEGMENT))
    desk.retain({"hq": 1})

    filled(desk, 24)
    held = desk.journal.first
    filled(desk, 100)

    assert held == 1
    assert not desk.refused
    assert desk.retain({"hq": 1}).losers[0].first == 1


def test_on_a_full_disk_pushes_are_refused_rather_than_lost_to_a_reaction_with_hold_always() -> None:
    desk = Desk(MemoryStore(9 * SEGMENT), table(most=100 * SEGMENT))
    desk.retain({"hr": Hold(1, "always")})

    filled(desk, 100)

    assert desk.journal.first == 1
    assert list(desk.read()) == sorted(desk.acknowledged)
    assert sorted([*desk.acknowledged, *desk.refused]) == list(range(1, 101))
    full = desk.journal.status().full
    assert 'hr (hold = "always") has not had the oldest events' in full
    assert "free some space, or let go: hikrecv reactions release hr" in full
    assert "max" not in full


def test_on_a_full_disk_a_reaction_may_hold_back_no_more_than_the_disk_gives() -> None:
    desk = Desk(MemoryStore(9 * SEGMENT), table(most=100 * SEGMENT, hold_max=Bytes(50 * SEGMENT)))
    desk.retain({"hq": 1})

    filled(desk, 20)
    before = desk.journal.allowance("budget")
    filled(desk, 100)

    # What else stands in the directory takes a little of the disk.
    assert 4 * SEGMENT < before.bytes <= 6 * SEGMENT
    assert before.bound == desk.journal.allowance("always").bound == "disk"
    assert desk.retain({"hq": 1}).losers[0].first == 1


def test_before_the_reactions_have_their_places_nothing_goes_for_the_disk_either() -> None:
    desk = filled(Desk(MemoryStore(9 * SEGMENT), table(most=100 * SEGMENT)), 100)

    assert desk.journal.first == 1
    assert "No space left on device" in desk.journal.status().full


def test_a_smaller_segment_takes_what_the_disk_still_has() -> None:
    store = MemoryStore()
    desk = Desk(store, JournalTable(segment=Bytes(8 << 20), ballast=Bytes(0)))
    filled(desk, 1)
    leave(store, 3 << 20)

    filled(desk, 21, MB)

    sizes = [segment.size for segment in desk.journal.view().segments]
    assert sizes == [8 << 20, 8 << 20, 2 << 20, 1 << 20]
    assert len(desk.acknowledged) == len(desk.read()) == 20
    assert "No space left on device" in desk.journal.status().full


def test_a_smaller_segment_is_no_spare_for_the_next_run() -> None:
    store = MemoryStore()
    desk = Desk(store, JournalTable(segment=Bytes(8 << 20), ballast=Bytes(0)))
    filled(desk, 1)
    leave(store, 3 << 20)
    filled(desk, 17, MB)

    again = Desk(store.killed(), JournalTable(segment=Bytes(8 << 20), ballast=Bytes(0)))
    again.retain({})
    filled(again, 20, MB)

    assert not again.refused
    assert again.journal.first > 1
    assert list(again.read()) == list(range(again.journal.first, again.journal.last + 1))


def test_what_the_ballast_gave_back_is_not_for_the_journal() -> None:
    store = MemoryStore()
    desk = Desk(store, table(most=100 * SEGMENT, ballast=Bytes(4 * SEGMENT)))
    desk.retain({})
    leave(store, 100)
    desk.retain({"hq": 1})

    filled(desk, 100)

    assert STATE / "ballast" not in store.files
    assert store.free(STATE) >= 4 * SEGMENT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "hikrecv-test", str(tmp_path)]
    if subprocess.run(command, check=False, capture_output=True, timeout=10).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True, timeout=10)


def test_with_the_defaults_a_disk_of_40_mb_keeps_the_newest(small_disk: Path) -> None:
    journal = Journal.open(
        small_disk / "state",
        JournalTable(),
        from_thread=lambda function, *arguments: function(*arguments),
        on_broken=print,
        threaded=False,
    )
    journal.retain({})
    refused: list[object] = []

    for _ in range(300):
        journal.append(push(bytes(300_000))).durable.addErrback(lambda failure: refused.append(failure.value))
        journal.commit()
    status = journal.status()
    kept = sum(1 for _ in journal.entries(journal.first))
    journal.close()

    assert "the disk of" in journal.shortage
    assert refused == []
    assert status.last == 300
    assert kept >= 60

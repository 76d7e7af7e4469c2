"""What goes, when, and who has a say in it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from journal_kit import NOW, SEGMENT, STATE, Desk, table
from journal_stores import MemoryStore, Watched

from hikrecv.config import Bytes
from hikrecv.errors import Gone, JournalFull
from hikrecv.journal.holds import Hold
from hikrecv.journal.record import Damaged
from hikrecv.journal.retention import Allowance, Loser, Retained
from hikrecv.journal.segment import DATA
from hikrecv.journal.steady import SteadyClock

HOUR = 3600.0
YEAR = 365 * 24 * HOUR


def filled(desk: Desk, count: int = 20, size: int = 5000) -> Desk:
    for number in range(1, count + 1):
        desk.keep(b"<%04d>" % number + bytes(size))
    return desk


def segment_files(store: MemoryStore) -> list[Path]:
    return sorted(path for path in store.files if path.suffix == ".seg")


def test_without_a_word_on_the_reactions_nothing_goes_and_the_budget_refuses() -> None:
    desk = filled(Desk(MemoryStore()), 60)

    assert desk.journal.first == 1
    assert isinstance(desk.refused[60], JournalFull)
    assert desk.journal.status().full == str(desk.refused[60])
    assert desk.journal.status().bytes <= desk.journal.status().budget


def test_with_a_word_the_oldest_make_room_for_the_newest() -> None:
    desk = Desk(MemoryStore())
    desk.retain({})

    filled(desk, 200)

    assert not desk.refused
    assert desk.journal.first > 100
    assert desk.read() == {seq: body for seq, body in desk.given.items() if seq >= desk.journal.first}
    assert desk.journal.status().bytes <= 8 * SEGMENT


def test_a_full_journal_keeps_again_as_soon_as_retention_made_room() -> None:
    desk = filled(Desk(MemoryStore()), 60)
    refused = set(desk.refused)

    desk.retain({})
    (seq,) = desk.keep(b"room again")

    assert desk.journal.status().full == ""
    assert seq in desk.acknowledged
    assert set(desk.refused) == refused


def test_the_ring_is_written_on_again_and_takes_no_more_files() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.retain({})
    filled(desk, 60)
    inodes = {store.files[path].number for path in segment_files(store)}

    filled(desk, 100)

    assert {store.files[path].number for path in segment_files(store)} == inodes


def test_what_is_older_than_keep_goes_by_whole_segments() -> None:
    desk = filled(Desk(MemoryStore()))
    desk.retain({}, after=900)
    filled(desk, 8)

    done = desk.retain({}, after=200)

    assert done.segments >= 3
    assert done.losers == ()
    assert 15 <= desk.journal.first <= 21
    assert desk.read()[21].startswith(b"<0001>")


def test_a_segment_stays_as_long_as_its_newest_event_is_not_too_old() -> None:
    desk = filled(Desk(MemoryStore()), 3)
    desk.retain({}, after=100)
    filled(desk, 2)
    desk.retain({}, after=970)

    desk.retain({})
    assert desk.journal.first == 1

    desk.retain({}, after=200)
    assert desk.journal.first == 6


def test_the_newest_number_survives_the_retirement_of_everything() -> None:
    store = MemoryStore()
    desk = filled(Desk(store), 3)
    for _ in range(4):
        desk.retain({}, after=2000)
    assert desk.read() == {}

    desk.journal.close()

    assert Desk(store).keep(b"next") == [4]


def test_a_segment_that_fills_slowly_is_closed_early_and_gives_its_rest_back() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(b"one event")

    desk.retain({}, after=200)
    desk.keep(b"another")

    assert desk.read() == {1: b"one event", 2: b"another"}
    sizes = [len(store.files[path].data) for path in segment_files(store)]
    assert min(sizes) == DATA + 4096
    assert sum(sizes) == desk.journal.status().bytes


def test_a_waiting_reaction_holds_what_is_too_old() -> None:
    desk = filled(Desk(MemoryStore(), table(hold_max=Bytes(5 * SEGMENT))))

    done = desk.retain({"hq": 1, "door": 20}, after=2000)

    assert done == Retained()
    assert desk.journal.first == 1
    assert desk.retain({"hq": 20, "door": 20}).segments > 1
    assert 1 < desk.journal.first <= 20


def test_a_reaction_that_lags_too_far_loses_with_an_alarm() -> None:
    desk = filled(Desk(MemoryStore(), table(hold_max=Bytes(2 * SEGMENT))))

    done = desk.retain({"hq": 2, "door": 20}, after=2000)

    assert done.losers == (Loser("hq", 2, desk.journal.first - 1),)
    assert desk.journal.first > 2


def test_losses_to_the_budget_are_told_at_the_next_round() -> None:
    desk = Desk(MemoryStore())
    desk.retain({"hq": 3})

    filled(desk, 200)
    (loser,) = desk.retain({"hq": 3}).losers

    assert (loser.reaction, loser.first) == ("hq", 3)
    assert loser.last > 100
    assert desk.retain({}).losers == ()


def test_exactly_one_event_that_was_lost_is_one() -> None:
    desk = filled(Desk(MemoryStore(), table(hold_max=Bytes(2 * SEGMENT))))
    last_of_the_first = desk.journal.view().segments[0].last

    done = desk.retain({"hq": last_of_the_first, "door": last_of_the_first + 1}, after=2000)

    assert done.losers == (Loser("hq", last_of_the_first, last_of_the_first),)
    assert desk.journal.first == last_of_the_first + 1


def test_nothing_that_a_reaction_with_hold_always_waits_for_goes_pushes_are_refused_instead() -> None:
    desk = Desk(MemoryStore(), table(keep=10.0))
    hr = Hold(3, "always")
    desk.retain({"hr": hr, "hq": 1})

    filled(desk, 200)
    refused = dict(desk.refused)
    done = desk.retain({"hr": hr, "hq": 1}, after=2000)

    assert done == Retained()
    assert desk.journal.first == 1
    assert isinstance(refused[200], JournalFull)
    assert 'hr (hold = "always") has not had the oldest events' in str(refused[200])
    assert "hikrecv reactions release hr" in desk.journal.status().full
    assert list(desk.read()) == sorted(desk.acknowledged)


def test_when_it_has_caught_up_or_was_released_the_oldest_go_again() -> None:
    for after in (Hold(200, "always"), Hold(3, "always", released=True)):
        desk = Desk(MemoryStore())
        desk.retain({"hr": Hold(3, "always")})
        filled(desk, 100)

        losers = desk.retain({"hr": after}).losers
        (seq,) = desk.keep(b"room again")

        assert seq in desk.acknowledged
        assert desk.journal.first > 3
        assert [loser.reaction for loser in losers] == ["hr"] * after.released


def test_what_was_released_is_not_held_within_the_budget_either() -> None:
    desk = filled(Desk(MemoryStore(), table(hold_max=Bytes(5 * SEGMENT))))

    done = desk.retain({"hq": Hold(1, released=True), "door": 20}, after=2000)

    assert desk.journal.first > 1
    assert done.losers == (Loser("hq", 1, desk.journal.first - 1),)


def test_what_a_reaction_holds_back_is_measured_against_what_it_may_and_what_sets_that() -> None:
    desk = filled(Desk(MemoryStore(), table(most=8 * SEGMENT, hold_max=Bytes(3 * SEGMENT))))
    sealed = [segment for segment in desk.journal.view().segments if segment.end]

    assert len(sealed) == 3
    assert desk.journal.held_bytes(0) == desk.journal.held_bytes(sealed[0].last) == 3 * SEGMENT
    assert desk.journal.held_bytes(sealed[0].last + 1) == 2 * SEGMENT
    assert desk.journal.held_bytes(sealed[2].last + 1) == 0
    assert desk.journal.allowance("budget") == Allowance(3 * SEGMENT, "hold_max")
    assert desk.journal.allowance("always") == Allowance(7 * SEGMENT, "max")


def test_a_journal_that_is_too_small_for_its_hold_max_says_so() -> None:
    desk = Desk(MemoryStore(), table(most=8 * SEGMENT, hold_max=Bytes(6 * SEGMENT)))

    assert desk.journal.allowance("budget") == Allowance(5 * SEGMENT, "max")


def test_hold_max_is_a_quarter_of_the_budget_unless_said() -> None:
    desk = filled(Desk(MemoryStore(), table(most=8 * SEGMENT)))
    sealed = [segment for segment in desk.journal.view().segments if segment.end]

    done = desk.retain({"hq": 1}, after=2000)

    assert len(sealed) == 3
    assert done.losers == (Loser("hq", 1, sealed[0].last),)


def test_a_full_disk_refuses_until_there_is_room() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.retain({})
    store.room = store.room - store.free(STATE) + 100

    filled(desk, 20)
    full = desk.journal.status().full
    store.room += 10 * SEGMENT
    desk.retain({})
    (seq,) = desk.keep(b"room again")

    assert "No space left on device" in full
    assert not desk.broken
    assert isinstance(desk.refused[20], JournalFull)
    assert seq in desk.acknowledged


def test_a_mark_that_finds_no_room_stays_behind_and_fails_nothing() -> None:
    store = MemoryStore()

    def before(name: str, *args: Any) -> None:
        if name == "write" and len(args[1][0]) == 40 and desk is not None:
            raise OSError(errno.ENOSPC, "No space left on device")

    desk: Desk | None = None
    desk = Desk(Watched(store, before))
    desk.keep(b"one")
    desk.keep(b"two")

    assert desk.acknowledged == {1: b"one", 2: b"two"} == desk.read()
    assert Desk(store.killed()).read() == desk.acknowledged


def test_the_ballast_is_given_back_on_a_full_disk_and_laid_in_again() -> None:
    store = MemoryStore()
    desk = Desk(store, table(ballast=Bytes(9000)))
    desk.retain({})
    assert len(store.files[STATE / "ballast"].data) == 9000
    store.room = store.room - store.free(STATE) + 100

    filled(desk, 20)
    dropped = STATE / "ballast" not in store.files
    store.room += 10 * SEGMENT
    desk.retain({})

    assert dropped
    assert STATE / "ballast" in store.files


def test_retired_segments_are_zeroed_under_privacy() -> None:
    store = MemoryStore()
    desk = Desk(store, zeroed=True)
    desk.retain({})

    filled(desk, 100)

    kept = b"".join(desk.read().values())
    on_disk = b"".join(bytes(store.files[path].data) for path in segment_files(store))
    assert b"<0001>" not in on_disk
    assert on_disk.count(b"<00") == kept.count(b"<00")


def test_a_reader_of_a_segment_that_is_used_again_is_told_and_never_misled() -> None:
    desk = Desk(MemoryStore(), table(segment=8 * SEGMENT, most=40 * SEGMENT))
    desk.retain({})
    filled(desk, 200)
    reading = desk.journal.items(desk.journal.first)
    seen = [next(reading)]

    filled(desk, 400)
    with pytest.raises(Gone, match="were retired while they were being read"):
        seen.extend(reading)

    assert len(seen) > 1
    assert not any(isinstance(item, Damaged) for item in seen)
    assert all(item.push.body == desk.given[item.seq] for item in seen)


def test_a_recycled_segment_is_renamed_synced_and_marked_before_it_is_used() -> None:
    store, calls = MemoryStore(), []

    def before(name: str, *args: Any) -> None:
        if name in {"rename", "sync_directory", "sync"} or (name == "write" and args[2] == 0):
            calls.append(name)

    desk = Desk(Watched(store, before))
    filled(desk, 60)
    calls.clear()

    desk.retain({})

    assert calls[:5] == ["sync", "rename", "sync_directory", "write", "sync"]


def test_a_clock_that_runs_ahead_for_a_while_deletes_nothing() -> None:
    desk = filled(Desk(MemoryStore(), table(keep=10 * HOUR)))
    desk.retain({}, after=2 * HOUR)

    desk.wall += 365 * 24 * HOUR
    desk.retain({}, after=HOUR / 2)
    desk.wall -= 365 * 24 * HOUR
    desk.retain({}, after=HOUR / 2)

    assert desk.journal.first == 1


def test_events_of_a_day_with_a_wrong_clock_neither_stay_for_ever_nor_go_at_once() -> None:
    year = 365 * 24 * HOUR
    for wrong in (NOW + year, 1000.0):
        desk = filled(Desk(MemoryStore(), table(keep=10 * HOUR)), 3)
        desk.wall, right = wrong, desk.wall
        filled(desk, 7)
        desk.wall = right
        filled(desk, 12)

        desk.retain({}, after=9 * HOUR)
        assert desk.journal.first == 1
        desk.retain({}, after=9 * HOUR)
        assert desk.journal.first > 10


def test_copies_of_damaged_bytes_go_with_their_segment() -> None:
    store = MemoryStore()
    desk = Desk(store)
    desk.retain({})
    filled(desk)
    path = next(path for path, inode in store.files.items() if b"<0002>" in inode.data)
    store.spoil(path, store.files[path].data.find(b"<0002>"), b"X")
    desk.journal.quarantine(next(item for item in desk.journal.items(1) if isinstance(item, Damaged)))
    desk.journal.commit()
    copied = [path for path in store.files if path.parent.name == "quarantine"]

    filled(desk, 100)

    assert len(copied) == 1
    assert not [path for path in store.files if path.parent.name == "quarantine"]


@pytest.mark.parametrize("jump", [-10 * YEAR, -2 * HOUR, 2 * HOUR, YEAR / 12, 10 * YEAR])
def test_no_wall_clock_however_long_it_is_wrong_makes_an_event_old(jump: float) -> None:
    desk = filled(Desk(MemoryStore(), table(keep=100 * HOUR)))
    desk.retain({}, after=20 * HOUR)

    desk.wall += jump
    for _ in range(7):
        desk.retain({}, after=10 * HOUR)
    assert desk.journal.first == 1

    desk.retain({}, after=15 * HOUR)
    assert desk.journal.first > 10


@pytest.mark.parametrize("wrong", [0.0, NOW + 10 * YEAR])
def test_two_boots_with_a_wrong_clock_take_nothing(tmp_path: Path, wrong: float) -> None:
    """Each time it runs for hours beside it, as a machine does that reaches no time server."""
    store, passed = MemoryStore(), [0.0]

    def boot(number: int) -> SteadyClock:
        return SteadyClock(
            tmp_path / "steady", wall=lambda: wrong, boottime=lambda: passed[0], boot=f"boot {number}"
        )

    for number in range(3):
        passed[0] = 0.0
        steady = boot(number)
        desk = filled(Desk(store, table(keep=10 * HOUR), steady=steady), 5)
        for _ in range(9):
            passed[0] += HOUR / 3
            desk.retain({})
        assert desk.journal.first == 1
        steady.save()
        desk.journal.close()
    passed[0] = 0.0
    steady = boot(9)
    desk = Desk(store, table(keep=10 * HOUR), steady=steady)
    for _ in range(6):
        passed[0] += HOUR
        desk.retain({})

    assert desk.journal.first > 1, "what has really been there for longer than keep goes"


def test_how_far_the_reactions_are_may_be_said_between_two_rounds() -> None:
    desk = Desk(MemoryStore())
    desk.retain({"hq": 1})

    for _ in range(40):
        filled(desk, 5)
        desk.journal.hold({"hq": Hold(desk.journal.durable + 1)})

    assert desk.journal.first > 100
    assert desk.retain({}).losers == ()

"""Failures and power cuts at every call: nothing acknowledged is lost, nothing false is read."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from random import Random
from typing import NamedTuple

import pytest
from journal_kit import SEGMENT, STATE, Desk, bodies, table
from journal_stores import OPERATIONS, READING, SYNCS, FailsAt, MemoryStore, Watched

from hikrecv.errors import JournalBroken, JournalFull, StateError
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.record import Damaged, Entry

End = Callable[[MemoryStore, Random], MemoryStore]
CHANGING = frozenset(OPERATIONS) - READING


def work(desk: Desk, random: Random) -> None:
    """A life in short: groups of all sizes, several turns of the ring of segments, a body above a segment."""
    desk.retain({})
    for turn in range(26):
        desk.keep(*(random.randbytes(random.choice((0, 7, 900, 9000))) for _ in range(random.randint(1, 5))))
        if turn == 9:
            desk.keep(random.randbytes(50_000))
        if turn % 6 == 5:
            desk.retain({"slow": max(1, desk.journal.durable - 3)}, after=200)


class Moment(NamedTuple):
    """What a power cut would have left, and what had been promised by then."""

    store: MemoryStore
    acknowledged: dict[int, bytes]
    given: dict[int, bytes]
    first: int


def moments(
    seed: int, without: frozenset[str] = frozenset(), *, each: int = 1, end: End = MemoryStore.after_power_cut
) -> Iterator[Moment]:
    """An end before every call of a life that changes something."""
    random, memory, found = Random(seed), MemoryStore(), []

    def before(name: str, *_: object) -> None:
        if name in CHANGING and desk is not None:
            promised = dict(desk.acknowledged), dict(desk.given), desk.journal.first
            found.extend(Moment(end(memory, random), *promised) for _ in range(each))

    desk: Desk | None = None
    desk = Desk(Watched(memory, before, without))
    work(desk, random)
    return iter(found)


def losses(moment: Moment) -> list[str]:
    """What is wrong with the journal that is opened after the power cut, and goes on."""
    desk = Desk(moment.store, table(most=20 * SEGMENT))
    kept, wrong = look(desk)
    wrong += [f"damage was reported: {damaged}" for damaged in desk.journal.report.damages]
    wrong += [
        f"{seq} was acknowledged and is lost"
        for seq, body in moment.acknowledged.items()
        if seq >= moment.first and kept.get(seq) != body
    ]
    wrong += [f"{seq} is false" for seq, body in kept.items() if moment.given.get(seq) != body]
    (seq,) = desk.keep(b"after the power cut")
    if seq <= max(moment.acknowledged, default=0) or seq not in desk.acknowledged:
        wrong.append(f"{seq} could not be kept")
    desk.journal.close()
    again, more = look(Desk(moment.store))
    if again != {**kept, seq: b"after the power cut"}:
        wrong.append("the second start found something else")
    return wrong + more


def look(desk: Desk) -> tuple[dict[int, bytes], list[str]]:
    """What can be read, and what not."""
    items = list(desk.journal.items(desk.journal.first))
    damages = [f"damage was read: {item}" for item in items if isinstance(item, Damaged)]
    return {item.seq: item.push.body for item in items if isinstance(item, Entry)}, damages


@pytest.mark.parametrize("seed", range(2))
def test_a_power_cut_at_any_call_loses_nothing_that_was_acknowledged(seed: int) -> None:
    moment_by_moment = list(moments(seed, each=2))

    assert len(moment_by_moment) > 300
    for moment in moment_by_moment:
        assert losses(moment) == []


def test_a_kill_at_any_call_loses_nothing_that_was_acknowledged() -> None:
    for moment in moments(0, end=MemoryStore.as_it_is):
        assert losses(moment) == []


def test_what_a_failed_sync_left_in_the_page_cache_is_written_again_before_it_is_shown() -> None:
    memory = MemoryStore()
    fails = FailsAt(memory, 0, frozenset({"sync"}))
    desk = Desk(Watched(memory, fails))
    desk.keep(b"acknowledged")
    fails.calls, fails.nth = 0, 1
    desk.keep(b"not acknowledged, and not on the disk")

    shown = Desk(memory.killed()).read()

    assert shown == {1: b"acknowledged", 2: b"not acknowledged, and not on the disk"}
    for seed in range(20):
        assert Desk(memory.after_power_cut(Random(seed))).read() == shown


@pytest.mark.parametrize("call", sorted(SYNCS))
def test_without_its_syncs_the_same_torture_finds_losses(call: str) -> None:
    found = []
    for moment in moments(0, frozenset({call})):
        with suppress(StateError):  # nor need there be a state directory left that can be opened
            found += losses(moment)

    assert any("was acknowledged and is lost" in wrong for wrong in found)


def run_out(operations: frozenset[str], check: Callable[[Desk, FailsAt, MemoryStore], None]) -> int:
    """The same life with a failure at the n-th call, for every n; returns how many there were."""
    nth = 0
    while True:
        nth += 1
        memory = MemoryStore()
        fails = FailsAt(memory, 0, operations)
        desk = Desk(Watched(memory, fails))
        fails.calls, fails.nth = 0, nth
        work(desk, Random(nth))
        if not fails.failed:
            return nth - 1
        check(desk, fails, memory)


def test_a_write_or_sync_that_fails_at_any_call_is_final_and_never_answered_as_kept() -> None:
    def check(desk: Desk, fails: FailsAt, memory: MemoryStore) -> None:
        assert [type(error) for error in desk.broken] == [JournalBroken], fails.failed
        assert desk.refused.keys() | desk.acknowledged.keys() == desk.given.keys()
        assert not desk.refused.keys() & desk.acknowledged.keys()
        assert max(desk.acknowledged, default=0) < min(desk.refused, default=1 << 60)
        desk.keep(b"too late")
        assert isinstance(desk.refused[desk.journal.last], JournalBroken)
        first = desk.journal.first
        again = Desk(memory.killed())
        kept = again.read()
        assert {seq: kept.get(seq) for seq in desk.acknowledged if seq >= first} == {
            seq: body for seq, body in desk.acknowledged.items() if seq >= first
        }
        assert all(desk.given[seq] == body for seq, body in kept.items())

    assert run_out(CHANGING, check) > 150


def test_too_many_open_files_at_any_call_refuses_and_breaks_nothing() -> None:
    for nth in count(1):
        memory = MemoryStore()
        fails = FailsAt(memory, 0, frozenset({"open", "create", "names"}), errno.EMFILE)
        desk = Desk(Watched(memory, fails))
        fails.calls, fails.nth = 0, nth
        work(desk, Random(nth))
        if not fails.failed:
            break

        assert desk.broken == []
        assert all(isinstance(error, JournalFull) for error in desk.refused.values())
        assert desk.read().items() <= desk.acknowledged.items()
        assert desk.keep(b"goes on") == [desk.journal.durable]

    assert nth > 20


def test_a_start_that_fails_at_any_call_can_be_done_again() -> None:
    random, failures = Random(5), 0

    for moment in islice(moments(3), 0, None, 5):
        for nth in count(1):
            torn = moment.store.after_power_cut(random)
            fails = FailsAt(torn, nth, CHANGING)
            with suppress(OSError, StateError):
                Desk(Watched(torn, fails))
            if not fails.failed:
                break
            failures += 1
            assert losses(moment._replace(store=torn.after_power_cut(random))) == []

    assert failures > 150


def test_another_process_sees_only_what_would_survive() -> None:
    for moment in moments(7):
        seen = bodies(JournalReader(STATE, store=moment.store))
        recovered = Desk(moment.store).read()

        assert seen.items() <= recovered.items()

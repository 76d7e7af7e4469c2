"""The journal's thread: groups, order, and what it says to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event, current_thread, main_thread
from typing import Any

import pytest
from journal_kit import STATE, Desk, push, table
from journal_stores import MemoryStore, Watched

from hikrecv.errors import JournalBroken, JournalError
from hikrecv.journal.committer import GROUP_RECORDS
from hikrecv.journal.journal import GATHERED_BYTES, Journal
from hikrecv.journal.store import Store


class Gate:
    """A `before` that holds up the journal's thread in every sync but the first ones, until it is told."""

    def __init__(self) -> None:
        self.closed, self.open, self.reached = False, Event(), Event()
        self.groups: list[list[Any]] = []
        self.error: OSError | None = None

    def __call__(self, name: str, *args: Any) -> None:
        if name == "write" and len(args[1]) > 2:
            self.groups.append(list(args[1]))
        if name == "sync" and self.closed:
            self.reached.set()
            assert self.open.wait(20)
            if self.error:
                raise self.error


class Office:
    """A journal with its thread, and a stand-in for the reactor: `call` is its callFromThread."""

    def __init__(self, store: Store) -> None:
        self.posts: SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = SimpleQueue()
        self.told: list[tuple[int, bool]] = []
        self.errors: list[BaseException] = []
        self.broken: list[JournalBroken] = []
        self.journal = Journal.open(
            STATE,
            table(segment=1 << 20, most=1 << 24),
            from_thread=lambda function, *args: self.posts.put((function, args)),
            on_broken=self.broken.append,
            store=store,
        )

    def append(self, body: bytes = b"") -> int:
        seq, durable = self.journal.append(push(body))
        durable.addCallbacks(lambda _: self.told.append((seq, True)), lambda f: self._failed(seq, f.value))
        return seq

    def hear(self) -> None:
        """One post of the journal's thread."""
        function, args = self.posts.get(timeout=20)
        function(*args)

    def hear_until(self, done: Callable[[], object]) -> None:
        while not done():
            self.hear()

    def close(self) -> None:
        closed: list[None] = []
        self.journal.close().addCallback(closed.append)
        self.hear_until(lambda: closed)

    def _failed(self, seq: int, error: BaseException) -> None:
        assert current_thread() is main_thread()
        self.told.append((seq, False))
        self.errors.append(error)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def office(gate: Gate) -> Iterator[Office]:
    office = Office(Watched(MemoryStore(), gate))
    office.append(b"the first, so that everything is made")
    rounds: list[object] = []
    office.journal.retain({}).addCallback(rounds.append)  # comes after all other chores
    office.hear_until(lambda: rounds and office.told)
    office.told.clear()
    gate.groups.clear()
    yield office
    gate.open.set()
    office.close()


def test_what_queues_up_during_a_sync_becomes_one_group(office: Office, gate: Gate) -> None:
    gate.closed = True
    office.append(b"alone")
    assert gate.reached.wait(20)
    numbers = [office.append(b"%d" % number) for number in range(50)]
    office.hear()  # the turn's end
    assert office.told == []

    gate.closed = False
    gate.open.set()
    office.hear()
    office.hear()

    assert [seq for seq, kept in office.told if kept] == [2, *numbers]
    assert len(gate.groups) == 2


def test_a_number_is_given_at_once_and_nothing_is_shown_before_the_sync(office: Office, gate: Gate) -> None:
    gate.closed = True

    seq = office.append(b"on its way")
    assert gate.reached.wait(20)

    assert (seq, office.journal.last, office.journal.durable) == (2, 2, 1)
    assert [entry.seq for entry in office.journal.entries(1)] == [1]
    assert office.journal.status().queued == 1
    gate.open.set()
    office.hear_until(lambda: office.told)
    assert [entry.seq for entry in office.journal.entries(1)] == [1, 2]
    assert office.journal.status().queued == 0
    assert office.journal.status().queued_bytes == 0


def test_a_group_has_its_bounds(office: Office, gate: Gate) -> None:
    gate.closed = True
    office.append()
    assert gate.reached.wait(20)
    for _ in range(GROUP_RECORDS + 10):
        office.append()

    gate.open.set()
    office.hear_until(lambda: len(office.told) == GROUP_RECORDS + 11)

    assert [len(buffers) // 3 for buffers in gate.groups] == [1, GROUP_RECORDS, 10]
    assert [seq for seq, _ in office.told] == list(range(2, GROUP_RECORDS + 13))


def test_a_body_is_written_from_where_it_is(office: Office, gate: Gate) -> None:
    body = bytes(290_000)

    office.append(body)
    office.hear_until(lambda: office.told)

    assert any(part is body for part in gate.groups[0])


def test_a_failed_sync_fails_its_group_and_all_that_follows(office: Office, gate: Gate) -> None:
    gate.closed, gate.error = True, OSError(5, "Input/output error")
    office.append()
    assert gate.reached.wait(20)
    office.append()

    gate.open.set()
    office.hear_until(lambda: len(office.told) == 2)
    office.append()
    office.hear_until(lambda: len(office.told) == 3)

    assert office.told == [(2, False), (3, False), (4, False)]
    assert all(isinstance(error, JournalBroken) for error in office.errors)
    assert "Input/output error" in str(office.broken[0])
    assert len(office.broken) == 1
    assert office.journal.status().broken == str(office.broken[0])
    assert office.journal.durable == 1
    rounds: list[object] = []
    office.journal.retain({}).addErrback(rounds.append)
    assert len(rounds) == 1


def test_close_keeps_what_was_given_and_refuses_what_comes_later(gate: Gate) -> None:
    memory = MemoryStore()
    office = Office(Watched(memory, gate))
    numbers = [office.append(b"%d" % number) for number in range(20)]

    closed = office.journal.close()
    assert office.journal.close() is closed
    office.append(b"too late")
    office.hear_until(lambda: closed.called)

    assert [seq for seq, kept in office.told if kept] == numbers
    assert [type(error) for error in office.errors] == [JournalError]
    assert memory.open_files == {}
    assert len(Desk(memory).read()) == 20


def test_reading_goes_on_beside_the_writing(tmp_path: Path) -> None:
    office = Office(MemoryStore())
    seen: list[int] = []

    for number in range(300):
        office.append(b"%d" % number * 100)
        if number % 20 == 19:
            office.hear_until(lambda: len(office.told) == office.journal.last)
            seen += [entry.seq for entry in office.journal.entries(len(seen) + 1)]
    office.close()

    assert seen == list(range(1, 301))


def test_the_journal_needs_no_reactor() -> None:
    import subprocess
    import sys

    code = "import sys, hikrecv.journal.journal; sys.exit('twisted.internet.reactor' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_what_comes_in_one_turn_of_the_reactor_becomes_one_group(office: Office, gate: Gate) -> None:
    alone = office.append(b"alone")
    office.hear_until(lambda: office.told)
    first, *rest = [office.append(b"together") for _ in range(5)]
    office.hear_until(lambda: len(office.told) == 6)
    busy = [office.append(b"together again") for _ in range(5)]
    office.hear_until(lambda: len(office.told) == 11)

    assert [seq for seq, kept in office.told if kept] == [alone, first, *rest, *busy]
    # A record that came alone went at once; after a turn with several the first waits for the others.
    assert [sum(b"together" in bytes(part) for part in group) for group in gate.groups] == [0, 1, 4, 5]


def test_a_turn_that_brings_much_is_not_waited_for(office: Office, gate: Gate) -> None:
    office.append(b"alone")
    office.append(bytes(GATHERED_BYTES))

    while len(gate.groups) < 2:
        office.hear()

    assert len(gate.groups) == 2

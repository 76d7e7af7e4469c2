"""What is said of the journal's room, and what is lost for want of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from journal_kit import STATE, Desk, table
from journal_stores import MemoryStore
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hikrecv.holding import Holding
from hikrecv.indexing import Indexer
from hikrecv.journal.holds import Holds, Named
from hikrecv.journal.index import Index
from hikrecv.metrics import Metrics
from hikrecv.upkeep import TICK, Upkeep


class Reactions:
    """How far they are, as the test says."""

    def __init__(self) -> None:
        self.cursors: dict[str, int] = {}

    def holds(self) -> dict[str, int]:
        return self.cursors

    committed: dict[str, int] = {}  # noqa: RUF012


class Room:
    """An upkeep over a journal, and what it says."""

    def __init__(self, folder: Path, store: MemoryStore, **journal: Any) -> None:
        self.desk, self.clock, self.said = Desk(store, table(**journal)), Clock(), []
        self.reactions = Reactions()
        self.holding = Holding(
            STATE, self.desk.journal, Holds(), maybeDeferred, self.clock.seconds, store=store
        )
        indexer = Indexer(
            Index.open(folder / "index.sqlite"),
            lambda: Index.anew(folder / "index.sqlite"),
            lambda seq: iter(()),
            maybeDeferred,
            self.clock,
            last=0,
        )
        self.indexer = indexer
        self.upkeep = Upkeep(self.clock, self.desk.journal, indexer, self.holding, self.reactions, Metrics())

    def hear(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith(("hikrecv.upkeep", "hikrecv.lagging")):
            self.said.append(formatEvent(event))

    def go_on(self, ticks: int = 10) -> None:
        for _ in range(ticks):
            self.clock.advance(TICK)
            self.desk.journal.commit()


@pytest.fixture
def room(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    store, journal = getattr(request, "param", (MemoryStore(), {}))
    room = Room(tmp_path, store, **journal)
    globalLogPublisher.addObserver(room.hear)
    yield room
    room.upkeep.stop()
    room.indexer.close()
    globalLogPublisher.removeObserver(room.hear)


def test_that_there_is_no_room_and_room_again_is_each_said_once(room: Room) -> None:
    room.holding.begin({"hr": Named(hold="always")}, {})
    room.upkeep.start()

    room.desk.keep(*[bytes(5000)] * 60)
    room.go_on()
    full = list(room.said)
    room.reactions.cursors = {"hr": 60}
    room.go_on()

    (said,) = [each for each in full if not each.startswith("ALARM")]
    assert said.startswith('journal full: rejecting pushes with 503: hr (hold = "always") has not had')
    assert room.said[-1] == "the journal has room again: pushes are accepted"
    assert not room.desk.journal.status().full


def test_exactly_one_event_that_a_reaction_lost_is_counted_as_one(room: Room) -> None:
    room.holding.begin({"hq": Named()}, {})
    room.upkeep.start()
    room.go_on()
    room.desk.keep(*[bytes(5000)] * 30)
    oldest = room.desk.journal.view().segments[0].last
    room.reactions.cursors = {"hq": oldest - 1}
    room.go_on(1)

    while room.desk.journal.first <= oldest:
        room.desk.keep(bytes(5000))
    room.go_on()

    assert room.desk.journal.first == oldest + 1
    assert room.upkeep.lagging.lost == {"hq": 1}
    assert f"ALARM: hq lost the events {oldest} to {oldest}: it may hold back 66 kB" in room.said[-1]


def test_what_a_reaction_had_meanwhile_is_not_lost_to_it(room: Room) -> None:
    room.holding.begin({"hq": Named()}, {})
    room.upkeep.start()
    room.go_on()

    room.desk.keep(*[bytes(5000)] * 100)
    room.reactions.cursors = {"hq": 100}
    room.go_on()

    assert room.desk.journal.first > 1
    assert room.upkeep.lagging.lost == {}


def test_from_the_first_second_retention_goes_by_the_file_whatever_the_reactions_have_not_said(
    room: Room,
) -> None:
    room.desk.keep(*[bytes(5000)] * 35)
    room.holding.begin({"hq": Named(start=30)}, {})
    room.upkeep.start()
    room.go_on(1)

    room.desk.keep(*[bytes(5000)] * 12)
    room.go_on(1)

    assert 1 < room.desk.journal.first <= 30
    assert not room.desk.refused
    assert room.upkeep.lagging.lost == {}

"""The index follows the journal, whatever happens to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from hikrecv.errors import StateError
from hikrecv.history import Interpreter
from hikrecv.indexing import APART, PENDING, Indexer, Told
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.journal.index import Index
from hikrecv.push import Peer, Push
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.minmoe import verified

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def story(most: int) -> list[Told]:
    """What a journal of *most* pushes holds."""
    interpreter = Interpreter(Decoder("word"))
    told = []
    for seq in range(1, most + 1):
        message = verified(Identity(), NOON, seq)
        push = Push(
            received=1_772_366_400_000_000_000 + seq * 10**9,
            peer=Peer("192.0.2.1", 1, "none"),
            headers=((b"Content-Type", message.content_type.encode()),),
            body=message.body,
        )
        told.append((seq, interpreter.see(interpreter.decode(push, seq))))
    return told


class Desk:
    """An indexer, its clock, and the journal that it may read back."""

    def __init__(self, kept: list[Told], path: Path | None = None, last: int = 0) -> None:
        self.kept, self.clock, self.read_from = kept, Clock(), list[int]()
        self.path = path or Path(":memory:")
        self.fail = False
        self.blocked: Deferred | None = None
        self.indexer = Indexer(
            Index.open(path or ":memory:"),
            self.anew,
            self.read_back,
            self.run,
            self.clock,
            last=last,
        )

    def anew(self) -> Index:
        return Index.anew(self.path) if self.path != Path(":memory:") else Index.open(":memory:")

    def read_back(self, seq: int) -> Iterator[Told]:
        self.read_from.append(seq)
        return iter([told for told in self.kept if told[0] >= seq])

    def run(self, function, *arguments) -> Deferred:
        if self.blocked is not None:
            return self.blocked
        if self.fail:
            function, arguments = _full, ()
        return maybeDeferred(function, *arguments)

    def rows(self) -> list[int]:
        self.clock.advance(APART)
        return [row.seq for row in self.indexer.index.search(limit=100_000)]


def _full() -> None:
    raise StateError("the disk is full")


def test_what_is_published_is_indexed_from_memory() -> None:
    kept = story(5)
    desk = Desk(kept)

    for seq, events in kept:
        desk.indexer.publish(seq, events, 0)

    assert desk.rows() == [1, 2, 3, 4, 5]
    assert desk.read_from == []


def test_an_index_that_is_behind_reads_back_at_start() -> None:
    kept = story(7)
    desk = Desk(kept, last=7)

    desk.indexer.start()

    assert desk.rows() == [1, 2, 3, 4, 5, 6, 7]
    assert desk.read_from == [1]


def test_batches_are_apart() -> None:
    kept = story(3)
    desk = Desk(kept)

    for seq, events in kept:
        desk.indexer.publish(seq, events, 0)
    at_once = desk.indexer.index.last_seq
    desk.clock.advance(APART)

    assert at_once == 1
    assert desk.indexer.index.last_seq == 3


def test_numbers_that_are_no_pushes_leave_no_hole_behind() -> None:
    kept = [told for told in story(6) if told[0] not in (3, 4)]
    desk = Desk(kept)

    for seq, events in kept:
        desk.indexer.publish(seq, events, 0)
    desk.clock.advance(APART)

    assert desk.indexer.behind == 0
    assert desk.read_from == []


def test_a_full_disk_is_waited_out_and_nothing_is_missing_then() -> None:
    kept = story(4)
    desk = Desk(kept)
    desk.fail = True
    for seq, events in kept:
        desk.indexer.publish(seq, events, 0)
    in_trouble = desk.indexer.error

    desk.fail = False
    desk.clock.advance(10)

    assert in_trouble == "the disk is full"
    assert desk.rows() == [1, 2, 3, 4]
    assert desk.indexer.error == ""


def test_it_can_be_made_again_while_it_is_used(tmp_path: Path) -> None:
    kept = story(4)
    desk = Desk(kept, tmp_path / "index.sqlite")
    for seq, events in kept[:3]:
        desk.indexer.publish(seq, events, 0)

    desk.indexer.again()
    desk.indexer.publish(*kept[3], 0)

    assert desk.rows() == [1, 2, 3, 4]


def test_what_waits_in_memory_is_bounded_and_keeps_no_pictures_alive() -> None:
    (seq, events), *_ = story(1)
    desk = Desk([])
    desk.blocked = Deferred()

    for number in range(seq, PENDING + 50):
        desk.indexer.publish(number, tuple(event.replace(seq=number) for event in events), 0)

    waiting: list[Event] = [event for _, told in desk.indexer._pending for event in told]
    assert len(waiting) <= PENDING
    assert all(event.pictures == () for event in waiting)

"""What a courier stands on, in memory: a journal, a feed, a ledger, a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from hikrecv.config import Common, convert
from hikrecv.isapi.event import Device, Event
from hikrecv.journal.ledger import Ledger
from hikrecv.push import Peer
from hikrecv.reactions.attempt import Attempts
from hikrecv.reactions.calls import Local
from hikrecv.reactions.context import Context, Services
from hikrecv.reactions.courier import Courier
from hikrecv.reactions.feed import Feed
from hikrecv.reactions.filter import compile_filter
from hikrecv.reactions.http import Http
from hikrecv.reactions.plugins import Plugin
from hikrecv.reactions.reaction import Reaction
from hikrecv.reactions.threads import Threads
from hikrecv.reactions.watchdog import Slot
from hikrecv.senders import Bound

START = 1_800_000_000.0
"""The wall clock when a stage is set up."""


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


BOUND = Bound({"10.0.0.9": "gate", "10.0.0.10": "yard"})
"""The devices that are known by their address."""


class Stage:
    """Publishes events, keeps them readable, and makes reactions of classes with hooks."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.jump = 0.0
        self.journal: list[tuple[int, tuple[Event, ...]]] = []
        self.first = 1
        self.opened: list[int] = []
        self.feed = self.new_feed()
        self.ledger = Ledger.open(":memory:")
        self.folder = folder
        self.run = maybeDeferred
        self.slot = Slot()

    def new_feed(self, **changes: Any) -> Feed:
        last = self.journal[-1][0] if self.journal else 0
        given = {"last": last, "first": lambda: self.first, **changes}
        return Feed(self.read_from, maybeDeferred, self.clock, **given)

    def read_from(self, start: int) -> Iterator[tuple[int, tuple[Event, ...]]]:
        self.opened.append(start)
        return (push for push in list(self.journal) if push[0] >= start)

    def wall(self) -> float:
        return START + self.clock.seconds() + self.jump

    def event(self, seq: int, n: int = 0, *, device: str = "gate", **fields: Any) -> Event:
        given: dict[str, Any] = {
            "id": f"word-{seq}-{n}",
            "key": f"{device}/{seq}/{n}",
            "received": moment(self.wall()),
            "occurred": moment(self.wall()),
            "type": "faceMatch",
            "wire_type": "faceMatch",
            "family": "face-match",
            "state": "active",
            "freshness": "live",
            "peer": Peer(ip="10.0.0.9", port=4711, trust="address"),
            "device": Device(id=device),
            **fields,
        }
        return Event(seq=seq, n=n, **given)

    def keep(self, *events: Event) -> None:
        """One push of *events*, durable but not published."""
        self.journal.append((events[0].seq, events))

    def publish(self, *events: Event) -> None:
        """One push of *events*."""
        self.keep(*events)
        self.feed.publish(events[0].seq, events)
        self.clock.advance(0)

    def publish_many(self, count: int, **fields: Any) -> None:
        for seq in range(self.feed.last + 1, self.feed.last + 1 + count):
            self.publish(self.event(seq, **fields))

    def reaction(self, plugin: type, name: str = "hq", **table: Any) -> Reaction:
        common = convert({"plugin": "tiny", **table}, Common)
        acts = getattr(plugin, "acts", False)
        wanted, errors = compile_filter(common, f"reactions.{name}", acts=acts, bound=BOUND)
        assert wanted is not None, errors
        services = Services(
            clock=self.clock,
            http=Http(None, self.clock),  # type: ignore[arg-type]
            state_dir=self.folder,
            device=lambda name: None,  # type: ignore[arg-type,return-value]
        )
        context = Context(name, None, services)
        described = Plugin(
            name="tiny",
            origin="a test",
            subject=plugin,
            hooks=(),
            settings=None,
            acts=acts,
            delivery=getattr(plugin, "delivery", None),
        )
        return Reaction(name, common, described, context, described.make(context), wanted)

    def courier(self, reaction: Reaction, *, cursor: int | None = None, **more: Any) -> Courier:
        """Started, from *cursor* or from where the ledger knows it."""
        if cursor is not None:
            self.ledger.add(reaction.name, cursor)
        place = self.ledger.places()[reaction.name]
        courier = Courier(
            reaction,
            more.pop("calls", None) or self.calls(reaction),
            self.feed,
            self.ledger,
            self.run,
            self.clock,
            self.wall,
            place,
            more.pop("ages", None),
        )
        self.feed.changed.append(courier.wake)
        courier.start()
        return courier

    def stop(self, courier: Courier, grace: float = 5.0) -> None:
        """Stop it, and see that it is stopped when its grace is over."""
        stopped = Deferred.fromCoroutine(courier.stop(grace))
        for _ in range(4):
            self.clock.advance(grace)
        assert stopped.called
        self.feed.changed.remove(courier.wake)

    def crash(self, courier: Courier) -> None:
        """As if the process had been killed: nothing of the courier goes on, and nothing is written."""
        self.feed.changed.remove(courier.wake)
        self.clock = Clock()
        self.slot = Slot()
        self.feed = self.new_feed()

    def calls(self, reaction: Reaction, from_thread: Callable[..., Any] | None = None) -> Local:
        threads = Threads(reaction.name, from_thread or _nowhere)
        return Local(reaction, Attempts(reaction.name, self.clock, threads, self.slot))


def _nowhere(function: Callable[..., Any], *arguments: Any) -> None:
    raise AssertionError("this test uses no threads")


@pytest.fixture
def new_stage(tmp_path: Path) -> Iterator[Callable[[], Stage]]:
    """Makes as many as a test needs."""
    stages: list[Stage] = []

    def make() -> Stage:
        stages.append(Stage(tmp_path))
        return stages[-1]

    yield make
    for stage in stages:
        stage.ledger.close()


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    return new_stage()

"""What must hold whatever is sent: each target takes something and raises when it does not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from random import Random

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hikrecv.cli.export import COLUMNS, csv_line
from hikrecv.cli.table import event_cells
from hikrecv.config import Limits, Privacy
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.isapi.privacy import mask
from hikrecv.isapi.whole import holds_document
from hikrecv.isapi.words import describe, visible
from hikrecv.push import OK, Answer, Push
from hikrecv.sightings.sightings import Sightings
from hikrecv.wire.admission import Admission
from hikrecv.wire.budget import Budget
from hikrecv.wire.connection import PushFactory
from hikrecv.wire.watch import Tally

ALL = Privacy(mask=("templates", "certificates", "names", "births"))
FAILURES = frozenset({"decoder-failed", "unreadable-part", "decode-plugin-failed"})
"""Anomalies behind which an exception was caught."""
STATUSES = frozenset({100, 200, 400, 405, 408, 411, 413, 431, 501, 503, 505})
CLOSELY = 8
"""How many events of one push are looked at in every form: each reads the document anew."""
BOUND = 2.0
"""Seconds for any one request."""
_STATUS = re.compile(rb"(?m)^HTTP/1\.1 (\d{3}) [A-Za-z- ]+\r\n")
_QUESTION = re.compile(rb"get|head|options", re.IGNORECASE)
_ROLE = re.compile("[a-z][a-z-]{0,30}")


# -- a push --------------------------------------------------------------------------------


class Understanding:
    """Decodes pushes one after the other, as a receiver does, and looks at the ways out."""

    def __init__(self) -> None:
        self._decoder = Decoder("fuzz")
        self._sightings = Sightings()
        self._seq = 0

    def __call__(self, push: Push, *, closely: bool = True) -> None:
        """:param closely: look at every way out, which costs twice as much."""
        self._seq += 1
        events = self._decoder.decode(push, self._seq)
        assert events
        assert len({event.n for event in events}) == len(events)
        sighted = self._sightings.see(events)
        for event in sighted:
            look_at(event)
        if closely:
            for event in sighted[:CLOSELY]:
                look_closely_at(event, push)
            holds_document(push)
            masked = mask(push, ALL)
            assert len(masked.body) == len(push.body)
            assert self._decoder.decode(masked, self._seq)


def look_at(event: Event) -> None:
    """One event, as everybody gets it."""
    assert not FAILURES.intersection(event.anomalies), event.__dict__["_anomalies"]
    assert b"\n" not in event.to_json()
    words = describe(event)
    assert words
    assert visible(words) == words
    assert all(_ROLE.fullmatch(picture.role) for picture in event.pictures)


def look_closely_at(event: Event, push: Push) -> None:
    """The same in every form in which somebody gets it."""
    line = event.to_json()
    plain = json.loads(line, parse_constant=_no_constant)
    assert plain == event.to_dict()
    assert Event.from_json(line) == event
    event_cells(event)
    csv_line(tuple(plain.get(name, "") for name in COLUMNS))
    msgspec.json.encode(event.data())
    for picture in event.pictures:
        content = picture.content()
        assert content is None or content in push.body


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


# -- a connection -----------------------------------------------------------------------------


class Wire(StringTransport):
    """A transport that half-closes, and takes nothing afterwards."""

    half_closed = False

    def write(self, data: bytes) -> None:
        assert not self.half_closed, "written after our side was closed"
        super().write(data)

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.disconnecting = True


class Desk:
    """
    A port that lives through any number of connections, each with its one try to break it.

    :param mode: ``lenient`` or ``strict``.
    """

    def __init__(self, mode: str = "lenient", limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.pushes: list[Push] = []
        self.troubles: list[str] = []
        self._waiting: list[Deferred[Answer]] = []
        self._late = False
        self.watch = Tally()
        limits = limits or Limits()
        self.budget = Budget(limits, self.watch, self.clock.seconds)
        self.factory = PushFactory(
            self._receive,
            Admission(now=self.clock.seconds),
            limits,
            self.clock,
            mode=mode,  # type: ignore[arg-type]
            watch=self.watch,
            now=self.clock.seconds,
            budget=self.budget,
            complete=holds_document,
        )

    def __enter__(self) -> Desk:
        globalLogPublisher.addObserver(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self._note)

    def _note(self, event: dict[str, object]) -> None:
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            self.troubles.append(failure.getTraceback())

    def _receive(self, push: Push) -> Deferred[Answer]:
        self.pushes.append(push)
        if not self._late:
            return succeed(OK)
        waiting: Deferred[Answer] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def try_out(self, random: Random, data: bytes) -> list[Push]:
        """
        One connection that sends *data* in some pieces and then ends in some way.

        :returns: the pushes that came of it.
        """
        self.pushes, self.troubles = [], []
        self._late = random.random() < 0.1
        wire = Wire()
        talk = self.factory.buildProtocol(None)
        talk.makeConnection(wire)
        for piece in pieces(random, data):
            if wire.disconnecting:
                break
            talk.dataReceived(piece)
            self._answer(random)
        random.choice((self._vanish, self._half_close, self._half_close, self._wait))(talk, wire)
        self._settle(talk, wire)
        self._check(wire, data)
        return self.pushes

    def _answer(self, random: Random) -> None:
        if self._waiting and random.random() < 0.5:
            self._waiting.pop(0).callback(OK)

    def _vanish(self, talk: object, wire: Wire) -> None:
        self._lose(talk, Failure(ConnectionLost()))

    def _half_close(self, talk: object, wire: Wire) -> None:
        if not wire.disconnecting:
            talk.readConnectionLost()  # type: ignore[attr-defined]

    def _wait(self, talk: object, wire: Wire) -> None:
        for _ in range(20):
            self.clock.advance(3.0)

    def _lose(self, talk: object, reason: Failure) -> None:
        talk.connectionLost(reason)  # type: ignore[attr-defined]

    def _settle(self, talk: object, wire: Wire) -> None:
        self._lose(talk, Failure(ConnectionDone()))
        while self._waiting:
            self._waiting.pop(0).callback(OK)
        self.clock.advance(0.3)

    def _check(self, wire: Wire, data: bytes) -> None:
        assert not self.troubles, self.troubles[0]
        assert self.budget.connections.open == 0
        assert self.budget.total.held == self.budget.rooms[0].promised == 0
        told = [int(status) for status in _STATUS.findall(wire.value())]
        assert STATUSES.issuperset(told), told
        assert told.count(200) <= len(self.pushes) + len(_QUESTION.findall(data))


def pieces(random: Random, data: bytes) -> Iterable[bytes]:
    """*data* cut at up to three places; now and then byte by byte."""
    if len(data) < 2_000 and random.random() < 0.02:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 3)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


class Whole:
    """The whole way of a request, from its bytes to what people and programs get."""

    def __init__(self) -> None:
        self._desks = [Desk("lenient"), Desk("strict")]
        self._understand = Understanding()

    def __call__(self, random: Random, data: bytes) -> None:
        """:raises Exception: when something does not hold."""
        desk = self._desks[random.random() < 0.2]
        before = time.process_time()
        with desk:
            for push in desk.try_out(random, data):
                self._understand(push, closely=random.random() < 0.2)
        assert time.process_time() - before < BOUND, "it takes too long"

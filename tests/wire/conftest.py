"""A port without sockets: what a device writes goes in, what it would read comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from hikrecv.config import JournalTable, Limits
from hikrecv.push import OK, Answer, Push
from hikrecv.wire.admission import Admission
from hikrecv.wire.budget import Budget
from hikrecv.wire.connection import PushFactory
from hikrecv.wire.watch import Tally


class Transport(StringTransport):
    """Remembers each write, and half-closes."""

    def __init__(self, ip: str) -> None:
        kind = IPv6Address if ":" in ip else IPv4Address
        super().__init__(peerAddress=kind("TCP", ip, 40000))
        self.writes: list[bytes] = []
        self.half_closed = False
        self.bufferSize = 65_536

    def write(self, data: bytes) -> None:
        assert not self.half_closed, "written after our side was closed"
        self.writes.append(data)
        super().write(data)

    def loseWriteConnection(self) -> None:
        self.half_closed = True


class Device:
    """One connection, seen from its other end."""

    def __init__(self, port: Port, ip: str) -> None:
        self.port, self.wire = port, Transport(ip)
        self.talk = port.factory.buildProtocol(None)
        self.talk.makeConnection(self.wire)

    def send(self, data: bytes, size: int | None = None) -> Device:
        """Write *data*, in pieces of *size*, as long as the connection takes any."""
        step = size or max(len(data), 1)
        for at in range(0, len(data), step):
            if not self.wire.disconnecting:
                self.talk.dataReceived(data[at : at + step])
        return self

    def half_close(self) -> Device:
        self.talk.readConnectionLost()
        return self

    def lose(self, clean: bool = False) -> Device:
        self.wire.connected = False
        self.talk.connectionLost(Failure(ConnectionDone() if clean else ConnectionLost()))
        return self

    @property
    def told(self) -> list[int]:
        """The statuses so far."""
        return [int(status) for status in re.findall(rb"(?m)^HTTP/1\.1 (\d{3}) ", self.wire.value())]

    @property
    def closed(self) -> bool:
        return self.wire.half_closed or self.wire.disconnecting

    @property
    def reading(self) -> bool:
        return self.wire.producerState == "producing"


class Port:
    """A listener, its clock, and the pushes that it received."""

    def __init__(
        self,
        limits: Limits | None = None,
        admission: Admission | None = None,
        receive: Callable[[Push], Deferred[Answer]] | None = None,
        journal: JournalTable | None = None,
        **more: object,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.pushes: list[Push] = []
        self.watch = Tally(self.wall)
        self.limits = limits or Limits()
        self.budget = Budget(self.limits, self.watch, self.clock.seconds, journal)
        self._receive = receive or (lambda push: succeed(OK))
        self.factory = PushFactory(
            self.receive,
            admission or Admission(now=self.clock.seconds),
            self.limits,
            self.clock,
            watch=self.watch,
            wall=self.wall,
            now=self.clock.seconds,
            budget=self.budget,
            **more,
        )

    def wall(self) -> int:
        return int(self.clock.seconds() * 1e9)

    def receive(self, push: Push) -> Deferred[Answer]:
        self.pushes.append(push)
        return self._receive(push)

    def connect(self, ip: str = "10.0.0.5") -> Device:
        return Device(self, ip)

    def advance(self, seconds: float) -> None:
        """In small steps, so that what is due becomes due in its order."""
        for _ in range(max(1, round(seconds * 4))):
            self.clock.advance(0.25)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The log's lines, as they are written."""
    lines: list[str] = []

    def note(event: dict[str, object]) -> None:
        lines.append(formatEvent(event) + ("\nTraceback" if "log_failure" in event else ""))

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


@pytest.fixture
def port() -> type[Port]:
    return Port

"""The plugin against a mail server in memory, on a test's clock."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from email import message_from_bytes
from email.policy import SMTP as MAIL
from functools import partial
from typing import Any

import hikrecv_email
import pytest
from hikrecv_email.server import Server
from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from hikrecv.testing.contract import PluginContract

TABLE = {"host": "mail.example.org", "security": "none", "sender": "gate@example.org", "to": "a@example.org"}
# Only in these tests: the key, so that they see from outside what was done.
KEYED = {"text": "key: {{ key }}", "html": "", "pictures": "none"}


class Wire:
    """One end of a connection in memory; what is written arrives when the clock says so."""

    def __init__(self, clock: Any, protocol: Any) -> None:
        self.clock, self.protocol = clock, protocol
        self.other: Wire | None = None
        self.open = True
        self.disconnecting = False
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        self.clock.callLater(0, self.other.arrive, data)

    def writeSequence(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def arrive(self, data: bytes) -> None:
        if self.open:
            self.protocol.dataReceived(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer
        while self.producer is not None:
            self.producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        for end in (self, self.other):
            self.clock.callLater(0, end.lost)

    abortConnection = loseConnection

    def lost(self) -> None:
        if self.open:
            self.open = False
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 25)

    getHost = getPeer


class Clerk(LineReceiver):
    """The server's end: the few commands that a mail needs."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.mail: list[bytes] | None = None

    def connectionMade(self) -> None:
        self.sendLine(b"220 mail.example.org")

    def lineReceived(self, line: bytes) -> None:
        if self.mail is None:
            self.command(line.split(b" ")[0].split(b":")[0].upper())
        elif line == b".":
            content, self.mail = b"\r\n".join(self.mail), None
            self.office.take(content, partial(self.sendLine, b"250 taken"))
        else:
            self.mail.append(line.removeprefix(b"."))

    def command(self, word: bytes) -> None:
        if word == b"DATA":
            self.mail = []
        answer = {b"DATA": b"354 go on", b"MAIL": self.office.greet()}.get(word, b"250 OK")
        self.sendLine(answer)
        if word == b"QUIT":
            self.transport.loseConnection()


class Office:
    """A mail server in memory that can be put out of order; see `hikrecv.testing.contract.Trouble`."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.mails: list[Any] = []
        self.troubles: deque[float | None] = deque()

    def fail(self, times: int = 1) -> None:
        self.troubles.extend([None] * times)

    def slow(self, seconds: float, times: int = 1) -> None:
        self.troubles.extend([seconds] * times)

    def recover(self) -> None:
        self.troubles.clear()

    def greet(self) -> bytes:
        if self.troubles and self.troubles[0] is None:
            self.troubles.popleft()
            return b"451 busy"
        return b"250 OK"

    def take(self, content: bytes, answer: Callable[[], None]) -> None:
        if self.troubles:
            self.clock.callLater(self.troubles.popleft() or 0, answer)
        else:
            self.mails.append(message_from_bytes(content, policy=MAIL))
            answer()

    def connect(self, factory: Any) -> Any:
        ends = [Wire(self.clock, factory.buildProtocol(None)), Wire(self.clock, Clerk(self))]
        for end, other in zip(ends, reversed(ends), strict=True):
            end.other = other
        for end in ends:
            end.protocol.makeConnection(end)
        return succeed(ends[0].protocol)


@pytest.fixture
def office(bench: Any) -> Office:
    return Office(bench.clock)


class TestContract(PluginContract):
    wrong = (
        ({"host": "no host"}, "host"),
        ({"port": 70_000}, "port"),
        ({"to": "nobody"}, "to"),
        ({"to": []}, "to"),
        ({"to": [{"to": "a@example.org", "when": 'family == "faces"'}]}, "to[0]"),
        ({"sender": "a@b\nBcc: c@d"}, "sender"),
        ({"subject": "{{ words"}, "subject"),
        ({"html": "{% include 'x' %}"}, "html"),
        ({"user": "gate"}, "password"),
        ({"ca": "no certificate"}, "ca"),
        ({"pictures": "all"}, "pictures"),
    )

    @pytest.fixture
    def table(self) -> dict[str, Any]:
        return TABLE | KEYED

    @pytest.fixture(autouse=True)
    def in_memory(self, office: Office) -> None:
        class InMemory(hikrecv_email.Plugin):
            def __init__(self, context: Any) -> None:
                super().__init__(context)
                self.server = OfficeServer(context.settings, context.clock)

        class OfficeServer(Server):
            def endpoint(self) -> Any:
                return office

        InMemory.Settings = hikrecv_email.Settings
        type(self).plugin = InMemory

    @pytest.fixture
    def trouble(self, office: Office) -> Office:
        return office

    @pytest.fixture
    def seen(self, office: Office) -> Callable[[], list[str]]:
        def keys() -> list[str]:
            texts = ("".join(mail.get_content().split()) for mail in office.mails)
            return [re.sub("^key:", "", text) for text in texts]

        return keys

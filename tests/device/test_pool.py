"""A kept connection may be closed by the server at any moment."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from hikrecv.device.exchange import Body
from hikrecv.device.pool import KEPT, Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@implementer(IAgentEndpointFactory)
class Network:
    """One server, and the connections to it as they are made."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.connections: list[Any] = []
        self.reachable = True
        self.agent = Agent.usingEndpointFactory(self.clock, self, Pool(self.clock))

    def endpointForURI(self, uri: Any) -> Network:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        if not self.reachable:
            return fail(ConnectionRefusedError())
        connection = factory.buildProtocol(None)
        connection.makeConnection(StringTransport())
        self.connections.append(connection)
        return succeed(connection)

    def ask(self, body: Any = None) -> tuple[Deferred[Any], list[Any]]:
        ends: list[Any] = []
        asked = self.agent.request(b"POST", b"http://hq/", None, body)
        return asked.addBoth(ends.append), ends

    def answer(self, data: bytes = OK) -> None:
        self.connections[-1].dataReceived(data)

    def end(self, connection: int = -1) -> None:
        self.connections[connection].connectionLost(Failure(ConnectionDone()))

    def sent(self, connection: int = -1) -> bytes:
        return self.connections[connection].transport.value()

    def is_open(self, connection: int = -1) -> bool:
        return not self.connections[connection].transport.disconnecting


@pytest.fixture
def network() -> Network:
    """With a connection on which a request was answered."""
    network = Network()
    network.ask()
    network.answer()
    network.connections[0].transport.clear()
    return network


@pytest.mark.parametrize(
    ("version", "header", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: Keep-Alive\r\n", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.1", "Connection: Close\r\n", False),
        ("1.1", "Connection: TE, close\r\n", False),
        ("1.1", "Connection: TE\r\nConnection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive\r\n", True),
        ("1.0", "Connection: keep-alive, close\r\n", False),
        ("0.9", "", False),
    ],
)
@pytest.mark.parametrize("body", [b"", b"done"])
def test_a_connection_is_kept_only_where_the_server_keeps_it(
    version: str, header: str, kept: bool, body: bytes
) -> None:
    network = Network()
    head = f"HTTP/{version} 200 OK\r\nContent-Length: {len(body)}\r\n{header}\r\n".encode()

    for _ in range(2):
        network.ask()
        network.answer(head + body)

    assert len(network.connections) == (1 if kept else 2)
    assert network.is_open(0) == kept


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(network: Network) -> None:
    network.end()

    network.ask()

    assert len(network.connections) == 2
    assert network.sent(0) == b""


def test_what_got_no_answer_on_a_kept_connection_is_sent_once_more_on_a_new_one(network: Network) -> None:
    _, ends = network.ask(Body(b"event"))
    first = network.sent()
    network.end()

    assert first.endswith(b"event")
    assert network.sent(1) == first
    assert ends == []

    network.answer()
    assert ends[0].code == 200


def test_a_second_end_is_a_failure(network: Network) -> None:
    _, ends = network.ask(Body(b"event"))
    network.end(0)
    network.end(1)

    assert ends[0].check(ResponseNeverReceived)
    assert len(network.connections) == 2


def test_the_end_of_a_new_connection_is_a_failure() -> None:
    network = Network()

    _, ends = network.ask()
    network.end()

    assert ends[0].check(ResponseNeverReceived)
    assert len(network.connections) == 1


def test_an_answer_that_began_is_not_asked_for_again(network: Network) -> None:
    _, ends = network.ask()
    network.answer(b"HTTP/1.1 2")
    network.end()

    assert ends[0].check(ResponseFailed)
    assert len(network.connections) == 1


def test_who_has_given_up_sends_nothing_again(network: Network) -> None:
    asked, ends = network.ask()

    asked.cancel()

    assert ends[0].check(ResponseNeverReceived)
    assert ends[0].value.reasons[0].check(CancelledError)
    assert len(network.connections) == 1


def test_without_a_new_connection_it_stays_unknown_whether_it_was_done(network: Network) -> None:
    _, ends = network.ask()
    network.reachable = False
    network.end()

    assert ends[0].check(ResponseNeverReceived)


@implementer(IBodyProducer)
class Stream:
    """A body that can be sent only once."""

    length = 6

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(b"stream")
        return succeed(None)

    def stopProducing(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def test_what_can_be_sent_only_once_goes_on_a_new_connection(network: Network) -> None:
    network.ask(Stream())

    assert network.sent(1).endswith(b"stream")
    assert network.sent(0) == b""
    assert not network.is_open(0)


def test_an_idle_connection_is_closed_soon(network: Network) -> None:
    network.clock.advance(KEPT - 1)
    assert network.is_open()

    network.clock.advance(1)
    assert not network.is_open()
    assert not network.clock.getDelayedCalls()

"""An answer goes past the transport when it can."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from hikrecv.wire import tcp

Pair = tuple[socket.socket, socket.socket]


class Held:
    """As much of a transport as is looked at."""

    def __init__(self, handle: object) -> None:
        self.handle = handle

    def getHandle(self) -> object:
        return self.handle


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_an_answer_is_sent_at_once(pair: Pair) -> None:
    ours, theirs = pair

    assert tcp.send(ours, b"HTTP/1.1 200 OK") == 15
    assert theirs.recv(100) == b"HTTP/1.1 200 OK"


def test_what_does_not_fit_is_left_to_the_transport(pair: Pair) -> None:
    ours, _ = pair

    assert tcp.send(ours, bytes(10_000_000)) < 10_000_000
    while tcp.send(ours, bytes(100_000)):
        pass
    assert tcp.send(ours, b"more") == 0


def test_a_peer_that_is_gone_is_left_to_the_transport(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()

    assert tcp.send(ours, b"late") == 0


def test_nothing_goes_past_tls() -> None:
    assert tcp.socket_of(Held(object())) is None


class Ends(Protocol):
    """How often, and why, its connection ended."""

    def __init__(self) -> None:
        self.reasons: list[object] = []

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.reasons.append(reason.value)


def connected(ours: socket.socket, ends: Ends) -> Connection:
    transport = Connection(ours, ends, MemoryReactor())
    transport.connected = 1
    transport.startReading()
    return transport


def test_a_connection_is_closed_at_once_and_what_was_sent_arrives(pair: Pair) -> None:
    ours, theirs = pair
    ends = Ends()
    transport = connected(ours, ends)
    tcp.send(ours, b"HTTP/1.1 200 OK")

    tcp.close(transport)
    transport.connectionLost(Failure(ConnectionDone()))

    assert [type(reason) for reason in ends.reasons] == [ConnectionDone]
    assert (transport.reactor.getReaders(), transport.reactor.getWriters()) == ([], [])
    assert (theirs.recv(100), theirs.recv(100)) == (b"HTTP/1.1 200 OK", b"")


def test_a_wrapped_connection_is_asked_to_close(pair: Pair) -> None:
    ours, _ = pair
    ends = Ends()
    below = connected(ours, ends)
    wrapper = ProtocolWrapper(WrappingFactory(Factory.forProtocol(Ends)), ends)
    wrapper.makeConnection(below)
    assert tcp.socket_of(wrapper) is ours

    tcp.close(wrapper)

    assert below.disconnecting
    assert ends.reasons == []

"""An answer goes past the transport when it can."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

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

    assert tcp.send(Held(ours), b"HTTP/1.1 200 OK") == 15
    assert theirs.recv(100) == b"HTTP/1.1 200 OK"


def test_what_does_not_fit_is_left_to_the_transport(pair: Pair) -> None:
    ours, _ = pair

    assert tcp.send(Held(ours), bytes(10_000_000)) < 10_000_000
    while tcp.send(Held(ours), bytes(100_000)):
        pass
    assert tcp.send(Held(ours), b"more") == 0


def test_a_peer_that_is_gone_is_left_to_the_transport(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()

    assert tcp.send(Held(ours), b"late") == 0


def test_nothing_goes_past_tls() -> None:
    assert tcp.send(Held(object()), b"secret") == 0

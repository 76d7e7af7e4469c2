"""Every row of the table of malformed requests over raw sockets, whole and in pieces, all at once."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from hikrecv.config import Limits
from hikrecv.push import OK
from hikrecv.wire.admission import Admission
from hikrecv.wire.connection import PushFactory
from hikrecv.wire.listen import Listener

BESIDE = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"wire_{name}", BESIDE / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rows, outcomes = load("rows"), load("outcomes")


class Sender(Protocol):
    """Writes a row's pieces, one a turn of the reactor, and notes what comes back."""

    def __init__(self, row, pieces: Iterator[bytes], reactor) -> None:
        self.row, self.pieces, self.reactor = row, pieces, reactor
        self.seen = b""
        self.port = 0
        self.closed = self.gone = False
        self.done: Deferred[Sender] = Deferred()

    def connectionMade(self) -> None:
        self.port = self.transport.getHost().port
        self.transport.setTcpNoDelay(True)
        self.write()

    def write(self) -> None:
        piece = next(self.pieces, None)
        if piece is not None and not self.gone:
            self.transport.write(piece)
            self.reactor.callLater(0, self.write)
        elif self.row.then == "half-close" and not self.gone:
            self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self.seen += data

    def connectionLost(self, reason: Failure) -> None:
        self.closed, self.gone = not self.gone, True
        if not self.done.called:
            self.done.callback(self)

    def enough(self) -> None:
        """The receiver has had its time: whatever stands now, stands."""
        self.gone = True
        self.transport.abortConnection()

    @property
    def told(self) -> list[int]:
        statuses = re.findall(rb"(?m)^HTTP/1\.1 (\d{3}) ", self.seen)
        return [int(status) for status in statuses if status != b"100"]


def whole(row) -> Iterator[bytes]:
    return iter(row.steps)


def in_pieces(row) -> Iterator[bytes]:
    data = row.data
    if len(data) <= 4096:
        return iter([data[at : at + 1] for at in range(len(data))])
    cuts = sorted(random.Random(row.id).sample(range(1, len(data)), 100))
    return iter([data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)])


@pytest.mark.functional
@pytest.mark.parametrize("mode", ["lenient", "strict"])
@pytest.mark.parametrize("cut", [whole, in_pieces])
@pytest_twisted.ensureDeferred
async def test_every_row_over_a_socket(mode, cut):
    from twisted.internet import reactor

    pushes = defaultdict(list)
    factory = PushFactory(
        lambda push: pushes[push.peer.port].append(push) or succeed(OK),
        Admission(),
        Limits(body_time=3),
        reactor,
        mode=mode,
    )
    listener = Listener("tcp:0:interface=127.0.0.1", factory, reactor)
    listener.startService()
    senders = []
    for row in rows.ROWS:
        senders.append(Sender(row, cut(row), reactor))
        reactor.connectTCP("127.0.0.1", listener.port.getHost().port, _Client(senders[-1]))

    def wrong() -> dict[str, tuple[list[int], bool, int]]:
        return {
            sender.row.id: (sender.told, sender.closed, len(pushes[sender.port]))
            for sender in senders
            if sender.told != outcomes.statuses(sender.row, mode)
            or sender.closed != outcomes.closes(sender.row, mode)
            # Of what is no request only ten a minute are kept: the rows are all of one address.
            or len(pushes[sender.port])
            < (0 if sender.row.asks else sum(status in (200, 408) for status in sender.told))
        }

    for _ in range(100):
        if not wrong():
            break
        await _wait(reactor, 0.1)
    left = wrong()
    for sender in senders:
        if not sender.gone:
            sender.enough()
    await gatherResults([sender.done for sender in senders])
    await listener.stopService()

    assert left == {}


class _Client(ClientFactory):
    noisy = False

    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    def buildProtocol(self, addr: object) -> Sender:
        return self.sender

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.sender.done.errback(reason)


def _wait(reactor, seconds: float) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done

"""
Talks to real listeners over loopback, and accounts for every byte that they are given.

`python -m tests.fuzz.live --connections 20000` is bounded by count, and always the same for one `--seed`.
Whatever is not accounted for is printed with the command that does it again, alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hikrecv.config import JournalTable, parse
from hikrecv.isapi.whole import holds_document
from hikrecv.journal.journal import Journal
from hikrecv.journal.reader import JournalReader
from hikrecv.push import OK, Answer, Push
from hikrecv.wire import listen
from hikrecv.wire.watch import Tally

from .accounting import Facts, Unaccounted, audit
from .plans import Plan, plan

BATCH = 1_000
"""Connections for which one journal is made, and read back from the disk."""
AT_ONCE = 96
PATIENCE = 12.0
"""Seconds after which a sender that was not closed goes; more than any deadline of the receiver."""
CONFIG = """
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
mode = "strict"
[limits]
body_time = "3s"
header_time = "2s"
idle_time = "3s"
body = "1MB"
"""
MODES = ("lenient", "strict")
MOST_TROUBLES = 10


def address(number: int) -> str:
    """An address for each connection: what is kept of one that errs is limited by address."""
    number %= 250 * 250 * 250
    return f"127.{number // 62_500 + 1}.{number // 250 % 250 + 1}.{number % 250 + 1}"


class Watching(Tally):
    """What is said about each address."""

    def __init__(self) -> None:
        super().__init__()
        self.discards: defaultdict[str, int] = defaultdict(int)
        self.refusals: defaultdict[str, list[int]] = defaultdict(list)

    def discarded(self, ip: str, size: int) -> None:
        super().discarded(ip, size)
        self.discards[ip] += size

    def refused(self, ip: str, status: int, reason: str) -> None:
        super().refused(ip, status, reason)
        self.refusals[ip].append(status)


class Desk:
    """Listeners and a journal in a folder; remembers what each connection was given."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.watch = folder, Watching()
        self.received: defaultdict[str, bytearray] = defaultdict(bytearray)
        self.failures: list[str] = []
        self._journal = Journal.open(
            folder, JournalTable(), from_thread=reactor.callFromThread, on_broken=self._broken
        )
        self.listeners = listen.from_config(
            parse(CONFIG), self._receive, reactor, watch=self.watch, complete=holds_document
        )
        for one in self.listeners.listeners:
            one.factory.buildProtocol = self._noting(one.factory.buildProtocol)
        self.listeners.privilegedStartService()
        self.listeners.startService()
        globalLogPublisher.addObserver(self._note)

    def port(self, mode: str) -> int:
        return self.listeners.listeners[MODES.index(mode)].port.getHost().port

    async def close(self) -> dict[str, list[Push]]:
        """Stop; gives what is on the disk, by address."""
        globalLogPublisher.removeObserver(self._note)
        await self.listeners.stopService()
        await self._journal.close()
        kept = defaultdict(list)
        reader = JournalReader(self.folder)
        for entry in reader.entries(reader.first):
            kept[entry.push.peer.ip].append(entry.push)
        return kept

    def _receive(self, push: Push) -> Deferred[Answer]:
        return self._journal.append(push).durable.addCallback(lambda _: OK)

    def _noting(self, build):
        def make(addr):
            protocol = build(addr)
            return None if protocol is None else _Noting(protocol, self.received[addr.host])

        return make

    def _note(self, event: dict[str, object]) -> None:
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            self.failures.append(failure.getTraceback())

    def _broken(self, error: Exception) -> None:
        self.failures.append(str(error))


class _Noting:
    """Stands before a connection and writes down what it is given."""

    def __init__(self, protocol, notes: bytearray) -> None:
        self.__dict__.update(_protocol=protocol, _notes=notes)

    def __getattr__(self, name: str):
        return getattr(self._protocol, name)

    def makeConnection(self, transport) -> None:
        self._protocol.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        self._notes.extend(data)
        self._protocol.dataReceived(data)


class Sender(Protocol):
    """Carries one plan out."""

    def __init__(self, plan: Plan, done: Deferred[Sender]) -> None:
        self.plan, self._done = plan, done
        self.seen, self.gone, self._at = b"", False, 0

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._patience = reactor.callLater(PATIENCE, self._break)
        self._write()

    def _write(self) -> None:
        if self._done.called:
            return
        if self._at == len(self.plan.pieces):
            self._end()
            return
        piece, pause = self.plan.pieces[self._at]
        self._at += 1
        self.transport.write(piece)
        reactor.callLater(pause, self._write)

    def _end(self) -> None:
        if self.plan.ending == "half-close":
            self.transport.loseWriteConnection()
        elif self.plan.ending == "close":
            self.gone = True
            self.transport.loseConnection()
        elif self.plan.ending == "break":
            self._break()

    def _break(self) -> None:
        self.gone = True
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self.seen += data

    def connectionLost(self, reason: Failure) -> None:
        if self._patience.active():
            self._patience.cancel()
        # Closed with bytes of ours unread, the other side resets: answers may be lost on their way.
        self.gone = self.gone or not reason.check("twisted.internet.error.ConnectionDone")
        self._done.callback(self)

    @property
    def told(self) -> tuple[int, ...]:
        statuses = re.findall(rb"(?m)^HTTP/1\.1 (\d{3}) ", self.seen)
        return tuple(int(status) for status in statuses if status != b"100")


class _Client(ClientFactory):
    noisy = False

    def __init__(self, sender: Sender, done: Deferred[Sender]) -> None:
        self._sender, self._done = sender, done

    def buildProtocol(self, addr: object) -> Sender:
        return self._sender

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._done.errback(reason)


def _carry_out(desk: Desk, seed: int, number: int) -> Deferred[Sender]:
    done: Deferred[Sender] = Deferred()
    what = plan(seed, number)
    client = _Client(Sender(what, done), done)
    reactor.connectTCP("127.0.0.1", desk.port(what.mode), client, bindAddress=(address(number), 0))
    return done


async def batch(seed: int, numbers: range) -> tuple[int, dict[int, str]]:
    """Carry the plans out; gives the bytes that were received, and what was wrong with which."""
    folder = Path(tempfile.mkdtemp(prefix="hikrecv-live-"))
    try:
        desk = Desk(folder)
        room = DeferredSemaphore(AT_ONCE)
        senders = await DeferredList(
            [room.run(_carry_out, desk, seed, number) for number in numbers], consumeErrors=True
        )
        kept = await desk.close()
        wrong = {}
        for number, (well, sender) in zip(numbers, senders, strict=True):
            try:
                if not well:
                    raise Unaccounted(f"could not connect: {sender.getErrorMessage()}")
                audit(_facts(desk, kept, address(number), sender))
            except Unaccounted as error:
                wrong[number] = str(error)
        for failure in desk.failures[:3]:
            wrong[-1] = failure
        return sum(map(len, desk.received.values())), wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _facts(desk: Desk, kept: dict[str, list[Push]], ip: str, sender: Sender) -> Facts:
    received = bytes(desk.received[ip])
    if not sender.plan.data.startswith(received):
        raise Unaccounted("other bytes came than were sent")
    return Facts(
        received,
        tuple(kept.get(ip, ())),
        sender.told,
        tuple(desk.watch.refusals.get(ip, ())),
        desk.watch.discards.get(ip, 0),
        sender.gone,
    )


async def run(seed: int, numbers: range) -> int:
    began, size, troubles = time.monotonic(), 0, 0
    for start in range(numbers.start, numbers.stop, BATCH):
        came, wrong = await batch(seed, range(start, min(start + BATCH, numbers.stop)))
        size += came
        for number, sentence in wrong.items():
            troubles += 1
            print(f"\nconnection {number}: {sentence}")
            print(f"  again: {sys.executable} -m tests.fuzz.live --seed {seed} --only {number}")
            if number >= 0:
                print(f"  it was {plan(seed, number)!r}"[:3000])
        if troubles >= MOST_TROUBLES:
            break
    took = time.monotonic() - began
    print(f"{len(numbers):,} connections, {size:,} bytes received in {took:,.0f} s (seed {seed})", end=": ")
    print(f"{troubles} not accounted for")
    return 1 if troubles else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.live", description=__doc__)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first number")
    parser.add_argument("--only", type=int, help="only the connection with that number")
    asked = parser.parse_args()
    start, most = (asked.start, asked.connections) if asked.only is None else (asked.only, 1)
    results: list[int] = []

    def begin() -> None:
        done = Deferred.fromCoroutine(run(asked.seed, range(start, start + most)))
        done.addBoth(results.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if isinstance(results[0], Failure):
        results[0].printTraceback()
        return 2
    return results[0]


if __name__ == "__main__":
    sys.exit(main())

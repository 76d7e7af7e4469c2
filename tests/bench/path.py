"""The way of an event from bytes to the reaction, without sockets and threads: its cost can be counted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.testing import StringTransport

from hikrecv import hookimpl
from hikrecv.config import Limits
from hikrecv.indexing import Indexer
from hikrecv.isapi.event import Event
from hikrecv.journal.index import Index
from hikrecv.testing.bench import Bench
from hikrecv.testing.rooms import Rooms
from hikrecv.testing.waiting import result_of
from hikrecv.wire.admission import Admission
from hikrecv.wire.connection import PushFactory

from .bodies import NUMBER, Name, request

PIECE = 65_536
"""What the reactor reads at a time."""
PAUSE = 0.1
"""Seconds until the next turn: index and cursors are written a moment apart."""


def noop() -> ModuleType:
    """A plugin that takes every event and does nothing."""
    module = ModuleType("noop")

    @hookimpl
    async def hikrecv_event(event: Event) -> None:
        """Nothing."""

    module.hikrecv_event = hikrecv_event
    return module


class Way:
    """A receiver with index and one reaction, and so many devices that keep their connections."""

    def __init__(self, folder: Path, connections: int = 16) -> None:
        bench = Bench(folder)
        config = bench.config({"nothing": {"plugin": "noop"}})
        self.rooms = Rooms(bench, config, {"noop": noop()}, lambda *told: self.indexer.publish(*told))
        journal = self.rooms.journal
        self.index = Index.open(":memory:")
        self.indexer = Indexer(
            self.index, lambda: self.index, self._nothing, maybeDeferred, bench.clock, last=journal.durable
        )
        result_of(self.rooms.dispatch.start(self.rooms.reactions), bench.clock)
        self.factory = PushFactory(
            self.rooms.receiver.receive,
            Admission(now=bench.clock.seconds),
            Limits(),
            bench.clock,
            now=bench.clock.seconds,
        )
        self.clock = bench.clock
        self._devices = [self._connect() for _ in range(connections)]
        self._number = NUMBER

    def _nothing(self, start: int) -> Any:
        raise AssertionError("the index is behind")

    def _connect(self) -> tuple[Any, StringTransport]:
        transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 40_000))
        transport.bufferSize = PIECE  # type: ignore[attr-defined]
        talk = self.factory.buildProtocol(None)
        talk.makeConnection(transport)  # type: ignore[arg-type]
        return talk, transport

    def pieces(self, name: Name) -> list[list[bytes]]:
        """A request for each device, no two alike, as the reactor reads it."""
        made = request(name, keep_alive=True)
        requests = []
        for _ in self._devices:
            self._number += 1
            data = made.data[: made.offset] + b"%d" % self._number + made.data[made.offset + 10 :]
            requests.append([data[at : at + PIECE] for at in range(0, len(data), PIECE)])
        return requests

    def turn(self, requests: list[list[bytes]]) -> int:
        """Every device sends, one group is committed, everybody is answered; gives how many were."""
        for (talk, _), pieces in zip(self._devices, requests, strict=True):
            for piece in pieces:
                talk.dataReceived(piece)
        self.rooms.journal.commit()
        self.clock.advance(PAUSE)
        answers = [transport.value() for _, transport in self._devices]
        for _, transport in self._devices:
            transport.clear()
        return sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)


def calls(work: Callable[[], object]) -> Counter[str]:
    """Which Python functions *work* calls, and how often."""
    counted: Counter[Any] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[frame.f_code] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return Counter(
        {f"{Path(code.co_filename).name}:{code.co_qualname}": times for code, times in counted.items()}
    )

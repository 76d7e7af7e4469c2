"""A device that is silent for longer than usual: an event of our own, that reactions get like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timezone
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .indexing import Indexer
from .isapi.catalogue import SILENT
from .journal.index import Index
from .journal.seen import Seen
from .push import Anomaly, Answer, Peer, Push

EVERY = 60.0
MOST_SAID = 1_000
"""Of so many silences that were said before a start it is looked up which ones go on."""
_log = Logger()


class Silence:
    """
    Looks at every device's rhythm once a minute, and says when it breaks and when it is heard again.

    What it says goes the way of every push (journal, index, couriers), so that a
    reaction gets it exactly like an alarm of the device.  It carries no trust: it
    must open nothing.

    :param receive: keeps a push; `Receiver.receive`.
    :param wall: our clock, nanoseconds since 1970 (UTC).
    :ivar devices: what was known of each at the last look.
    """

    def __init__(
        self,
        clock: Any,
        indexer: Indexer,
        receive: Callable[[Push], Deferred[Answer]],
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._indexer, self._receive, self._wall = indexer, receive, wall
        self._silent: dict[str, Seen] | None = None
        self.devices: tuple[Seen, ...] = ()
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin; the first look is a minute away, when devices have had time to come back."""
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """End."""
        if self._loop.running:
            self._loop.stop()

    def look(self) -> Deferred[None]:
        """Compare every device with its rhythm."""
        first = self._silent is None
        asked = self._indexer.ask(lambda index: (index.devices(), _said(index) if first else frozenset()))
        return asked.addCallback(self._judge).addErrback(
            lambda failure: _log.error("the devices' rhythm cannot be read: {error}", error=failure.value)
        )

    def _judge(self, known: tuple[Iterable[Seen], Collection[str]]) -> None:
        now = self._wall() // 1000
        self.devices = tuple(known[0])
        if self._silent is None:
            self._silent = {seen.device: seen for seen in self.devices if seen.device in known[1]}
        silent = {seen.device: seen for seen in self.devices if seen.silent(now)}
        for device in silent.keys() - self._silent.keys():
            _log.warn("{device} is silent for longer than usual", device=device)
            self._say(silent[device], "active")
        for device in self._silent.keys() - silent.keys():
            _log.info("{device} is heard again", device=device)
            self._say(self._silent[device], "inactive")
        self._silent = silent

    def _say(self, seen: Seen, state: str) -> None:
        # Without a time of its own, or it would teach what is known of the device's clock.
        body = {
            "eventType": SILENT,
            "eventState": state,
            "eventDescription": f"{seen.device} was last heard at {_moment(seen.last_received)}",
            "macAddress": seen.mac,
            "deviceSerial": seen.serial,
            "ipAddress": seen.ip,
        }
        push = Push(
            received=self._wall(),
            peer=Peer(seen.peer_ip, 0, "none"),
            method="",
            target=b"",
            version="",
            headers=((b"Content-Type", b"application/json"),),
            body=msgspec.json.encode({key: value for key, value in body.items() if value}),
            anomalies=(Anomaly("said-by-receiver"),),
        )
        self._receive(push).addErrback(
            lambda failure: _log.error("the silence of a device was not kept: {error}", error=failure.value)
        )


def _said(index: Index) -> frozenset[str]:
    """The devices that were said to be silent, and not to be heard again."""
    rows = index.search(families=("network",), text=SILENT, limit=MOST_SAID)
    states = {row.device: row.state for row in rows if row.type == SILENT}
    return frozenset(device for device, state in states.items() if state == "active")


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, timezone.utc).isoformat(timespec="seconds")

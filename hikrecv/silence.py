"""A device that is silent for longer than usual, or was never heard: an event of our own, like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .config import DeviceTable
from .indexing import Indexer
from .isapi.catalogue import SILENT
from .journal.index import Index
from .journal.seen import Seen
from .push import Anomaly, Answer, Peer, Push

EVERY = 60.0
MOST_SAID = 1_000
"""Of so many silences that were said before a start it is looked up which ones go on."""
NEVER = 86_400.0
"""Seconds after which a configured device that never sent is missed; its own rhythm nobody knows yet."""
_log = Logger()


class Awaited(NamedTuple):
    """
    A device of the configuration.

    :param since: it is configured for so long, seconds since 1970.
    """

    table: DeviceTable
    since: float


def never_heard(awaited: Mapping[str, Awaited], heard: Iterable[Seen]) -> dict[str, Awaited]:
    """Those of the configuration from which nothing has come, nor through a recorder of that name."""
    names = {seen.device.partition("/")[0] for seen in heard}
    return {name: each for name, each in awaited.items() if name not in names}


class Silence:
    """
    Looks at every device's rhythm once a minute, and says when it breaks and when it is heard again.

    What it says goes the way of every push (journal, index, couriers), so that a
    reaction gets it exactly like an alarm of the device.  It carries no trust: it
    must open nothing.

    :param receive: keeps a push; `Receiver.receive`.
    :param awaited: the devices of the configuration as it is now, by name.
    :param wall: our clock, nanoseconds since 1970 (UTC).
    :ivar devices: what was known of each at the last look.
    :ivar never: those of the configuration that had not been heard by then.
    """

    def __init__(
        self,
        clock: Any,
        indexer: Indexer,
        receive: Callable[[Push], Deferred[Answer]],
        awaited: Callable[[], Mapping[str, Awaited]],
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._indexer, self._receive, self._awaited, self._wall = indexer, receive, awaited, wall
        self.never: Mapping[str, Awaited] = {}
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
        self.never = never_heard(self._awaited(), self.devices)
        missed = [_missed(name, each) for name, each in self.never.items()]
        if self._silent is None:
            self._silent = {s.device: s for s in (*self.devices, *missed) if s.device in known[1]}
        silent = {seen.device: seen for seen in self.devices if seen.silent(now)}
        silent |= {seen.device: seen for seen in missed if now - seen.first_received > NEVER * 1e6}
        for device in sorted(silent.keys() - self._silent.keys()):
            if silent[device].last_received:
                _log.warn("{device} is silent for longer than usual", device=device)
            else:
                _log.warn("{sentence}", sentence=_sentence(silent[device]))
            self._say(silent[device], "active")
        for device in sorted(self._silent.keys() - silent.keys()):
            _log.info("{device} is heard again", device=device)
            self._say(self._silent[device], "inactive")
        self._silent = silent

    def _say(self, seen: Seen, state: str) -> None:
        # Without a time of its own, or it would teach what is known of the device's clock.
        body = {
            "eventType": SILENT,
            "eventState": state,
            "eventDescription": _sentence(seen),
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


def _missed(name: str, awaited: Awaited) -> Seen:
    """Such a device as if it had been heard when it was configured: found again by what its table says."""
    table, since = awaited.table, int(awaited.since * 1e6)
    address = table.address or ""
    return Seen(
        device=name,
        mac=table.mac,
        serial=table.serial,
        peer_ip=address.strip("[]"),
        first_received=since,
        last_received=0,
    )


def _sentence(seen: Seen) -> str:
    if not seen.last_received:
        return f"{seen.device} was never heard; it is configured since {_moment(seen.first_received)}"
    return f"{seen.device} was last heard at {_moment(seen.last_received)}"


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, timezone.utc).isoformat(timespec="seconds")

"""Events as the receiver makes them: from messages, by the real decoder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import msgspec

from hikrecv.config import DeviceTable
from hikrecv.errors import Gone
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event, Family
from hikrecv.push import Peer, Push, Trust
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.samples import FAMILIES, oddities, sample

START = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)
"""When every test begins: a Monday morning."""
WHO = Identity(1)
"""The device that sends the samples; the configuration calls it ``gate``."""
GATE = "gate"


def push_of(
    message: Message, received: datetime, *, ip: str = WHO.ip, trust: Trust = "address", target: bytes = b"/"
) -> Push:
    """The push that the receiver makes of *message*."""
    headers = [(b"Content-Type", message.content_type.encode())] if message.content_type else []
    headers += [(name.encode(), value.encode()) for name, value in message.headers]
    return Push(
        received=int(received.timestamp() * 1_000_000) * 1_000,
        peer=Peer(ip=ip, port=40_000, trust=trust),
        target=target,
        headers=tuple(headers),
        body=message.body,
    )


class Events:
    """
    Makes events; each call is something new that happened, a second after the one before.

    ``make("plate")`` is the sample of that family, ``make("plate", plate={"text": "X1"},
    freshness="late")`` the same with changes: a mapping changes parts of a part.

    :param devices: the ``[devices]`` of the configuration.
    """

    def __init__(self, devices: Mapping[str, DeviceTable] | None = None, start: datetime = START) -> None:
        self._decoder = Decoder("test", {GATE: DeviceTable(mac=WHO.mac)} if devices is None else devices)
        self._start = start
        self._seq = count(1)
        self._pushes: dict[int, Push] = {}

    def __call__(self, family: Family = "face-match", **changes: Any) -> Event:
        """One event of *family*, live and from an admitted sender, with *changes*."""
        seq = next(self._seq)
        moment = self._start + timedelta(seconds=seq)
        return _changed(self._decode(push_of(sample(family, WHO, moment), moment), seq)[0], changes)

    def of(self, message: Message, *, trust: Trust = "address") -> tuple[Event, ...]:
        """The events of any message: of the profiles, or of your own making."""
        seq = next(self._seq)
        return self._decode(push_of(message, self._start + timedelta(seconds=seq), trust=trust), seq)

    def every(self) -> dict[Family, Event]:
        """One event of each family."""
        return {family: self(family) for family in FAMILIES}

    def push(self, seq: int) -> Push:
        """What the events with that seq were made from.  :raises Gone: when there are none."""
        if seq not in self._pushes:
            raise Gone(f"there is no push with number {seq}")
        return self._pushes[seq]

    def odd(self) -> dict[str, Event]:
        """Events of messages that no device should send and some do; by what is odd."""
        return {name: self.of(message)[0] for name, message in oddities(WHO, self._start).items()}

    def _decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        self._pushes[seq] = push
        return self._decoder.decode(push, seq)


def without_content(event: Event) -> Event:
    """The same event as if it came without pictures: what they show is said, their bytes are not there."""
    bare = tuple(msgspec.structs.replace(picture) for picture in event.pictures)
    return event.replace(pictures=bare)


def _changed(event: Event, changes: Mapping[str, Any]) -> Event:
    made = {name: _part(event, name, value) for name, value in changes.items()}
    return event.replace(**made) if made else event


def _part(event: Event, name: str, value: Any) -> Any:
    part = getattr(event, name, None)
    if not isinstance(value, Mapping) or name == "extra":
        return value
    if not isinstance(part, msgspec.Struct):
        raise TypeError(f"a {event.family} event has no {name}; give a whole hikrecv.{name.title()}(...)")
    return msgspec.structs.replace(part, **value)

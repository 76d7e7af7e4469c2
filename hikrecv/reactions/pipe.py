"""What a receiver and a reaction in a process of its own say to each other, and how it is framed."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from hikrecv.isapi.event import Event

from .outcome import Again, Bug, Done, OnHold, Outcome, Refused

MOST_TO_CHILD = 256_000_000
"""Bytes of one message: some events with their pictures."""
MOST_FROM_CHILD = 1_000_000

_LENGTH = struct.Struct(">I")


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """
    The first message: who to be.

    :param config: the configuration as JSON, secrets and all; it never stands in an
        argument or in the environment, where others could read it.
    :param folder: what ``file:`` secrets of the plugin's settings are relative to.
    """

    name: str
    config: bytes
    folder: str
    state_dir: str


class Parcel(msgspec.Struct, frozen=True):
    """An event on its way: its JSON, its pictures by number, and its whole document."""

    event: bytes
    pictures: dict[int, bytes]
    data: bytes | None


class Call(msgspec.Struct, frozen=True, tag="call"):
    """Call a hook; *limit* is in seconds."""

    id: int
    hook: str
    limit: float
    events: tuple[Parcel, ...]
    attempt: int
    replay: bool
    dry_run: bool


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for that call any more."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The plugin is made, and waits for calls."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The plugin could not be made."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How a call ended, and how many that were given up still run."""

    id: int
    outcome: Done | Again | Refused | OnHold | Bug
    zombies: int


ToChild = Begin | Call | Cancel
FromChild = Ready | Failed | Ended

_encode = msgspec.msgpack.Encoder().encode
to_child = msgspec.msgpack.Decoder(ToChild).decode
from_child = msgspec.msgpack.Decoder(FromChild).decode


def framed(message: ToChild | FromChild) -> bytes:
    """*message* with its length before it."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream into messages.  :param most: bytes of the longest that is taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """
        The messages that *data* completes.

        :raises ValueError: for one that is too long; the stream cannot be used any more.
        """
        self._buffer += data
        messages, start = [], 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > self._most:
                raise ValueError(f"a message of {length} bytes is too long")
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            messages.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return messages


def pack(event: Event, *, templates: bool) -> Parcel:
    """*event* with everything that a hook can ask of it."""
    contents = ((picture.n, picture.content()) for picture in event.pictures)
    pictures = {n: content for n, content in contents if content is not None}
    return Parcel(event.to_json(), pictures, _document(event, templates))


def unpack(parcel: Parcel) -> Event:
    """The event again.  :raises msgspec.MsgspecError: when it is none."""
    event = Event.from_json(parcel.event)
    for picture in event.pictures:
        if (content := parcel.pictures.get(picture.n)) is not None:
            picture.__dict__["_view"] = memoryview(content)
    if (data := parcel.data) is not None:
        event.__dict__["_data"] = lambda: msgspec.json.decode(data)
    return event


def plain(outcome: Outcome) -> Outcome:
    """*outcome* with nothing in it that could not be sent: a hook may return anything."""
    if isinstance(outcome, Done) and not isinstance(outcome.value, bool | None):
        return Done(type(outcome.value).__name__)
    return outcome


def _document(event: Event, templates: bool) -> bytes | None:
    try:
        read: Any = event.__dict__.get("_data_full") if templates else None
        return msgspec.json.encode(event.data() if read is None else read())
    except (LookupError, TypeError, ValueError, msgspec.MsgspecError):
        return None

"""One record of the journal: its bytes, and what they mean."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest as digest

from ..push import Anomaly, Peer, Push, Trust
from .store import Buffer

MAGIC = b"hkrc"
PUSH, NOTE, SEAL = 1, 2, 3

_FIELDS = struct.Struct("<4sB3xIIQQQQq")
_CHECKED = struct.Struct("<4sB3xIIQQQQqQ")
_U64 = struct.Struct("<Q")
_pack_fields, _pack_u64 = _FIELDS.pack, _U64.pack
HEADER = _CHECKED.size + _U64.size
PADS = tuple(bytes(size) for size in range(8))


class Entry(msgspec.Struct, frozen=True):
    """A push with its place.  *word* is the journal's word at the time: it is part of the events' ids."""

    seq: int
    push: Push
    word: str = ""


class Note(msgspec.Struct, frozen=True):
    """
    Something of our own that had to be kept before it took effect, such as a remote check's decision.

    :param at: nanoseconds since 1970 (UTC).
    """

    seq: int
    kind: str
    at: int
    data: Any = None
    word: str = ""


class Damaged(msgspec.Struct, frozen=True):
    """
    Numbers *first* to *last* were kept once and cannot be read.

    Not every number between them need have existed: one that was refused for
    want of room was never written.

    :param segment: the file's name, or "" where a whole file is missing.
    :param start: where in that file the bytes that make no sense begin, and *end* where they end.
    """

    first: int
    last: int
    reason: str
    segment: str = ""
    start: int = 0
    end: int = 0

    @property
    def sentence(self) -> str:
        """For people: which numbers, why, and where more is said."""
        one = (
            f"number {self.first} is"
            if self.first == self.last
            else f"numbers {self.first} to {self.last} are"
        )
        return f"{one} damaged and cannot be read: {self.reason}; see `hikrecv verify`"


class Header(NamedTuple):
    """The fixed part of a record, see ``docs/reference/segment-format.md``."""

    magic: bytes
    kind: int
    head: int
    body: int
    generation: int
    seq: int
    previous: int
    durable: int
    at: int
    checksum: int

    @property
    def size(self) -> int:
        """Bytes that the whole record takes, padding included."""
        return record_size(self.head, self.body)


class Stamp(NamedTuple):
    """What makes a record one of its segment, and of this use of the segment: no other bytes parse."""

    generation: int
    salt: int


class _Head(msgspec.Struct, frozen=True, array_like=True):
    ip: str
    port: int
    trust: Trust
    method: str
    target: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    anomalies: tuple[tuple[str, str], ...]
    login: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_kind = msgspec.msgpack.Decoder(str).decode
_decode_data = msgspec.msgpack.Decoder().decode


def record_size(head: int, body: int) -> int:
    """Bytes on disk of a record with a head and a body of these lengths."""
    return (HEADER + head + body + 7) & ~7


def push_head(push: Push) -> bytes:
    """A push without its body.  Text that is no Unicode (it comes from devices) is made harmless."""
    peer = push.peer
    anomalies = [(anomaly.name, anomaly.detail) for anomaly in push.anomalies] if push.anomalies else ()
    fields: tuple[Any, ...] = (
        peer.ip, peer.port, peer.trust, push.method, push.target, push.version, push.headers, anomalies
    )  # fmt: skip
    if peer.login:  # else it is left out: that is how all records were before there was one
        fields = (*fields, peer.login)
    try:
        return _encode(fields)
    except UnicodeEncodeError:
        return _encode(_readable(fields))


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return tuple(map(_readable, value)) if isinstance(value, tuple | list) else value


def note_parts(kind: str, data: Any) -> tuple[bytes, bytes]:
    """Head and body of a note.  :raises TypeError: when *data* is not plain data."""
    return _encode(kind), _encode(data)


def frame(
    kind: int, head: bytes, body: Buffer, at: int, seq: int, previous: int, durable: int, stamp: Stamp
) -> bytes:
    """
    Everything of a record that stands before its body.

    The sums are chained, each seeding the next, so that the body is read once and never copied.
    """
    generation, salt = stamp
    fields = _pack_fields(MAGIC, kind, len(head), len(body), generation, seq, previous, durable, at)
    checked = fields + _pack_u64(digest(body, digest(fields + head, salt)))
    return checked + _pack_u64(digest(checked, salt)) + head


def read_header(data: Buffer, offset: int, stamp: Stamp) -> Header | None:
    """The record header at that place, or None when there is none of this segment's use."""
    if len(data) - offset < HEADER:
        return None
    header = Header._make(_CHECKED.unpack_from(data, offset))
    if header.magic != MAGIC or header.generation != stamp.generation:
        return None
    end = offset + _CHECKED.size
    good = _U64.unpack_from(data, end)[0] == digest(bytes(data[offset:end]), stamp.salt)
    return header if good else None


def intact(header: Header, head: bytes, body: bytes, stamp: Stamp) -> bool:
    """Whether head and body are the ones that the header was written for."""
    fields = _FIELDS.pack(*header[:-1])
    return header.checksum == digest(body, digest(fields + head, stamp.salt))


def decode(header: Header, head: bytes, body: bytes, word: str) -> Entry | Note | None:
    """What an intact record says; None when it is of a kind, or a shape, that this version does not know."""
    try:
        if header.kind == PUSH:
            return Entry(header.seq, _push(header.at, _decode_head(head), body), word)
        if header.kind == NOTE:
            return Note(header.seq, _decode_kind(head), header.at, _decode_data(body), word)
    except msgspec.MsgspecError:
        return None
    return None


def _push(received: int, head: _Head, body: bytes) -> Push:
    return Push(
        received=received,
        peer=Peer(head.ip, head.port, head.trust, head.login),
        method=head.method,
        target=head.target,
        version=head.version,
        headers=head.headers,
        body=body,
        anomalies=tuple(Anomaly(name, detail) for name, detail in head.anomalies),
    )

"""What happened, as a key: the same for a device's resend, never for two real events."""

from __future__ import annotations

import json

import msgspec
import xxhash

from .event import Access
from .fields import Fields, flag, text, whole
from .reading import Reading

_SHORTEST_ID = 8
"""A `uid` may also be the small number of a user; nothing shorter names an event."""
_FLAGS = frozenset(("isdataretransmission", "currentevent", "alarmdatatype"))
# What the receiver's entry in the device says, and what is in the type already.
_LEFT_OUT = ("portno", "protocol", "protocoltype", "durationlist")
_ENCODER = msgspec.json.Encoder(order="deterministic")


def take_flags(doc: Fields) -> Fields:
    """
    Take out of a folded document what only says how fresh it is.

    Cameras have these flags at the root, terminals and ANPR inside their own part.
    """
    found: Fields = {}
    for holder in (doc, *[value for value in doc.values() if type(value) is dict]):
        if not _FLAGS.isdisjoint(holder):
            for name in _FLAGS & holder.keys():
                found.setdefault(name, holder.pop(name))
    return found


def is_resent(flags: Fields) -> bool:
    """
    Whether the device itself says that this is old.

    `isDataRetransmission` true: sent again after an outage; `currentEvent` false:
    a terminal's backlog; `alarmDataType` 1: an ANPR camera's history.
    """
    return bool(flags) and (
        flag(flags, "isdataretransmission") is True
        or flag(flags, "currentevent") is False
        or whole(flags, "alarmdatatype") == 1
    )


def key_of(scope: str, reading: Reading, received: int) -> str:
    """
    The key of an event.

    `UUID`, `uid` and `pId` name an event of themselves; an access event is named by
    its serial number together with its time, for the counter wraps and restarts;
    everything else by all that the document says.  Face ids are re-used, post
    counts repeat and plates come back: none of them is enough.

    :param scope: who says it, see `identity.Identity`.
    :param received: our clock; it takes part only when the document has no time,
        for then two bell rings are the same bytes.
    """
    digest = xxhash.xxh3_128(_text(reading.kind.type))
    for said in _named(reading, received):
        digest.update(b"\0")
        digest.update(said)
    return f"{scope}#{digest.hexdigest()}"


def _named(reading: Reading, received: int) -> tuple[bytes, ...]:
    doc, access = reading.doc, reading.fields.get("access")
    own = text(doc, "uuid", "uid")
    ids = [each for each in ((own,) if own else reading.ids) if len(each) >= _SHORTEST_ID]
    at = reading.occurred.at
    if ids:
        return (_text("\0".join(("id", *ids))),)
    if isinstance(access, Access) and access.serial_no and at is not None:
        # Terminals behind one address that name no MAC are told apart by what they do name.
        sender = (reading.claim.ip, reading.name)
        said = ("serial", access.serial_no, at.isoformat(), access.major, access.minor, *sender)
        return (_text("\0".join(map(str, said))),)
    whole_of = doc.copy()
    for name in _LEFT_OUT:
        whole_of.pop(name, None)
    return b"document", _canonical(whole_of), b"" if at is not None else b"%d" % received


def _text(said: str) -> bytes:
    return said.encode("utf-8", "replace")


def _canonical(doc: Fields) -> bytes:
    try:
        return _ENCODER.encode(doc)
    except (ValueError, OverflowError, TypeError, UnicodeError, RecursionError):
        return _text(json.dumps(doc, sort_keys=True, default=str))

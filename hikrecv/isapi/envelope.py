"""What every document says, however it is spelled: type, state, time."""

from __future__ import annotations

from typing import NamedTuple

from . import times
from .catalogue import LONGEST_TYPE, UNKNOWN, Kind, kind_of
from .contents import Found
from .event import Family, State
from .fields import Fields, each, text, whole
from .words import visible

_MOST_NAMES = 64
"""Of the parts of a document that does not say its type: they are tried as its name."""
_MOST_LASTING = 16
_ALERT = "EventNotificationAlert"
_OVER = frozenset({"inactive", "end", "ended", "stop", "stopped"})
# Pictures of these families show a scene unless their name says otherwise.
_SCENES: frozenset[Family] = frozenset(
    (
        "motion",
        "intrusion",
        "line-crossing",
        "region",
        "loitering",
        "behaviour",
        "target",
        "thermal",
        "fire",
        "tamper",
        "counting",
        "queue",
        "traffic",
        "parking",
        "io",
        "audio",
        "ai",
    )
)
_PEOPLE: frozenset[Family] = frozenset(("access", "intercom"))


class Said(NamedTuple):
    """A type as the catalogue has it, and as the device wrote it."""

    kind: Kind
    wire: str


def types_of(doc: Fields, found: Found) -> tuple[Said, ...]:
    """
    What a document reports; several only for a `duration` that names several events.

    `eventType` is the key.  Firmware that leaves it out says it with the
    description, the name of its part, the name of the part of the document that
    is filled, or the root.
    """
    wire = text(doc, "eventtype")
    if wire is not None:
        kind = kind_of(wire)
        if kind is None:
            return (Said(_unheard_of(wire), wire),)
        if kind.type == "duration":
            return _lasting(doc, wire)
        if kind.type == "other":
            kind = kind_of(text(doc, "eventdescription") or "") or kind
        return (Said(_in_its_light(kind, doc), wire),)
    if "durationlist" in doc:
        return _lasting(doc, "duration")
    return (_without_type(doc, found),)


def _lasting(doc: Fields, wire: str) -> tuple[Said, ...]:
    entries = each(doc.get("durationlist"), "duration")[:_MOST_LASTING]
    named = (text(entry, "relationevent") for entry in entries)
    kinds = dict.fromkeys(kind_of(name) or _unheard_of(name) for name in named if name)
    lone = kind_of("duration") or UNKNOWN
    return tuple(Said(kind, wire) for kind in kinds) or (Said(lone, wire),)


def _unheard_of(wire: str) -> Kind:
    return Kind(visible(wire)[:LONGEST_TYPE], "not in the catalogue", "unknown")


def _in_its_light(kind: Kind, doc: Fields) -> Kind:
    # Cameras say "I am here" with a video loss that is over, panels with a Contact-ID
    # event that has no code.
    if kind.type == "videoloss" and state_of(doc) == "inactive":
        return kind._replace(words="heartbeat", family="heartbeat")
    if kind.type == "cidEvent" and not doc.get("cidevent") and not (doc.keys() & {"zoneid", "partitionid"}):
        return kind._replace(words="heartbeat", family="heartbeat")
    return kind


def _without_type(doc: Fields, found: Found) -> Said:
    root = None if found.root == _ALERT else found.root
    if found.doc is not None:
        filled = sorted(name for name, value in doc.items() if type(value) in (dict, list) and value)
        filled = filled[:_MOST_NAMES]
        only = next(iter(doc)) if len(doc) == 1 else None
        for name in (text(doc, "eventdescription"), found.name, *filled, root, only):
            kind = kind_of(name) if name else None
            if name and kind is not None and kind.family != "unknown":
                return Said(_in_its_light(kind, doc), name)
    named = (found.name or root or "")[:LONGEST_TYPE]
    return Said(_unheard_of(named) if named else UNKNOWN, named)


def state_of(doc: Fields) -> State:
    """`active` also when nothing is said: momentary events never end."""
    said = (text(doc, "persistenteventstatus", "eventstate", "activestate") or "").lower()
    return "inactive" if said in _OVER else "active"


def post_count_of(doc: Fields) -> int | None:
    """How often the device says to have posted this; a counter of its own kind on each firmware."""
    return whole(doc, "activepostcount")


def time_fields(doc: Fields) -> tuple[object, ...]:
    """Where else than in `dateTime` and in the families' parts a time may stand."""
    return tuple(doc.get(name) for name in ("time", "eventtime", "triggertime", "starttime"))


def on_its_clock(found: times.Reading, doc: Fields) -> times.Reading:
    """A time in ``Z`` with `timeDiff` beside it, as the device's own clock shows it."""
    if found.at is None or "timediff" not in doc:
        return found
    return found._replace(at=times.in_offset(found.at, doc["timediff"]))


def picture_role(family: Family) -> str:
    """What a picture shows whose name says nothing."""
    return "background" if family in _SCENES else "capture" if family in _PEOPLE else "other"

"""An event as a row of the index."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from hikrecv.isapi.event import Access, Event, Match

from .database import storable
from .fact import LENGTH, Fact, fact_of, moment

WORDS = 2048
"""Characters of an event that can be searched."""


class Row(NamedTuple):
    """
    What people search by; the event itself is in the journal.

    Times are microseconds since 1970.  The fields of a `Fact` come first, under the
    same names.
    """

    seq: int
    n: int
    id: str
    key: str
    received: int
    occurred: int | None
    device: str
    channel: str | None
    type: str
    region: str | None
    family: str
    state: str
    freshness: str
    duplicate_of: str | None
    episode: str | None
    episode_count: int
    episode_first: int | None
    clock_offset: int | None
    clock_trial: int | None
    clock_steady: int
    clock_since: int | None
    mac: str | None
    ip: str | None
    peer_ip: str
    trust: str
    person: str | None
    person_id: str | None
    plate: str | None
    employee_no: str | None
    card_no: str | None
    door: int | None
    outcome: str | None
    words: str

    @property
    def received_at(self) -> datetime:
        """When it was received, in UTC."""
        return moment(self.received)


COLUMNS = ", ".join(Row._fields)
FACTS = ", ".join(Fact.__struct_fields__)


def row_of(event: Event) -> Row:
    """What the index keeps of *event*."""
    return Row._make(values_of(event, fact_of(event)))


# Python's sqlite3 takes eight times as long for a None as for a number, and half of a row is None.
_ABSENT = 0.5
PLACES = ", ".join(
    f"NULLIF(?, {_ABSENT})" if "None" in kind else "?" for kind in map(str, Row.__annotations__.values())
)
"""Where the values of :func:`bound` go."""


def bound(event: Event, fact: Fact) -> list[Any]:
    """The same for SQLite; no column has a number like the one that stands for None."""
    return [_ABSENT if value is None else value for value in values_of(event, fact)]


def values_of(event: Event, fact: Fact) -> tuple[Any, ...]:
    """The same as a plain tuple."""
    device, peer = event.device, event.peer
    return (
        *msgspec.structs.astuple(fact),
        device.mac,
        device.ip and _short(device.ip),
        peer.ip,
        peer.trust,
        *(_NOBODY if event.match is None and event.access is None else _persons(event)),
        None if event.plate is None else _short(event.plate.text),
        *(_NO_ACCESS if event.access is None else _access(event.access)),
        _words(event),
    )


_BIG = 1 << 63
_NOBODY = (None, None)
_NO_ACCESS = (None, None, None, None)
_NO_MATCH = Match()


def _persons(event: Event) -> tuple[str | None, str | None]:
    match = event.match or _NO_MATCH
    person = match.person or (None if event.access is None else event.access.person)
    return _short(person), _short(match.person_id)


def _access(access: Access) -> tuple[str | None, str | None, int | None, str]:
    door = access.door if access.door is None or abs(access.door) < _BIG else None
    return _short(access.employee_no), _short(access.card_no), door, access.outcome


def _short(text: str | None) -> str | None:
    if text is None or (text.isascii() and len(text) <= LENGTH):
        return text
    return storable(text[:LENGTH])


def _words(event: Event) -> str:
    """All that a person may look for, folded to one case."""
    said = [text[:LENGTH] for text in _said(event) if text]
    words = "\n".join(dict.fromkeys(said))
    if not words.isascii():
        words = "\n".join(dict.fromkeys(map(storable, said)))
    # To SQLite's LIKE a NUL is the end of the text.
    return words[:WORDS].replace("\0", " ").casefold()


def _said(event: Event) -> list[str | None]:
    said: list[str | None] = [event.type, event.description, event.device.id, event.device.name]
    if event.channel is not None:
        said.append(event.channel.name)
    for face in event.faces:
        for candidate in face.candidates:
            said += (candidate.name, candidate.person_id, candidate.library)
    if event.match is not None:
        said += (event.match.person, event.match.person_id, event.match.library)
    if event.plate is not None:
        said += (event.plate.text, event.plate.original)
    if event.access is not None:
        access = event.access
        said += (access.name, access.person, access.employee_no, access.card_no)
    if event.panel is not None:
        said += (event.panel.name, event.panel.zone_name, event.panel.user)
    return said

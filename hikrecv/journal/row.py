"""An event as a row of the index."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

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
    match, access = event.match or _NO_MATCH, event.access or _NO_ACCESS
    return Row._make(
        (
            *msgspec.structs.astuple(fact_of(event)),
            event.device.mac,
            _short(event.device.ip),
            event.peer.ip,
            event.peer.trust,
            _short(match.person or access.person),
            _short(match.person_id),
            None if event.plate is None else _short(event.plate.text),
            _short(access.employee_no),
            _short(access.card_no),
            access.door if access.door is None or abs(access.door) < _BIG else None,
            None if event.access is None else access.outcome,
            _words(event),
        )
    )


_BIG = 1 << 63
_NO_MATCH = Match()
_NO_ACCESS = Access(major=0, minor=0, name="", outcome="other")


def _short(text: str | None) -> str | None:
    return None if text is None else storable(text[:LENGTH])


def _words(event: Event) -> str:
    """All that a person may look for, folded to one case."""
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
    words = "\n".join(dict.fromkeys(_short(text) or "" for text in said if text))
    # To SQLite's LIKE a NUL is the end of the text.
    return words[:WORDS].replace("\0", " ").casefold()

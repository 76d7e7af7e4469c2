"""A push to events: nothing is lost, and nothing raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hikrecv.config import DeviceTable
from hikrecv.push import Anomaly, Peer, Push

from . import envelope
from .budget import Budget, Clock, OverBudget
from .catalogue import UNKNOWN
from .contents import Contents, Found
from .event import Event, Freshness
from .families import read
from .fields import Fields, text
from .identity import Known, claim_of, plain_address
from .keys import is_resent, key_of, take_flags
from .multipart import USUAL_LIMITS, MultipartLimits
from .pictures import Gallery
from .reading import Reading

_TEMPLATE = "modeldata"
_ANNOUNCES = frozenset({"picnum", "picturesnumber", "detectionpicturesnumber", "detectionpicturetranstype"})

Other = Callable[[Push], Sequence[Event] | None]


class Decoder:
    """
    Makes events of pushes.

    One document of a push is one event, with the document's place as `n`.  A
    `duration` that names several lasting events is several: the first at its own
    place, the others behind all documents.  The pictures go to the events that
    refer to them, else to the first that announces pictures, else to the first.

    An event's `anomalies` are names; what exactly was seen is in
    ``event.__dict__["_anomalies"]``, for commands that show it to a person.

    :param journal_word: the first part of the events' ids.
    :param devices: the ``[devices]`` of the config.
    :param others: decoders of plugins; they are asked when something was not
        understood, and the first that gives events replaces ours.
    :param limits: of multipart bodies.
    :param clock: see :class:`~hikrecv.isapi.budget.Budget`.
    """

    def __init__(
        self,
        journal_word: str = "live",
        devices: Mapping[str, DeviceTable] = {},
        others: Sequence[Other] = (),
        limits: MultipartLimits = USUAL_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        self._limits, self._clock = limits, clock
        self._word = journal_word
        self._known = Known(devices)
        self._others = tuple(others)

    def decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        """
        The events of a push, at least one.  Never raises.

        Freshness is what the device says (`live` or `resent`); whether an event is
        late shows only beside those before it.
        """
        try:
            events = self._decode(push, seq)
        except OverBudget as over:
            events = (self._unread(push, seq, Anomaly("over-budget", str(over))),)
        except Exception as error:
            odd = Anomaly("decoder-failed", f"{type(error).__name__}: {error}"[:200])
            events = (self._unread(push, seq, odd),)
        if self._others and any(event.family == "unknown" for event in events):
            return self._asked(push, seq, events)
        return events

    def _decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        budget = Budget(clock=self._clock)
        contents = Contents(push, self._limits, budget)
        peer = push.peer
        documents = contents.documents or [_without_document(contents)]
        read_so_far: list[tuple[Reading, Found, str]] = []
        behind = len(documents)
        for n, found in enumerate(documents):
            if n & 15 == 15:
                budget.on_time()
            doc = found.doc if found.doc is not None else {}
            first, *more = envelope.types_of(doc, found)
            read_so_far.append((self._reading(doc, first, n, contents.gallery, peer), found, first.wire))
            for lasting in more:
                budget.document()
                budget.take(len(doc))
                reading = self._reading(dict(doc), lasting, behind, contents.gallery, peer)
                read_so_far.append((reading, found, lasting.wire))
                behind += 1
        if behind > len(documents):
            read_so_far.sort(key=lambda each: each[0].n)
        if contents.gallery.shots:
            contents.gallery.leave_to(_holder([reading for reading, *_ in read_so_far]).n)
        odd = contents.anomalies
        return tuple([self._event(push, seq, *each, odd) for each in read_so_far])

    def _reading(self, doc: Fields, said: envelope.Said, n: int, gallery: Gallery, peer: Peer) -> Reading:
        claim = claim_of(doc)
        zone = self._known.zone(self._known.find(claim.mac, claim.serial, plain_address(peer.ip), peer.login))
        reading = Reading(doc, said.kind, n, gallery, claim, zone)
        reading.happened(doc.get("datetime"))
        read(reading)
        if not reading.occurred.zoned:
            for other in envelope.time_fields(doc):
                reading.happened(other)
        # The families follow the links in their own parts; what only goes on has none.
        if reading.fields or "durationlist" in doc:
            reading.linked(doc)
        else:
            reading.linked_anywhere(doc)
        return reading

    def _event(
        self, push: Push, seq: int, reading: Reading, found: Found, wire: str, odd: tuple[Anomaly, ...]
    ) -> Event:
        doc, kind = reading.doc, reading.kind
        peer = push.peer
        who = self._known.identity(
            reading.claim, plain_address(peer.ip), reading.name, reading.serial, peer.login
        )
        fresh: Freshness = "resent" if is_resent(take_flags(doc)) else "live"
        time = envelope.on_its_clock(reading.occurred, doc)
        odd += (*found.anomalies, *reading.anomalies)
        if time.anomaly is not None:
            odd += (time.anomaly,)
        event = Event(
            id=f"{self._word}-{seq}-{reading.n}",
            key=key_of(who.scope, reading, push.received),
            seq=seq,
            n=reading.n,
            received=push.received_at,
            occurred=time.at,
            type=kind.type,
            wire_type=wire,
            family=kind.family,
            state=envelope.state_of(doc),
            description=text(doc, "eventdescription"),
            post_count=envelope.post_count_of(doc),
            freshness=fresh,
            anomalies=tuple(dict.fromkeys([anomaly.name for anomaly in odd])) if odd else (),
            peer=push.peer,
            device=who.device,
            channel=who.channel,
            pictures=reading.gallery.of(reading.n, envelope.picture_role(kind.family)),
            **reading.fields,
        )
        event.__dict__.update(_data_full=found.again, _data=_Stripped(found.again), _anomalies=odd)
        return event

    def _unread(self, push: Push, seq: int, odd: Anomaly) -> Event:
        found = Found(None, None, None, (odd,), lambda: push.body.decode("utf-8", "replace"))
        return self._event(push, seq, Reading({}, UNKNOWN, 0, Gallery()), found, "", push.anomalies)

    def _asked(self, push: Push, seq: int, ours: tuple[Event, ...]) -> tuple[Event, ...]:
        failed = False
        for other in self._others:
            try:
                given = [event for event in other(push) or () if isinstance(event, Event)]
            except Exception:
                failed = True
                continue
            if given:
                return tuple(self._adopted(event, push, seq, n) for n, event in enumerate(given))
        if not failed:
            return ours
        return tuple(event.replace(anomalies=(*event.anomalies, "decode-plugin-failed")) for event in ours)

    def _adopted(self, event: Event, push: Push, seq: int, n: int) -> Event:
        """A plugin's event: what it means is the plugin's word, where it came from is ours."""
        return event.replace(
            id=f"{self._word}-{seq}-{n}", seq=seq, n=n, received=push.received_at, peer=push.peer
        )


def _without_document(contents: Contents) -> Found:
    """A push of pictures alone, or of nothing at all: a device's test button."""
    if contents.gallery.shots:
        return Found({}, None, None, (Anomaly("no-document"),), dict)
    return Found({"eventtype": "test"}, None, None, (), dict)


def _holder(readings: list[Reading]) -> Reading:
    """The event that gets the pictures nobody referred to."""
    for reading in readings:
        if not _ANNOUNCES.isdisjoint(reading.doc):
            return reading
    return readings[0]


class _Stripped:
    """A document without face templates."""

    __slots__ = ("again",)

    def __init__(self, again: Callable[[], Any]) -> None:
        self.again = again

    def __call__(self) -> Any:
        return without_templates(self.again())


def without_templates(data: Any) -> Any:
    """Plain data without `modelData`, in whichever case: nobody gets a biometric template by accident."""
    if isinstance(data, dict):
        return {name: without_templates(value) for name, value in data.items() if name.lower() != _TEMPLATE}
    if isinstance(data, list):
        return [without_templates(item) for item in data]
    return data

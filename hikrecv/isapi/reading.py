"""One document while it is being read into an event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import cache
from typing import Any

from hikrecv.push import Anomaly

from . import times
from .catalogue import Kind, picture_words, rect_scales, units
from .event import Box, Point
from .fields import DEPTH, Fields, as_number, sub, text
from .geometry import OutOfPicture, box, points
from .identity import NOBODY, Claim
from .pictures import MOST_LINKS, Gallery, Login, label, safe_link

MOST_ANOMALIES = 64
"""Remarks about one document; what is odd a hundred times is not said more clearly."""
# Fields with names that several pictures of a push may have.
_NAMES = ("contentid", "filename", "picturename")
_TOLERANCE = 1e-6
_LOGINS: dict[str, Login] = {"digest": "digest", "no": "none", "none": "none", "": None}


@cache
def _link_names() -> frozenset[str]:
    return frozenset(picture_words().links)


class Reading:
    """
    What is known so far about one document.

    The families read their part of it and put typed values into `fields`,
    under the names that :class:`Event` has for them.

    :param doc: the document with folded names (see :func:`fields.fold`).
    :param claim: what the document says about its sender.
    :param n: the event's place in the push; pictures are claimed for it.
    :param zone: of the device's clock, for times without offset.
    """

    __slots__ = (
        "anomalies",
        "claim",
        "doc",
        "fields",
        "gallery",
        "ids",
        "kind",
        "n",
        "name",
        "occurred",
        "serial",
        "zone",
    )

    def __init__(
        self,
        doc: Fields,
        kind: Kind,
        n: int,
        gallery: Gallery,
        claim: Claim = NOBODY,
        zone: tzinfo | None = None,
    ) -> None:
        self.doc = doc
        self.claim = claim
        self.kind = kind
        self.n = n
        self.gallery = gallery
        self.zone = zone
        self.fields: dict[str, Any] = {}
        self.anomalies: list[Anomaly] = []
        self.ids: list[str] = []
        self.name = claim.name
        self.serial = claim.serial
        self.occurred: times.Reading = times.NOTHING

    def odd(self, name: str, detail: str = "") -> None:
        """Note what was tolerated."""
        if len(self.anomalies) < MOST_ANOMALIES:
            self.anomalies.append(Anomaly(name, detail))

    def called(self, name: str | None, serial: str | None = None) -> None:
        """What a part of the document calls the device, where the document itself does not."""
        self.name = self.name or name
        self.serial = self.serial or serial

    def ratio(self, fields: Fields, *names: str) -> float | None:
        """
        How much of the whole, in 0..1: the first of *names* that is a number.

        The field says the unit, never the value: 1 percent must not become all of
        it.  What is outside its unit is left out.
        """
        for name in names:
            value = fields.get(name)
            value = None if value is None else as_number(value)
            if value is None:
                continue
            share = value / 100 if units().get(name) == "percent" else value
            if 0.0 <= share <= 1.0:
                return share
            if -_TOLERANCE <= share <= 1 + _TOLERANCE:
                return min(max(share, 0.0), 1.0)
            self.odd("out-of-unit", f"{name} {value:g}")
        return None

    def box(self, fields: Fields, *names: str) -> Box | None:
        """The first rectangle among *names*."""
        for name in names:
            rect = sub(fields, name)
            if rect:
                found = self.rect(rect, name)
                if found is not None:
                    return found
        return None

    def rect(self, rect: Fields, name: str) -> Box | None:
        """A rectangle whose field is called *name*."""
        try:
            return box(rect, rect_scales().get(name, "either"))
        except OutOfPicture as seen:
            self.odd("out-of-picture", f"{name} {seen}")
            return None

    def points(self, corners: Iterable[Fields]) -> tuple[Point, ...]:
        """The corners of a region."""
        try:
            return points(corners)
        except OutOfPicture as seen:
            self.odd("out-of-picture", str(seen))
            return ()

    def time(self, fields: Fields, *names: str) -> datetime | None:
        """The first of *names* that is a time."""
        for name in names:
            found = times.read(fields.get(name), self.zone)
            if found.at is not None:
                return found.at
        return None

    def happened(self, raw: Any) -> None:
        """
        A time at which it may have happened, the most trusted first.

        A time that says its offset beats one that does not; of equals the first wins.
        """
        if self.occurred.zoned:
            return
        found = times.read(raw, self.zone)
        if found.at is None:
            self.anomalies += [found.anomaly] if found.anomaly is not None else []
        elif self.occurred.at is None or found.zoned:
            self.occurred = found

    def shown(self, fields: Fields, role: str | None = None) -> tuple[int, ...]:
        """The numbers of the pictures that these fields refer to, by id, by name or by link."""
        unique = text(fields, "pid")
        if unique is not None:
            self.ids.append(unique)
        found: tuple[int, ...] = ()
        if self.gallery.shots:
            shared = [text(fields, name) for name in _NAMES if name in fields]
            found = self.gallery.refer(self.n, unique, shared, role)
        return found + self.linked(fields, role)

    def refer(self, unique: str | None, shared: Iterable[str | None], role: str | None) -> tuple[int, ...]:
        """The numbers of the pictures with these ids; what is unique also helps to name the event."""
        if unique is not None:
            self.ids.append(unique)
        return self.gallery.refer(self.n, unique, shared, role)

    def named(self, role: str | None, *names: str) -> tuple[int, ...]:
        """The numbers of the pictures with well-known names."""
        found: tuple[int, ...] = ()
        for name in names:
            if label(name) in self.gallery.labels:
                found += self.gallery.refer(self.n, None, (name,), role)
        return found

    def linked(self, fields: Fields, role: str | None = None) -> tuple[int, ...]:
        """The numbers of the pictures that the device keeps and these fields link to."""
        if _link_names().isdisjoint(fields) or len(self.gallery.links) >= MOST_LINKS:
            return ()
        links = picture_words().links
        found: tuple[int, ...] = ()
        for name in sorted(links.keys() & fields.keys()):
            value = fields[name]
            if type(value) is str and value:
                link = safe_link(value)
                if link is None:
                    self.odd("unusable-link", name)
                else:
                    found += self.gallery.link(self.n, link, links[name] or role, self._login(fields))
        return found

    def linked_anywhere(self, value: Any, depth: int = DEPTH) -> None:
        """Claim every picture that the document links to, however deep."""
        if type(value) is dict and depth:
            self.linked(value)
            for inner in value.values():
                self.linked_anywhere(inner, depth - 1)
        elif type(value) is list and depth:
            for inner in value:
                self.linked_anywhere(inner, depth - 1)

    def _login(self, fields: Fields) -> Login:
        said = text(fields, "urlcertificationtype") or text(self.doc, "urlcertificationtype")
        return _LOGINS.get((said or "").lower())

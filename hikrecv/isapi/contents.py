"""What a push holds: documents in their order, and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from hikrecv.push import Anomaly, Push

from . import document
from .budget import Budget
from .encodings import is_utf8
from .encodings import label as as_label
from .fields import fold
from .multipart import USUAL_LIMITS, MultipartLimits, Part, looks_multipart, split
from .pictures import Gallery

_PICTURES = frozenset({"jpeg", "png", "gif", "bmp"})
_PICTURE_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "bmp": "image/bmp"}
_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
_JPEG = b"\xff\xd8\xff"
_ALERT = "eventnotificationalert"
_SHORTEST_PICTURE = 64
_DECLARATION = re.compile(rb"[\s\0]*(?:\xef\xbb\xbf)?\s*<\?xml[^<>]*\?>[\s\0]*")
_LONGEST_DECLARATION = 200
# A query without any of these is an address, not an event.
_ALERT_FIELDS = frozenset({"eventtype", "datetime", "eventstate", "macaddress", "eventdescription"})


class Found(NamedTuple):
    """
    One document of the push.

    :param doc: folded and without wrapper; None when nothing was understood.
    :param name: of the part it came in.
    :param again: the document as plain data, read anew.
    """

    doc: dict[str, Any] | None
    root: str | None
    name: str | None
    anomalies: tuple[Anomaly, ...]
    again: Callable[[], Any]


class Contents:
    """
    The documents and pictures of one push.

    :raises OverBudget: when reading them costs more than *budget* allows.
    """

    __slots__ = ("anomalies", "budget", "documents", "gallery", "push")

    def __init__(
        self, push: Push, limits: MultipartLimits = USUAL_LIMITS, budget: Budget | None = None
    ) -> None:
        self.push = push
        self.budget = budget or Budget()
        self.documents: list[Found] = []
        self.gallery = Gallery()
        self.anomalies: tuple[Anomaly, ...] = push.anomalies
        body = push.body
        content_type = push.header(b"content-type")
        if body and looks_multipart(body, content_type):
            parts, odd = split(body, content_type, limits)
            self.anomalies += odd
            for part in parts:
                self._part(part)
        elif body:
            declared = None if content_type is None else as_label(content_type)
            self._part(Part(None, None, None, declared, 0, len(body), ()), alone=True)
        elif (query := push.target.partition(b"?")[2]) and b"=" in query:
            self._query(query)

    def _part(self, part: Part, *, alone: bool = False) -> None:
        view = memoryview(self.push.body)[part.start : part.end]
        kind = document.kind_of(view)
        if kind in _PICTURES:
            self._picture(part, part.start, part.content_type or _PICTURE_TYPES[kind])
        elif kind == "empty":
            if not alone and len(view):
                self.anomalies += (Anomaly("empty-part", part.name or part.filename or ""),)
        elif self._is_read(part, view, kind):
            pass
        elif alone or not is_binary(part, view):
            self._not_understood(part, view)
        else:
            self.anomalies += (Anomaly("unusual-picture", part.name or part.filename or ""),)
            self._picture(part, part.start, part.content_type)

    def _picture(self, part: Part, start: int, content_type: str | None) -> None:
        names = (part.name, part.filename, part.content_id)
        self.gallery.add(names, content_type, memoryview(self.push.body)[start : part.end])

    def _documents(self, part: Part, view: memoryview) -> bool:
        """Whether the part was read: its documents, or a declaration with nothing behind it."""
        documents, anomalies = document.parse(view, part.content_type, self.budget)
        if not documents:
            self.anomalies += anomalies
            return len(view) < _LONGEST_DECLARATION and _DECLARATION.fullmatch(bytes(view)) is not None
        if documents[0].kind == "form" and _is_declared_picture(part):
            return False
        # Of documents behind one another each is read anew alone: else all of them would be, for each.
        # With a NUL in it a piece might look like UTF-16.
        apart = len(documents) > 1 and documents[0].end <= documents[1].start and _is_plain(bytes(view))
        for place, found in enumerate(documents):
            again = _Again(self.push.body, part.start, part.end, part.content_type, place)
            if apart:
                again = _Again(self.push.body, part.start + found.start, part.start + found.end, None, 0)
            name = part.name or part.filename
            docs = alerts(found, self.budget)
            if isinstance(docs, tuple):
                self._document(Found(docs[0], found.root, name, anomalies, again))
                continue
            docs = list(docs)
            each = 1 < len(docs) == len(_listed(found.data))
            for item, doc in enumerate(docs):
                own = _Item(again, item) if each else again
                self._document(Found(doc, found.root, name, anomalies, own))
        self._behind(part, part.start + documents[-1].end)
        return True

    def _is_read(self, part: Part, view: memoryview, kind: document.Kind) -> bool:
        # A document may stand behind other text, such as the headers of a request.
        if kind == "other" and (is_binary(part, view) or not document.begins_later(view)):
            return False
        return self._documents(part, view)

    def _behind(self, part: Part, end: int) -> None:
        # A line crossing camera puts its picture behind the alert, without a delimiter.
        if part.end - end > _SHORTEST_PICTURE:
            start = self.push.body.find(_JPEG, end, part.end)
            if start >= 0:
                self._picture(Part(None, None, None, None, start, part.end, ()), start, "image/jpeg")

    def _not_understood(self, part: Part, view: memoryview) -> None:
        def again() -> str:
            return bytes(view).decode("utf-8", "replace")

        odd = Anomaly("not-understood", ascii(bytes(view[:40]))[2:-1])
        self._document(Found(None, None, part.name or part.filename, (odd,), again))

    def _document(self, found: Found) -> None:
        if self.documents:
            self.budget.document()
        self.documents.append(found)

    def _query(self, query: bytes) -> None:
        documents, anomalies = document.parse(query, "application/x-www-form-urlencoded", self.budget)
        for place, found in enumerate(documents):
            again = _Again(query, 0, len(query), None, place)
            for doc in alerts(found, self.budget):
                if doc is not None and _ALERT_FIELDS & doc.keys():
                    self._document(Found(doc, found.root, None, anomalies, again))


class _Again:
    """Reads one document once more; nothing of it is kept meanwhile but the push."""

    __slots__ = ("body", "content_type", "end", "place", "start")

    def __init__(self, body: bytes, start: int, end: int, content_type: str | None, place: int) -> None:
        self.body = body
        self.start = start
        self.end = end
        self.content_type = content_type
        self.place = place

    def __call__(self) -> Any:
        return document.parse(memoryview(self.body)[self.start : self.end], self.content_type)[0][
            self.place
        ].data


class _Item:
    """Reads one alert of a list once more, and not all of them for each."""

    __slots__ = ("again", "item")

    def __init__(self, again: _Again, item: int) -> None:
        self.again, self.item = again, item

    def __call__(self) -> Any:
        return _listed(self.again())[self.item]


def _listed(data: Any) -> list[Any]:
    """The list of alerts that a document is, or that alone stands in it; else an empty one."""
    if type(data) is dict and len(data) == 1:
        ((name, inside),) = data.items()
        data = inside if name.lower() == _ALERT else None
    return data if type(data) is list else []


def alerts(found: document.Document, budget: Budget) -> Iterable[dict[str, Any] | None]:
    """
    The alerts in one document, folded, out of their wrappers.

    Gateways put the alert into an `EventNotificationAlert`, receivers' forms into
    a field `event_log`; several may stand in a list.
    """
    folded = fold(found.data)
    if type(folded) is dict and "eventtype" in folded:
        return (folded,)
    return _unwrapped(folded, budget, is_form=found.kind == "form")


def _unwrapped(
    data: Any, budget: Budget, *, is_form: bool, depth: int = 4
) -> Iterator[dict[str, Any] | None]:
    if type(data) is list and depth and any(type(item) is dict for item in data):
        for item in data:
            yield from _unwrapped(item, budget, is_form=False, depth=depth - 1)
        return
    if type(data) is not dict:
        yield None
        return
    if is_form:
        inner = [each for value in data.values() for each in _inside(value, budget)]
        if inner:
            yield from inner
            return
    wrapped = data.get(_ALERT)
    if wrapped is None and len(data) == 1:
        only = next(iter(data.values()))
        wrapped = only if type(only) is dict and "eventtype" in only else None
    if depth and type(wrapped) in (dict, list) and wrapped:
        around = {name: value for name, value in data.items() if value is not wrapped}
        for alert in _unwrapped(wrapped, budget, is_form=False, depth=depth - 1):
            budget.take(len(around))
            yield alert if alert is None else {**around, **alert}
        return
    yield data


def _inside(value: Any, budget: Budget) -> Iterator[dict[str, Any] | None]:
    if type(value) is str and value.lstrip()[:1] in ("{", "<", "["):
        for found in document.parse(value.encode("utf-8", "replace"), None, budget)[0]:
            yield from alerts(found, budget)


def _is_plain(text: bytes) -> bool:
    return b"\0" not in text and is_utf8(text)


def _is_declared_picture(part: Part) -> bool:
    named = (part.filename or part.name or "").lower()
    return (part.content_type or "").lower().startswith("image/") or named.endswith(_EXTENSIONS)


def is_binary(part: Part, view: memoryview) -> bool:
    """Whether a part is a picture, or else no text."""
    if _is_declared_picture(part):
        return True
    sample = bytes(view[:512])
    return b"\0" in sample or (not sample.isascii() and not _is_text(sample))


def _is_text(sample: bytes) -> bool:
    return "".join(sample.decode("utf-8", "ignore").split()).isprintable()

"""Bytes to plain data: XML, JSON or a form, by content and not by its declared type."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from hikrecv.push import Anomaly

from . import json_document, xml_document
from .budget import Budget, OverBudget
from .encodings import Origins, Text, is_utf8, is_utf16, label, to_utf8
from .json_balance import rebalancing
from .json_repair import Repaired
from .steps import Steps, at_once
from .xml_plain import read_plain

Kind = Literal["xml", "json", "form", "jpeg", "png", "gif", "bmp", "other", "empty"]
DocumentKind = Literal["xml", "json", "form"]

MOST_MENDED = 100_000
"""Bytes of a text that is read twice when more than its brackets is wrong."""

_GUESSES = 4
"""How often a text is gone through until its encoding is found out, and it is UTF-8."""

_BLANK = b" \t\r\n\0"
_BLANKS = re.compile(rb"(?:\xef\xbb\xbf)?[\s\0]*+")
_BOM = b"\xef\xbb\xbf"
_JPEG = b"\xff\xd8\xff"
_XML_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*"?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)
_FORM = re.compile(rb"[A-Za-z_][\w.%+\[\]-]{0,100}=(?!=|\s*\Z)")
_ENCODED = re.compile(rb"%(?:7b|5b|3c)", re.IGNORECASE)
BEGINNING = re.compile(rb"<\?xml|<(?:\w{1,20}:)?EventNotificationAlert\b|\{\s*[\"}]")
"""Where a document may begin behind bytes that are none."""

_MOST_FIELDS = 1_000
_SHORT_FORM = 4_096


class Document(msgspec.Struct, frozen=True):
    """
    One document of a text.

    :param root: the name of the XML root without prefix; None for JSON and forms.
    :param data: JSON as it is; XML always a dict of what stands inside the root: element
        to key without prefix, a repeated sibling to a list, text as text (stripped), attributes
        other than xmlns and version as ``@name``, text beside them as ``#text``; a form as a
        dict of texts.
    :param start: it came from ``text[start:end]``.
    """

    kind: DocumentKind
    root: str | None
    data: Any
    start: int
    end: int


Parsed = tuple[tuple[Document, ...], tuple[Anomaly, ...]]
"""Documents, and what was forgiven."""


def kind_of(data: bytes | memoryview) -> Kind:
    """What *data* is, by its first bytes."""
    opening = bytes(data[:64])
    first = opening[:1]
    if first == b"{" or first == b"[":
        return "json"
    if first == b"<":
        return "xml"
    if opening[:2] == b"\xff\xd8":
        return "jpeg"
    if opening[:4] == b"\x89PNG":
        return "png"
    if opening[:4] == b"GIF8":
        return "gif"
    if opening[:2] == b"BM" and b"\0" in opening[:10]:
        return "bmp"
    if is_utf16(opening):
        opening = to_utf8(opening).data
    text = opening.removeprefix(_BOM).lstrip(_BLANK) or bytes(data[64:4096]).lstrip(_BLANK)
    if not text:
        return "empty" if not bytes(data[4096:]).strip(_BLANK) else "other"
    if text[:1] == b"<":
        return "xml"
    if text[:1] in b"{[":
        return "json"
    return "form" if _FORM.match(text) or _ENCODED.match(text) else "other"


def begins_later(data: bytes | memoryview) -> bool:
    """Whether a document may begin somewhere in *data*, behind other text."""
    return BEGINNING.search(data) is not None


def parse(text: bytes | memoryview, content_type: str | None = None, budget: Budget | None = None) -> Parsed:
    """
    The documents in *text*, and what was forgiven; ``()`` when there is none.

    The kind is decided by content.  Several alerts glued together are several
    documents; of one that was cut, what is complete is given.  Repairs are the
    last resort: a correct document is never changed.  XML has no document type
    and no entities here.

    :param budget: of the push that *text* is from; one of its own by default.
    :raises OverBudget: when reading it costs more than that.
    """
    budget = budget or Budget()
    budget.scan(len(text))
    budget.document()
    raw = text if isinstance(text, bytes) else bytes(text)
    if raw[:1] == b"{" and (content_type is None or "json" in content_type):
        try:
            return (Document("json", None, json_document.read_correct(raw, budget), 0, len(raw)),), ()
        except ValueError:
            pass
    elif raw[:1] == b"<" and (content_type is None or "xml" in content_type) and raw.isascii():
        found = read_plain(raw) if xml_document.is_small(raw) else None
        if found is not None:
            return (Document("xml", *found, 0, len(raw.rstrip(_BLANK))),), ()
    return at_once(_carefully(raw, content_type, budget))


def parsing(text: bytes, content_type: str | None, budget: Budget) -> Steps[Parsed]:
    """The same in steps, for a text in which something is probably wrong."""
    budget.scan(len(text))
    budget.document()
    return _carefully(text, content_type, budget)


def _carefully(raw: bytes, content_type: str | None, budget: Budget) -> Steps[Parsed]:
    if (
        raw[:1] == b"{"
        and (content_type is None or "json" in content_type)
        and "xml" not in (content_type or "")
    ):
        mended = yield from _mending(raw, budget)
        if mended is not None:
            return (Document("json", None, mended.data, 0, mended.end),), tuple(
                map(Anomaly, mended.anomalies)
            )
    reader = _Reader(raw, content_type or "", budget)
    yield from reader.run()
    return tuple(reader.documents), tuple(Anomaly(name, detail) for name, detail in reader.odd.items())


def text_of(raw: bytes, content_type: str, budget: Budget) -> Text:
    """
    *raw* as UTF-8, by what it says of its encoding and what it looks like.

    :raises OverBudget: when finding that out costs more than *budget* allows.
    """
    if raw.isascii() and not is_utf16(raw):
        return Text(raw)
    if not is_utf8(raw):
        budget.scan(_GUESSES * len(raw))
    declared = _XML_ENCODING.search(raw, 0, 200)
    charset = _CHARSET.search(content_type)
    return to_utf8(raw, declared[1].decode() if declared else charset[1] if charset else None)


def _mending(raw: bytes, budget: Budget) -> Steps[Repaired | None]:
    """JSON in which the brackets are wrong and nothing else is odd, for which no reader is needed."""
    if len(raw) > MOST_MENDED or raw[-1] in _BLANK or not raw.isascii():
        return None
    mended = yield from rebalancing(raw, 0, budget)
    return mended if mended is not None and mended.end == len(raw) else None


class _Reader:
    """One text being read.  `data` is the text as UTF-8, without the blanks around it."""

    __slots__ = ("base", "budget", "content_type", "data", "documents", "odd", "origins")

    def __init__(self, raw: bytes, content_type: str, budget: Budget) -> None:
        self.budget = budget
        self.content_type = content_type.lower()
        self.odd: dict[str, str] = {}
        self.documents: list[Document] = []
        text = self._as_text(raw)
        self.origins = Origins(text)
        self.base, self.data = self._stripped(text.data)

    def note(self, name: str, detail: str = "") -> None:
        self.odd.setdefault(name, detail)

    def _as_text(self, raw: bytes) -> Text:
        if raw.isascii() and not is_utf16(raw):
            return Text(raw)
        picture = raw.find(_JPEG)
        if picture >= 0:
            raw = raw[:picture]
        text = text_of(raw, self.content_type, self.budget)
        if text.anomaly is not None:
            self.note(text.anomaly)
        return text

    def _stripped(self, data: bytes) -> tuple[int, bytes]:
        begin = after_blanks(data, 0)
        if b"\0" in data[:begin] or data[-1:] == b"\0":
            self.note("nul-bytes")
        if data[:3] == _BOM and data[begin : begin + 1] in (b"{", b"["):
            self.note("bom", "JSON has none (RFC 8259, 8.1)")
        return begin, data[begin:].rstrip(_BLANK)

    def run(self) -> Steps[None]:
        at = 0
        # Escapes are gone through in single calls, together with the text that they stand in.
        self.budget.expect(max(map(self.data.count, (b"\\", b"&"))))
        while at < len(self.data):
            if at:
                self.budget.document()
                yield
            end = yield from self._document(at)
            if end is None:
                end = self._later(at)
            at = after_blanks(self.data, max(end, at + 1))
        if len(self.documents) > 1:
            self.note("glued-documents", f"{len(self.documents)} documents")

    def _document(self, at: int) -> Steps[int | None]:
        """Read the document at *at*; the place behind it, or None when there is none."""
        first = self.data[at : at + 1]
        if first == b"<":
            return (yield from self._xml(at))
        if first in (b"{", b"["):
            return (yield from self._json(at))
        return None if self.documents else self._scalar() or (yield from self._form())

    def _later(self, at: int) -> int:
        """Bytes that are no document: the place where one may begin after them, else the end."""
        found = BEGINNING.search(self.data, at + 1)
        if found is not None or self.documents:
            self.note(
                "trailing-bytes" if self.documents else "leading-bytes", repr(self.data[at : at + 40])[2:-1]
            )
        return len(self.data) if found is None else found.start()

    def _add(self, kind: DocumentKind, root: str | None, data: Any, at: int, end: int) -> int:
        if ("json" if kind == "xml" else "xml") in self.content_type:
            self.note("content-type-wrong", f"{kind} declared as {self.content_type[:40]}")
        start, stop = self.origins.of(self.base + at), self.origins.of(self.base + end)
        self.documents.append(Document(kind, root, data, start, stop))
        return end

    def _json(self, at: int) -> Steps[int | None]:
        found = yield from json_document.reading(self.data, at, self.budget)
        if found is None:
            return None
        for name in found.anomalies:
            self.note(name)
        return self._add("json", None, found.data, at, found.end)

    def _xml(self, at: int) -> Steps[int | None]:
        try:
            found = yield from xml_document.reading(self.data, at, self.budget)
        except xml_document.Refused as refusal:
            self.note(str(refusal))
            return len(self.data)
        if found is None:
            return None
        for name, detail in found.anomalies:
            self.note(name, detail)
        return self._add("xml", found.root, found.data, at, found.end)

    def _scalar(self) -> int | None:
        """JSON may be no more than a string, a number or a word (RFC 8259, 2)."""
        if self.data[:1] not in b'"-0123456789tfn':
            return None
        try:
            data = json_document.read_correct(self.data, self.budget)
            return self._add("json", None, data, 0, len(self.data))
        except ValueError:
            return None

    def _form(self) -> Steps[int | None]:
        """A form, or a document that was percent-encoded or put into a form's field."""
        size = len(self.data)
        if len(self.data) > _SHORT_FORM:
            self.budget.take(self.data.count(b"%") + self.data.count(b"&"))
        if _ENCODED.match(self.data):
            plain = unquote_to_bytes(self.data.replace(b"+", b" "))
            return size if (yield from self._wrapped(plain)) else None
        if _FORM.match(self.data) is None:
            return None
        try:
            fields = _fields(self.data)
        except ValueError:
            raise OverBudget(f"more than {_MOST_FIELDS} fields") from None
        for value in fields.values():
            if value.lstrip()[:1] in (b"{", b"<") and (yield from self._wrapped(value)):
                return size
        return self._add("form", None, {label(name): label(value) for name, value in fields.items()}, 0, size)

    def _wrapped(self, inner: bytes) -> Steps[bool]:
        self.budget.scan(len(inner))
        reader = _Reader(inner, "", self.budget)
        if reader.data[:1] not in (b"{", b"[", b"<"):
            return False
        yield from reader.run()
        self.note("form-encoded")
        for name, detail in reader.odd.items():
            self.note(name, detail)
        if reader.documents:
            first, *more = reader.documents
            self._add(first.kind, first.root, first.data, 0, len(self.data))
            whole = self.documents[-1]
            self.documents += [
                msgspec.structs.replace(found, start=whole.start, end=whole.end) for found in more
            ]
        return bool(reader.documents)


def _fields(data: bytes) -> dict[bytes, bytes]:
    # As Latin-1, since what is percent-encoded may be in any encoding.
    text = data.decode("latin-1")
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, encoding="latin-1")
    return {name.encode("latin-1"): value.encode("latin-1") for name, value in pairs}


def after_blanks(data: bytes, at: int) -> int:
    """The place behind the blanks, NULs and the mark that may stand at *at*."""
    found = _BLANKS.match(data, at)
    return at if found is None else found.end()

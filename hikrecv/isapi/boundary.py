"""The delimiter that a multipart body really uses, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

Note = Callable[..., object]
"""Takes the name of something that was forgiven, and perhaps a detail."""

_LINE_ENDS = (b"\r\n", b"\n\r", b"\n", b"\r")

BLANK = b" \t\r\n\0"


class MultipartLimits(msgspec.Struct, frozen=True):
    """
    What one body may ask of us.

    :param parts: how many parts; the last one keeps all that follows.
    :param head: bytes of one part's headers.
    :param lines: header lines of one part.
    :param preamble: bytes in front of the first delimiter.
    :param epilogue: bytes behind the closing delimiter that are searched for more parts.
    :param boundary: bytes of a boundary (RFC 2046 says 70).
    :param lookalikes: delimiters in a row, or texts like one, before they count as payload.
    """

    parts: int = 64
    head: int = 16_384
    lines: int = 64
    preamble: int = 65_536
    epilogue: int = 65_536
    boundary: int = 200
    lookalikes: int = 4_096


USUAL_LIMITS = MultipartLimits()

_DECLARED = re.compile(rb'boundary[ \t]*=[ \t]*(?:"([^"]*)|([^\s;"]+))', re.IGNORECASE)
_ENDS = re.compile(rb"--|[ \t]*(?:[\r\n]|\Z)")
_FIRST_LINE = re.compile(rb"[\s\0]*+(--[^\r\n]{1,300}+)(?:[\r\n]|\Z)")
_BEFORE_HEADER = re.compile(
    rb"(?:\A|[\r\n])([^\r\n:]{2,300}+)(?:\r\n|\n\r|\n|\r)content-(?:disposition|type|length|id)[ \t]*+:",
    re.IGNORECASE,
)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}+):[ \t]*+([^\r\n]{0,1000}+)[\r\n]\s*+")
_HEADER_FOLLOWS = re.compile(rb"--|[ \t]*(?:\r\n|\n\r|\n|\r)[!-9;-~]+[ \t]*:")


def opens_like_multipart(body: bytes) -> bool:
    """Whether *body* begins with a line of dashes and a name, and a part's header after it."""
    opening = body[:1024].lstrip(BLANK)
    return opening[:2] == b"--" and _BEFORE_HEADER.match(opening) is not None


def stray_content_type(body: bytes) -> bytes | None:
    """
    The Content-Type of a multipart request whose headers stand in its *body*.

    An empty line behind the request line ends the head too early; the manufacturer's own description
    of its face events prints one behind each header, and people build what is printed.
    """
    at = 0
    while (field := _FIELD.match(body, at, 4096)) is not None:
        if field[1].lower() == b"content-type":
            return field[2] if field[2][:10].lower() == b"multipart/" else None
        at = field.end()
    return None


def declared_boundary(content_type: bytes) -> bytes | None:
    """The boundary that a Content-Type names, or None."""
    found = _DECLARED.search(content_type)
    return None if found is None else (found[1] or found[2] or b"").strip() or None


class Boundary:
    """
    The boundary of one body.

    :ivar text: a whole delimiter as it stands at a line's start, dashes included.
    :ivar spaced: an empty line stands behind each header, as in :func:`stray_content_type`.
    """

    __slots__ = ("body", "crlf", "limits", "note", "patience", "spaced", "text")

    def __init__(self, body: bytes, limits: MultipartLimits, note: Note) -> None:
        self.body = body
        self.limits = limits
        self.note = note
        self.text = b""
        self.crlf = True
        self.spaced = False
        self.patience = limits.lookalikes

    def settle(self, content_type: bytes | None) -> int | None:
        """Decide which text it is; where it stands first, or None when there is none."""
        declared = self._declared(content_type)
        if declared is not None:
            if (first := self._try(b"--" + declared)) is not None:
                return first
            if (first := self._try(declared)) is not None:
                self.note("boundary-short", "the body's delimiters lack their two dashes")
                return first
        sniffed = self._sniffed()
        first = None if sniffed is None else self._try(sniffed)
        if first is not None:
            self.note("boundary-missing" if declared is None else "boundary-mismatched", repr(sniffed)[2:-1])
        return first

    def ends_at(self, at: int) -> bool:
        """Whether the delimiter's text may end at *at*: `--`, or nothing more on the line."""
        following = self.body[at : at + 2]
        return following in (b"\r\n", b"--") or _ENDS.match(self.body, at) is not None

    def at(self, place: int) -> int | None:
        """The place behind the delimiter, when *place* is exactly where a payload's line end stands."""
        for end in _LINE_ENDS:
            begin = place + len(end)
            if self.body.startswith(end, place) and self.body.startswith(self.text, begin):
                after = begin + len(self.text)
                return after if self.ends_at(after) else None
        return None

    def find(self, start: int, stop: int | None = None) -> tuple[int, int] | None:
        """The next delimiter: where the payload before it ends, and the place behind its text."""
        body, text = self.body, self.text
        place = body.find(text, start, stop)
        while place >= 0:
            after = place + len(text)
            if self.ends_at(after):
                end = self._payload_end(start, place, after)
                if end is not None:
                    return end, after
            if not self.may_go_on():
                return None
            place = body.find(text, place + 1, stop)
        return None

    def may_go_on(self) -> bool:
        """Whether one more text like a delimiter is looked at; a body made of them costs time."""
        self.patience -= 1
        if self.patience < 0:
            self.note("lookalikes", "too many texts like a delimiter; the rest counts as payload")
        return self.patience >= 0

    def _payload_end(self, start: int, place: int, after: int) -> int | None:
        if place == start:
            return place
        before = self.body[max(start, place - 2) : place]
        if before == b"\r\n":
            return place - 2
        if before[-1:] not in b"\r\n":
            return None
        if self.crlf and not _HEADER_FOLLOWS.match(self.body, after):
            return None
        self.note("bare-line-ends", "a line end other than CRLF before a delimiter")
        return place - (2 if before == b"\n\r" else 1)

    def _declared(self, content_type: bytes | None) -> bytes | None:
        value = None if content_type is None else declared_boundary(content_type)
        if value is not None and len(value) > self.limits.boundary:
            self.note("boundary-too-long", f"{len(value)} bytes")
            return None
        return value

    def _try(self, text: bytes) -> int | None:
        """Take *text* when it is a line of the body within the preamble's limit."""
        body, place = self.body, 0
        if not body.startswith(text):
            place = body.find(text, 0, self.limits.preamble + len(text))
        while place >= 0:
            after = place + len(text)
            if (place == 0 or body[place - 1 : place] in b"\r\n") and self.ends_at(after):
                self.text = text
                self.crlf = body[after : after + 2] in (b"\r\n", b"--")
                return place
            place = body.find(text, place + 1, self.limits.preamble + len(text))
        return None

    def _sniffed(self) -> bytes | None:
        window = self.body[: self.limits.preamble]
        found = _FIRST_LINE.match(window) or _BEFORE_HEADER.search(window)
        text = b"" if found is None else found[1].rstrip(b" \t")
        if text[-2:] == b"--" and text.strip(b"-"):
            text = text[:-2]  # the closing delimiter comes first, or alone
        return text if 2 < len(text) <= self.limits.boundary + 2 else None

"""Cut a multipart body into parts, whatever its boundaries look like."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hikrecv.push import Anomaly

from .boundary import (
    BLANK,
    USUAL_LIMITS,
    Boundary,
    MultipartLimits,
    Note,
    declared_boundary,
    opens_like_multipart,
    stray_content_type,
)
from .part_head import Part, read_head, usual_part

__all__ = ["USUAL_LIMITS", "MultipartLimits", "Part", "looks_multipart", "payloads", "split"]

_SIZED_HEAD = re.compile(
    rb"\r\nContent-Disposition: [^\r\n]*\r\nContent-Type: ([^\r\n]*)\r\n"
    rb"Content-Length: ([0-9]{1,18})\r\n(?:Content-ID: [^\r\n]*\r\n)?\r\n"
)
_NOT_BLANK = re.compile(rb"[^ \t\r\n\0]")
_LINE_END = re.compile(rb"([ \t]*)(\r\n|\n\r|\n|\r|\Z)")


def looks_multipart(body: bytes, content_type: bytes | None) -> bool:
    """Whether *body* is declared as multipart, or begins as one."""
    if content_type is not None and content_type[:10].lower() == b"multipart/":
        return True
    return opens_like_multipart(body) or (content_type is None and stray_content_type(body) is not None)


def split(
    body: bytes, content_type: bytes | None, limits: MultipartLimits = USUAL_LIMITS
) -> tuple[tuple[Part, ...], tuple[Anomaly, ...]]:
    """
    The parts of *body* (RFC 2046, RFC 7578), and what was forgiven.

    Firmware announces one boundary and uses another, doubles or cuts delimiters,
    ends lines with LF, leaves out headers, names and blank lines, and states part
    lengths that are wrong.  All of that is read.  A part's own Content-Length is
    believed only where a delimiter follows: then a picture is jumped over and not
    searched.  A Content-Transfer-Encoding is never decoded (RFC 7578, 4.7).

    Never raises.  A body without any delimiter is one part without headers.
    """
    if not body:
        return (), ()
    usual = _usual_parts(body, content_type, limits)
    if usual is not None:
        return usual, ()
    splitter = _Splitter(body, limits)
    parts = tuple(splitter.parts(content_type or splitter.stray_content_type()))
    return parts, tuple(Anomaly(name, detail or "") for name, detail in splitter.odd.items())


def _usual_parts(body: bytes, content_type: bytes | None, limits: MultipartLimits) -> tuple[Part, ...] | None:
    """The parts of a body in which nothing is odd: most are so, and need no step-by-step search."""
    declared = None if content_type is None else declared_boundary(content_type)
    if declared is None or len(declared) > limits.boundary or not body.startswith(first := b"--" + declared):
        return None
    parts: list[Part] = []
    at, delimiter = len(first), b"\r\n" + first
    while body.startswith(b"\r\n", at) and len(parts) < limits.parts:
        part = usual_part(body, at + 2, at + 2 + limits.head)
        if part is None or not body.startswith(delimiter, part.end):
            return None
        parts.append(part)
        at = part.end + len(delimiter)
    return tuple(parts) if body[at : at + 5] in (b"--\r\n", b"--") else None


def payloads(
    body: bytes, content_type: bytes | None, limits: MultipartLimits = USUAL_LIMITS
) -> list[tuple[int, int, bytes]]:
    """
    Where the payloads of *body* are, each with its Content-Type: all of *body* when it is not multipart.

    For what must look at every text that a device wrote: a preamble and an epilogue are given too.
    """
    if not looks_multipart(body, content_type):
        return [(0, len(body), content_type or b"")]
    places = _usual_payloads(body, content_type)
    if places is not None:
        return places
    splitter = _Splitter(body, limits)
    parts = splitter.parts(content_type or splitter.stray_content_type())
    places = [(part.start, part.end, _content_type(part)) for part in parts]
    if splitter.begin and not (places and places[0][0] == 0):
        places.insert(0, (0, splitter.begin, b""))
    if splitter.end is not None:
        places.append((splitter.end, len(body), b""))
    return places


def _usual_payloads(body: bytes, content_type: bytes | None) -> list[tuple[int, int, bytes]] | None:
    """The same for a body in which every head is the usual one and every length is right."""
    declared = None if content_type is None else declared_boundary(content_type)
    if declared is None or not body.startswith(delimiter := b"--" + declared):
        return None
    places, at = [], len(delimiter)
    delimiter = b"\r\n" + delimiter
    while (head := _SIZED_HEAD.match(body, at, at + 1024)) is not None:
        start = head.end()
        end = start + int(head[2])
        if not body.startswith(delimiter, end):
            return None
        places.append((start, end, head[1]))
        at = end + len(delimiter)
    return places if body[at:] in (b"--\r\n", b"--") else None


def _content_type(part: Part) -> bytes:
    return (part.content_type or "").encode("utf-8", "replace")


class _Splitter:
    """
    One body being cut.  Every step moves forward, so that it ends on any input.

    :ivar begin: where a preamble ends.
    :ivar end: where an epilogue begins; None without one.
    """

    __slots__ = ("begin", "body", "boundary", "end", "limits", "note", "odd")

    def __init__(self, body: bytes, limits: MultipartLimits) -> None:
        self.body = body
        self.limits = limits
        self.begin = 0
        self.end: int | None = None
        self.odd: dict[str, str | None] = {}
        # Of the dictionary and not of this object: a circle would keep the body until the next collection.
        self.note: Note = self.odd.setdefault
        self.boundary = Boundary(body, limits, self.note)

    def stray_content_type(self) -> bytes | None:
        found = stray_content_type(self.body)
        if found is not None:
            self.boundary.spaced = True
            self.note("head-in-body", "the request's headers stand in its body")
        return found

    def parts(self, content_type: bytes | None) -> Iterator[Part]:
        first = self.boundary.settle(content_type)
        if first is None:
            self.note("no-delimiter", "no line of the body is a boundary")
            yield Part(None, None, None, None, 0, len(self.body), ())
            return
        yield from self._preamble(first)
        at = self._next_head(first + len(self.boundary.text))
        count = 0
        while at is not None:
            count += 1
            head = read_head(self.boundary, at)
            end, after = self._payload_end(head.start, head.length)
            at = None if after is None else self._next_head(after)
            if at is not None and count == self.limits.parts:
                self.note("too-many-parts", f"more than {self.limits.parts}; the last one keeps the rest")
                end, at = len(self.body), None
            if not head.headers and end == head.start:
                self.note("empty-part")
                continue
            if head.name is None:
                self.note("part-without-name" if head.headers else "part-without-headers")
            yield head.part(end)

    def _preamble(self, first: int) -> Iterator[Part]:
        text = self.body[:first].rstrip(BLANK)
        # Without the line end, which belongs to the delimiter: masking must not touch that.
        self.begin = len(text)
        text = text.lstrip(BLANK)
        if not text:
            return
        self.note("preamble", f"{first} bytes before the first delimiter")
        if text[:1] in b"{<":  # an alert in front of its pictures is no preamble, even one that is cut
            yield Part(None, None, None, None, 0, self.begin, ())

    def _next_head(self, at: int) -> int | None:
        """Where the next part's head begins, given the place behind a delimiter's text; None at the end."""
        body, text = self.body, self.boundary.text
        while True:
            if body[at : at + 2] == b"--":
                more = self._after_end(at + 2)
                if more is None:
                    return None
                at = more
                continue
            head = at + 2 if body[at : at + 2] == b"\r\n" else self._odd_line_end(at)
            if len(body) - head < 64 and not body[head:].strip(BLANK):
                self.note("unfinished", "the last delimiter is not a closing one")
                return None
            if not body.startswith(text, head) or not self.boundary.ends_at(head + len(text)):
                return head
            if not self.boundary.may_go_on():
                return head
            self.note("doubled-delimiter")
            at = head + len(text)

    def _odd_line_end(self, at: int) -> int:
        found = _LINE_END.match(self.body, at)
        if found is None:
            return at
        if found[1]:
            self.note("delimiter-blanks")
        if found[2] not in (b"\r\n", b""):
            self.note("bare-line-ends", repr(found[2])[2:-1])
        return found.end()

    def _after_end(self, at: int) -> int | None:
        """Most bodies end at the closing delimiter; where one goes on, the place behind the next."""
        stop = at + self.limits.epilogue
        if _NOT_BLANK.search(self.body, at, stop) is None:
            return None
        more = self.boundary.find(at, stop)
        if more is None:
            self.end = at
            self.note("epilogue", f"{len(self.body) - at} bytes after the closing delimiter")
            return None
        if not self.boundary.may_go_on():
            self.end = at
            return None
        self.note("parts-after-end")
        return more[1]

    def _payload_end(self, start: int, length: int | None) -> tuple[int, int | None]:
        """Where a payload ends, and the place behind the delimiter that ends it (None: there is none)."""
        if length is not None:
            after = self.boundary.at(start + length)
            if after is not None:
                return start + length, after
        found = self.boundary.find(start)
        if found is None:
            return self._unfinished_end(start, length), None
        if length is not None:
            self.note("part-length-wrong", f"{length} stated, {found[0] - start} found")
        return found

    def _unfinished_end(self, start: int, length: int | None) -> int:
        self.note("unfinished", "the body ends inside a part")
        body, size = self.body, len(self.body)
        closing = b"\r\n" + self.boundary.text + b"--\r\n"
        if length is not None and size - len(closing) <= start + length <= size:
            rest = body[start + length :]
            if not rest.strip(BLANK) or closing.startswith(rest):
                return start + length
        # A delimiter that was cut belongs to no payload.
        line = body.rfind(b"\n-", max(start, size - len(closing)))
        if line >= 0 and closing.startswith(body[line + 1 :], 2):
            return line - 1 if body[line - 1 : line] == b"\r" and line > start else line
        return size

"""The headers of one part of a multipart body."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec
from multipart import content_disposition_unquote, parse_options_header

from .boundary import Boundary
from .encodings import label, to_utf8

Headers = tuple[tuple[bytes, bytes], ...]

# The head as most firmware writes it.  Everything else is read line by line.
_USUAL = re.compile(
    rb'Content-Disposition: (form-data; name="([ !#$&-\[\]-~]*)"(?:; filename="([ !#$&-\[\]-~]*)")?)\r\n'
    rb"Content-Type: ([ -~]*)\r\n"
    rb"(?:Content-Length: ([0-9]{1,18})\r\n)?"
    rb"(?:Content-ID: ([ -~]*)\r\n)?\r\n"
)
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*"
_HEADER = re.compile(_NAME + b":")
_MORE = re.compile(rb"content-(?:disposition|type|length|id)[ \t]*:", re.IGNORECASE)
_LINE = re.compile(rb"([^\r\n]*+)(\r\n|\n\r|\n|\r|\Z)")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n\r|\n|\r)[ \t]*+(?>\r\n|\n\r|\n|\r)")
_PAYLOAD = re.compile(rb"[ \t]*[{\[<]|\xff\xd8|\x89PNG|\xef\xbb\xbf")
_EXTENDED = re.compile(r';[ \t]*filename\*(?:([0-9]{1,3})\*?)?[ \t]*=[ \t]*("[^"]*"|[^;\s]*)', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """
    One section of a multipart body: offsets, nothing is copied.

    The labels are a device's words: a file name is a label, never a path.

    :param start: the payload is ``body[start:end]``.
    :param headers: as they came, in order, values stripped.
    """

    name: str | None
    filename: str | None
    content_id: str | None
    content_type: str | None
    start: int
    end: int
    headers: Headers


class PartHead(msgspec.Struct):
    """
    What stands in front of a payload.

    :param start: where the payload begins.
    :param length: the part's own Content-Length, when it is a number.
    """

    headers: Headers
    start: int
    name: str | None = None
    filename: str | None = None
    content_id: str | None = None
    content_type: str | None = None
    length: int | None = None

    def part(self, end: int) -> Part:
        """The part whose payload ends at *end*."""
        return Part(
            self.name, self.filename, self.content_id, self.content_type, self.start, end, self.headers
        )


def read_head(boundary: Boundary, at: int) -> PartHead:
    """The head that begins at *at*, the place behind a delimiter line.  Never raises."""
    usual = _USUAL.match(boundary.body, at, at + boundary.limits.head)
    if usual is not None and usual[2]:
        length = None if usual[5] is None else int(usual[5])
        part = _usual_part(usual, length or 0)
        return PartHead(
            part.headers, part.start, part.name, part.filename, part.content_id, part.content_type, length
        )
    headers, start = _lines(boundary, at)
    head = PartHead(headers, start)
    for name, value in headers:
        _take(head, name.lower(), value)
    return head


def usual_part(body: bytes, at: int, stop: int) -> Part | None:
    """The part that begins at *at* when its head is the usual one, ends before *stop* and says its length."""
    found = _USUAL.match(body, at, stop)
    if found is None or not found[2] or found[5] is None:
        return None
    return _usual_part(found, int(found[5]))


def _usual_part(found: re.Match[bytes], size: int) -> Part:
    disposition, name, filename, kind, length, content_id = found.groups()
    headers: Headers = ((b"Content-Disposition", disposition), (b"Content-Type", kind.strip()))
    if length is not None:
        headers += ((b"Content-Length", length),)
    if content_id is not None:
        headers += ((b"Content-ID", content_id.strip()),)
    start = found.end()
    return Part(
        name.decode(),
        filename.decode() if filename else None,
        None if content_id is None else _identifier(content_id),
        kind.decode().strip() or None,
        start,
        start + size,
        headers,
    )


def _lines(boundary: Boundary, at: int) -> tuple[Headers, int]:
    """Headers line by line: folded, without a colon, without a blank line, without anything."""
    body, limits, note = boundary.body, boundary.limits, boundary.note
    headers: list[tuple[bytes, bytes]] = []
    stop = at + limits.head
    for _ in range(limits.lines):
        found = _LINE.match(body, at, stop)
        if found is None or found.end() >= stop:
            break
        line, end = found[1], found[2]
        if not line.strip(b" \t") and end:
            if not boundary.spaced or _MORE.match(body, found.end()) is None:
                return tuple(headers), found.end()
            note("empty-line-in-head")
            at = found.end()
            continue
        header = _HEADER.match(line)
        if line.startswith(boundary.text) and boundary.ends_at(at + len(boundary.text)):
            note("no-blank-line")
            return tuple(headers), at
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1] = (headers[-1][0], headers[-1][1] + b" " + line.strip(b" \t"))
        elif header:
            headers.append(_pair(line))
        elif not end or _begins_payload(boundary, at):
            note("no-blank-line")
            return tuple(headers), at
        else:
            note("header-without-colon", repr(line[:40])[2:-1])
        if end not in (b"\r\n", b""):
            note("bare-line-ends", repr(end)[2:-1])
        at = found.end()
        if not end:
            return tuple(headers), at
    return _cut_head(boundary, at, headers)


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.rstrip(b" \t"), value.strip(b" \t")


def _begins_payload(boundary: Boundary, at: int) -> bool:
    """Whether a line that is no header is already payload: it looks so, or no blank line follows."""
    body = boundary.body
    if _PAYLOAD.match(body, at):
        return True
    blank = _BLANK_LINE.search(body, at, at + boundary.limits.head)
    return blank is None or boundary.text in body[at : blank.start()]


def _cut_head(boundary: Boundary, at: int, headers: list[tuple[bytes, bytes]]) -> tuple[Headers, int]:
    """A head that is over a limit: what fits of it, and a payload that begins behind its blank line."""
    body = boundary.body
    boundary.note("head-too-long")
    if len(headers) < boundary.limits.lines:
        rest = body[at : at + boundary.limits.head].partition(b"\r\n")[0]
        if _HEADER.match(rest):
            headers.append(_pair(rest))
    stop = at + 4 * boundary.limits.head
    following = body.find(boundary.text, at, stop)
    blank = _BLANK_LINE.search(body, at, stop if following < 0 else following)
    return tuple(headers), at if blank is None else blank.end()


def _take(head: PartHead, name: bytes, value: bytes) -> None:
    """Note what a header says; the first of its name counts."""
    if name == b"content-disposition":
        if head.name is None and head.filename is None:
            head.name, head.filename = _disposition(value)
    elif name == b"content-type":
        head.content_type = head.content_type or label(value) or None
    elif name == b"content-length":
        if head.length is None and value.isdigit() and len(value) <= 18:
            head.length = int(value)
    elif name == b"content-id":
        head.content_id = head.content_id or _identifier(value)


def _identifier(value: bytes) -> str | None:
    return label(value.strip(b" \t<>")) or None


def _disposition(value: bytes) -> tuple[str | None, str | None]:
    text = label(value)
    _, options = parse_options_header(text, unquote=content_disposition_unquote)
    return options.get("name") or None, _extended_name(text) or options.get("filename") or None


def _extended_name(text: str) -> str | None:
    """A file name as RFC 2231 writes it: with a charset, and perhaps in numbered pieces."""
    pieces = [(int(number or 0), value.strip('"')) for number, value in _EXTENDED.findall(text)]
    if not pieces:
        return None
    charset, quote, rest = "".join(value for _, value in sorted(pieces)).partition("'")
    raw = unquote_to_bytes(rest.partition("'")[2] if quote else charset)
    return to_utf8(raw, charset if quote else None).data.decode("utf-8", "replace")

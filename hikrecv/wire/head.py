"""The request line and the header lines: bytes to values, with a name for every oddity."""

from __future__ import annotations

import re
from typing import NamedTuple

from .anomalies import Notes, Unreadable

MOST_HEADERS = 500

Headers = list[tuple[bytes, bytes]]
Found = dict[bytes, bytes]


class RequestLine(NamedTuple):
    """Method (upper case), normalised target, and the version that is spoken: ``1.0`` or ``1.1``."""

    method: str
    target: bytes
    version: str


# -- the request line -----------------------------------------------------------

_METHODS = {name.encode(): name for name in ("POST", "PUT", "GET", "HEAD", "DELETE", "OPTIONS", "NOTIFY")}
_REFUSED = ("CONNECT", "TRACE")
_PRINTABLE = bytes(range(0x21, 0x7F))
_PLAIN = _PRINTABLE.replace(b"%", b"")
_NOT_CONTROL = bytes(byte for byte in range(256) if byte >= 0x20 and byte != 0x7F)
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])", re.IGNORECASE)
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]*)?")
_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def plain_request_line(line: bytes) -> RequestLine | None:
    """Read a *line* that has nothing odd about it; None for every other."""
    words = line.split(b" ", 3)
    if len(words) != 3 or words[2] != b"HTTP/1.1":
        return None
    method, target = _METHODS.get(words[0]), words[1]
    if method is None or target[:1] != b"/" or target.translate(None, _PLAIN):
        return None
    return RequestLine(method, target, "1.1")


def odd_request_line(line: bytes, notes: Notes) -> RequestLine:
    """
    Read any other *line* that begins with a method.

    Blanks are forgiven where they cannot be told from the target's own: before, after and inside it.

    :raises Unreadable: 400 without a version, 405 for CONNECT and TRACE, 505 for another HTTP than 1.
    """
    if b"\r" in line or b"\0" in line:
        raise Unreadable(400, "bad-request-line", "the request line holds a CR or NUL byte")
    text = line.replace(b"\t", b" ").rstrip(b" ")
    method, _, rest = text.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    spoken = _version(version, notes)
    if text != line or target != target.strip(b" "):
        notes.add("odd-blanks")
    name = method.decode("ascii").upper()
    if name in _REFUSED:
        raise Unreadable(405, "method-refused", f"{name} is for proxies and for tests of them")
    if name.encode() != method:
        notes.add("lower-case-method")
    return RequestLine(name, _target(target.strip(b" "), name, notes), spoken)


def _version(word: bytes, notes: Notes) -> str:
    found = _VERSION.fullmatch(word)
    if found is None:
        raise Unreadable(400, "bad-request-line", "the request line does not end with an HTTP version")
    if found[1] != b"1":
        raise Unreadable(505, "bad-request-line", "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if not word.startswith(b"HTTP"):
        notes.add("lower-case-version")
    if found[2] not in b"01":
        notes.add("unknown-version")
    return "1.0" if found[2] == b"0" else "1.1"


def _target(target: bytes, method: str, notes: Notes) -> bytes:
    if not target:
        notes.add("empty-target")
    if b" " in target:
        notes.add("blank-in-target")
    if target.translate(None, _NOT_CONTROL):
        notes.add("control-in-target")
    if not target.isascii():
        notes.add("non-ascii-target")
    if _BAD_PERCENT.search(target):
        notes.add("bad-percent-encoding")
    return _path(target, method, notes)


def _path(target: bytes, method: str, notes: Notes) -> bytes:
    if target.startswith(b"/"):
        return target
    if target in (b"", b"*"):
        if target and method != "OPTIONS":  # to which RFC 9112, 3.2.4 gives it
            notes.add("star-target")
        return b"/"
    authority = _AUTHORITY.match(target)
    if authority is None:
        notes.add("target-without-slash")
        return b"/" + target
    notes.add("absolute-target")
    rest = target[authority.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def check_host(value: bytes, notes: Notes) -> None:
    """Note a *value* that is no ``uri-host [ ":" port ]`` (RFC 9110, 7.2); an empty one is allowed."""
    if _HOST.fullmatch(value) is None:
        notes.add("bad-host")


# -- the header lines -------------------------------------------------------------

_FRAMING = (b"content-length", b"transfer-encoding")
_READ = (*_FRAMING, b"content-type", b"connection", b"expect", b"host")
_COMMON = (
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"authorization",
    b"cache-control",
    b"date",
    b"user-agent",
)
_KEYS = {
    spelled: name if name in _READ else b"" for name in _READ + _COMMON for spelled in (name, name.title())
}
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDINARY = bytes(range(0x20, 0x7F)) + b"\t"


def header_lines(block: bytes, eol: bytes, notes: Notes) -> tuple[Headers, Found]:
    """
    Read the lines between the request line and the empty line.

    :param block: without the last line end.
    :param eol: how this request ends its lines.
    :returns: all headers, and by lower-case name those that the reader itself needs (joined with commas).
    :raises Unreadable: 400 or 431.
    """
    lines = block.split(eol) if block else []
    if len(lines) > MOST_HEADERS:
        raise Unreadable(431, "too-many-headers", f"the request has more than {MOST_HEADERS} headers")
    if block.translate(None, _ORDINARY) != eol * (len(lines) - 1):
        _check_bytes(block, eol, notes)
    if block[:1] in (b" ", b"\t") or b"\n " in block or b"\n\t" in block:
        lines = _unfolded(lines, notes)
    headers: Headers = []
    found: Found = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = _KEYS.get(name)
        if key is None or not colon:
            name, key = _odd_name(name, colon, notes)
            if key is None:
                continue
        value = value.strip(b" \t")
        headers.append((name, value))
        if key:
            _remember(found, key, value, notes)
    return headers, found


def _remember(found: Found, key: bytes, value: bytes, notes: Notes) -> None:
    if key not in found:
        found[key] = value
        return
    found[key] += b"," + value
    if key == b"host":
        notes.add("repeated-host")
    elif key == b"content-type":
        notes.add("repeated-content-type")


def _check_bytes(block: bytes, eol: bytes, notes: Notes) -> None:
    if b"\0" in block:
        raise Unreadable(400, "nul-in-header", "a header holds a NUL byte")
    rest = block.replace(eol, b"")
    if b"\r" in rest:
        raise Unreadable(400, "bare-cr", "a header holds a CR that ends no line")
    if b"\n" in rest:
        raise Unreadable(400, "mixed-line-ends", "some header lines end with CR LF and others with LF")
    if rest.replace(b"\t", b"").translate(None, _NOT_CONTROL):
        notes.add("control-in-header")


def _unfolded(lines: list[bytes], notes: Notes) -> list[bytes]:
    whole: list[list[bytes]] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            whole.append([line])
        elif whole:
            notes.add("folded-header")
            whole[-1].append(line.strip(b" \t"))
        else:
            notes.add("leading-fold")
    return [b" ".join(pieces) for pieces in whole]


def _odd_name(name: bytes, colon: bytes, notes: Notes) -> tuple[bytes, bytes | None]:
    if not colon:
        notes.add("header-without-colon")
        return name, None
    bare = name.rstrip(b" \t")
    key = bare.lower()
    if not bare or bare.translate(None, _TOKEN):
        notes.add("bad-header-name" if bare else "header-without-name", _shown(bare))
        return name, None
    if bare != name:
        if key in _FRAMING:
            raise Unreadable(400, "blank-before-colon", "a blank stands before the colon of a framing header")
        notes.add("blank-before-colon", _shown(bare))
    return bare, key if key in _READ else b""


def _shown(name: bytes) -> str:
    return repr(name[:40])[2:-1]

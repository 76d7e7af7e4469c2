"""Recognise what is not HTTP/1 by its first bytes: TLS, the SDK's protocol, RTSP, SIP, HTTP/2."""

from __future__ import annotations

import re
from typing import Literal

from .messages import Kind

LONGEST_METHOD = 32
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{0,33}")


def by_first_bytes(data: bytes, at: int = 0) -> Kind | Literal["text"] | None:
    """
    Judge the bytes from *at* on, the beginning of a request.

    :returns: None while they can become a method; ``text`` for what is readable but no request.
    """
    method = _METHOD.match(data, at)
    end = method.end() if method else at
    if end - at > LONGEST_METHOD:
        return "text"
    if end == len(data):
        return None
    return _by_odd_byte(data[at:end], data[end])


def _by_odd_byte(before: bytes, byte: int) -> Kind | Literal["text"] | None:
    if byte in b" \t\r\n":
        return None if before else "text"
    if byte == 0x16 and not before:
        return "tls"
    if byte == 0x2F and before in (b"RTSP", b"SIP"):
        return "rtsp" if before == b"RTSP" else "sip"
    # The SDK's packets begin with their length as a big-endian word: a zero byte comes first.
    if byte == 0:
        return "sdk"
    return "binary" if byte < 0x20 or byte >= 0x7F else "text"


def by_line(line: bytes) -> Kind | None:
    """Judge a whole first line that may be a request of another protocol."""
    version = line.rstrip().rpartition(b" ")[2].upper()
    if line.startswith(b"PRI * HTTP/2"):
        return "http2"
    if version.startswith(b"RTSP/"):
        return "rtsp"
    return "sip" if version.startswith(b"SIP/") else None

"""Choose from the headers how the end of a body will be known (RFC 9112, 6)."""

from __future__ import annotations

from .anomalies import Notes, Unreadable
from .head import Found
from .messages import Framing

MOST_DIGITS = 18
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
"""Methods that have no body unless they say so: whoever asks whether we are there is answered at once."""

_MAY_HIDE_A_LENGTH = frozenset(
    {
        "bad-header-name",
        "empty-content-length",
        "empty-transfer-encoding",
        "folded-header",
        "header-without-colon",
        "header-without-name",
        "identity-coding",
        "leading-fold",
    }
)
"""With one of these even such a method may have a body: its length stands in a line that cannot be read."""


def decide(found: Found, method: str, version: str, notes: Notes) -> tuple[Framing, int | None]:
    """
    Choose the framing from the headers.

    RFC 9112, 6.3 says that a request without a length has no body.  Devices send one all the same,
    so whatever follows is read as the body, until the end: to believe the RFC would be to answer 200
    for an event that is thrown away.

    :returns: the framing, and the length when it was announced.
    :raises Unreadable: 400, 411 (strict only) or 501.
    """
    length = _length(found[b"content-length"], notes) if b"content-length" in found else None
    if b"transfer-encoding" in found and _chunked(found[b"transfer-encoding"], notes):
        if b"content-length" in found:
            notes.add("length-and-chunked")
        if version == "1.0":
            notes.add("chunked-in-http-1.0")
        return "chunked", None
    if length is not None:
        return "length", length
    if method not in BODILESS or notes.has(_MAY_HIDE_A_LENGTH):
        notes.add("no-length")
        return "close", None
    return "none", None


def _length(value: bytes, notes: Notes) -> int | None:
    if value.isdigit() and len(value) <= MOST_DIGITS:
        return int(value)
    if not value:
        notes.add("empty-content-length")
        return None
    numbers = [number.strip(b" \t") for number in value.split(b",")]
    # int() of thousands of digits raises, and takes long before it does: digits are counted first.
    if not all(number.isdigit() and len(number) <= MOST_DIGITS for number in numbers):
        raise Unreadable(400, "bad-content-length", "the Content-Length is not a plain number")
    if len({int(number) for number in numbers}) > 1:
        raise Unreadable(400, "different-content-lengths", "the Content-Length headers contradict each other")
    notes.add("repeated-content-length")
    return int(numbers[0])


def _chunked(value: bytes, notes: Notes) -> bool:
    if value.lower() == b"chunked":
        return True
    codings = [word.strip(b" \t").lower() for word in value.split(b",")]
    if any(coding not in (b"", b"chunked", b"identity") for coding in codings):
        raise Unreadable(501, "unknown-coding", "only the transfer coding chunked is understood")
    chunked = codings.count(b"chunked")
    if chunked:
        notes.add("repeated-chunked")
    else:
        notes.add("identity-coding" if b"identity" in codings else "empty-transfer-encoding")
    return chunked > 0

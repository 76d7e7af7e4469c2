"""The names of what the HTTP side tolerates or refuses, and the one place that decides which."""

from __future__ import annotations

from hikrecv.errors import Refused
from hikrecv.push import Anomaly

HARMLESS = {
    "absolute-target": "the target names scheme and host, which are not kept",
    "bad-percent-encoding": "a % in the target is not followed by two hex digits",
    "chunk-extension": "something follows a chunk's size, which is not kept",
    "chunked-in-http-1.0": "chunks in an HTTP/1.0 request",
    "leading-empty-lines": "more than one empty line before the request",
    "lower-case-method": "the method is not in capitals",
    "repeated-content-length": "the same Content-Length more than once",
    "repeated-content-type": "more than one Content-Type",
    "trailers": "fields follow the last chunk, which are not kept",
    "truncated": "the body ended before it was complete",
    "unknown-version": "a later HTTP/1 than 1.1, read as 1.1",
}
"""Tolerated in both modes: these leave no doubt where the request ends."""

INVALID = {
    "bad-host": "the Host header names no host",
    "lower-case-version": "the word HTTP is not in capitals",
    "missing-host": "an HTTP/1.1 request without a Host header",
    "non-ascii-target": "the target holds bytes above 127",
    "star-target": "the target is *, read as /",
    "target-without-slash": "the target does not begin with /",
}
"""
No doubt where the request ends, but RFC 9112 wants it refused (2.3, 3.2): strict does.

A proxy that let it through was deceived about where it goes, or is not the one that we think is there.
"""

AMBIGUOUS = {
    "bad-header-name": "a header has an impossible name",
    "bare-lf": "lines end with LF instead of CR LF",
    "blank-before-colon": "a blank stands between a header's name and its colon",
    "blank-in-target": "the target holds a blank",
    "control-in-header": "a header holds a control character",
    "control-in-target": "the target holds a control character",
    "empty-content-length": "Content-Length says no number",
    "empty-target": "the request line names no target",
    "empty-transfer-encoding": "Transfer-Encoding names no coding",
    "folded-header": "a header goes on in the next line",
    "header-without-colon": "a header line has no colon",
    "header-without-name": "a header line has no name",
    "identity-coding": "Transfer-Encoding: identity, which RFC 9112 does not know any more",
    "leading-fold": "the first header line begins with a blank",
    "length-and-chunked": "the request has a Content-Length and chunks",
    "no-final-line": "the empty line after the last chunk is missing",
    "no-length": "a request that may have a body says neither its length nor chunks",
    "odd-blanks": "the request line has surplus blanks",
    "odd-chunk-extension": "what follows a chunk's size is no chunk extension",
    "odd-trailers": "the lines after the last chunk are broken or too long",
    "padded-chunk-size": "blanks follow a chunk's size",
    "repeated-chunked": "chunked is named more than once",
    "repeated-host": "the request has more than one Host header",
}
"""Two readers may disagree where such a request ends: closed after the answer, or refused when strict."""

_WORDS = {**HARMLESS, **INVALID, **AMBIGUOUS}


class Unreadable(Refused):
    """What came cannot be read as a request."""

    def __init__(self, status: int, name: str, reason: str, detail: str = "") -> None:
        super().__init__(status, reason)
        self.anomaly = Anomaly(name, detail)


class Notes:
    """
    What was odd about one request; each name once, so that the list stays short.

    A detail never repeats a header's value or the target: both may be secrets.

    :param strict: refuse whatever is invalid or ambiguous.
    """

    __slots__ = ("ambiguous", "found", "strict")

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.found: tuple[Anomaly, ...] = ()
        self.ambiguous = False

    def add(self, name: str, detail: str = "") -> None:
        """:raises Unreadable: for an invalid or ambiguous oddity in strict mode."""
        words = _WORDS[name]
        if self.strict and name not in HARMLESS:
            reason = f"{words}, which this strict port refuses"
            raise Unreadable(411 if name == "no-length" else 400, name, reason, detail)
        self.ambiguous = self.ambiguous or name in AMBIGUOUS
        if all(name != anomaly.name for anomaly in self.found):
            self.found += (Anomaly(name, detail or words),)

    def has(self, names: frozenset[str]) -> bool:
        """Whether one of *names* was noted."""
        return any(anomaly.name in names for anomaly in self.found)

    def clear(self) -> None:
        """Begin the next request."""
        self.found = ()
        self.ambiguous = False

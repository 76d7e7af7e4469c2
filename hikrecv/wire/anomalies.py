"""The names of what the HTTP side tolerates or refuses, and the one place that decides which."""

from __future__ import annotations

from hikrecv.errors import Refused
from hikrecv.push import Anomaly

HARMLESS = {
    "bad-percent-encoding": "a % in the target is not followed by two hex digits",
    "chunked-in-http-1.0": "chunks in an HTTP/1.0 request",
    "identity-coding": "Transfer-Encoding: identity says nothing",
    "leading-empty-lines": "more than one empty line before the request",
    "lower-case-method": "the method is not in capitals",
    "lower-case-version": "the word HTTP is not in capitals",
    "missing-host": "an HTTP/1.1 request without a Host header",
    "non-ascii-target": "the target holds bytes above 127",
    "repeated-content-length": "the same Content-Length more than once",
    "repeated-content-type": "more than one Content-Type",
    "star-target": "the target is *, read as /",
    "target-without-slash": "the target does not begin with /",
    "truncated": "the body ended before it was complete",
    "unknown-version": "a later HTTP/1 than 1.1, read as 1.1",
}
"""Tolerated in both modes: these leave no doubt where the request ends."""

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
    "leading-fold": "the first header line begins with a blank",
    "length-and-chunked": "the request has a Content-Length and chunks",
    "no-final-line": "the empty line after the last chunk is missing",
    "no-length": "a body is announced, but neither its length nor chunks",
    "odd-blanks": "the request line has surplus blanks",
    "odd-trailers": "the lines after the last chunk are broken or too long",
    "padded-chunk-size": "blanks follow a chunk's size",
    "repeated-chunked": "chunked is named more than once",
    "repeated-host": "the request has more than one Host header",
}
"""Two readers may disagree where such a request ends: closed after the answer, or refused when strict."""


class Unreadable(Refused):
    """What came cannot be read as a request."""

    def __init__(self, status: int, name: str, reason: str, detail: str = "") -> None:
        super().__init__(status, reason)
        self.anomaly = Anomaly(name, detail)


class Notes:
    """
    What was odd about one request; each name once, so that the list stays short.

    A detail never repeats a header's value or the target: both may be secrets.

    :param strict: refuse whatever is ambiguous.
    """

    __slots__ = ("ambiguous", "found", "strict")

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.found: tuple[Anomaly, ...] = ()
        self.ambiguous = False

    def add(self, name: str, detail: str = "") -> None:
        """:raises Unreadable: for an ambiguous oddity in strict mode."""
        if name in AMBIGUOUS:
            if self.strict:
                reason = f"{AMBIGUOUS[name]}, which this strict port refuses"
                raise Unreadable(411 if name == "no-length" else 400, name, reason, detail)
            self.ambiguous = True
        if all(name != anomaly.name for anomaly in self.found):
            self.found += (Anomaly(name, detail or (AMBIGUOUS.get(name) or HARMLESS[name])),)

    def clear(self) -> None:
        """Begin the next request."""
        self.found = ()
        self.ambiguous = False

"""
Heads that were read before.

A device says the same each time, but for the length; so a head without anything odd is
read once, and then recognised.  The rules stand in `head` and `framing` alone: here is
only remembered what they said.
"""

from __future__ import annotations

import re

from .head import RequestLine
from .messages import Head
from .redaction import SECRET

LONGEST = 1_024
"""Bytes of a head that is remembered."""

_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]{1,18})\r\n")


class Heads:
    """
    What one listener has read.

    :param most: so many are remembered; one more, and all are forgotten.
    """

    __slots__ = ("_most", "_read")

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._read: dict[bytes, tuple[RequestLine, Head, int]] = {}

    def recall(self, data: bytes) -> tuple[RequestLine, Head] | None:
        """
        What *data* means, when it was read before, perhaps with another length.

        :param data: a head from its first byte to the end of its last header.
        """
        found = _LENGTH.search(data)
        known = self._read.get(data if found is None else _key(data, found))
        if known is None:
            return None
        line, head, at = known
        return line, head if found is None else _with_length(head, at, found[1])

    def remember(self, data: bytes, line: RequestLine, head: Head) -> None:
        """
        *data* was read as *head*, and nothing about it was odd.

        A head with a password is not remembered.
        """
        if len(data) > LONGEST or any(name.lower() in SECRET for name, _ in head.headers):
            return
        found, at = _LENGTH.search(data), -1
        if found is not None:
            data, at = _key(data, found), head.headers.index((b"Content-Length", found[1]))
        if len(self._read) >= self._most:
            self._read.clear()
        self._read[data] = (line, head, at)


def _key(data: bytes, found: re.Match[bytes]) -> bytes:
    # With one digit, so that no head whose length is empty looks like it.
    start, end = found.span(1)
    return data[:start] + b"0" + data[end:]


def _with_length(head: Head, at: int, digits: bytes) -> Head:
    headers = head.headers
    name, before = headers[at]
    if before == digits:
        return head
    return Head(
        head.method,
        head.target,
        head.version,
        (*headers[:at], (name, digits), *headers[at + 1 :]),
        int(digits),
        head.framing,
        head.keep_alive,
        head.expect_continue,
        head.has_content_type,
    )

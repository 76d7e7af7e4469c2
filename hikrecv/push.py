"""One request as it came from a device: the value that all rooms share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

import msgspec

Trust = Literal["none", "address", "token", "login"]
"""How a sender was admitted, from "anybody may" to "it knew the password"."""


class Anomaly(msgspec.Struct, frozen=True):
    """
    Something odd that was tolerated.  It travels with the push and the event.

    :param name: a word of the project's own, in kebab-case: ``truncated``.
    :param detail: what exactly was seen, for a person; never interpreted.
    """

    name: str
    detail: str = ""


class Peer(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Who really sent it: the other end of the connection, and its standing.

    :param login: the ``[devices.<name>]`` whose own `push_login` it knew, or "".
    """

    ip: str
    port: int
    trust: Trust
    login: str = ""


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """
    One HTTP request from a device, before anybody has interpreted it.

    It is the only truth: everything after it is derived and can be made again.
    Secrets (the path token, the values of Authorization, Proxy-Authorization
    and Cookie) have been replaced by ``-`` before a Push exists.

    :param received: our clock when the last byte came, nanoseconds since 1970 (UTC).
    :param method: as it came, upper-cased.
    :param target: path and query as they came (without scheme and authority).
    :param headers: names and values as they came, in order, values stripped.
    :param body: the payload, chunked framing removed.
    :param anomalies: what the HTTP side tolerated; decoding adds its own to the events.
    """

    received: int
    peer: Peer
    method: str = "POST"
    target: bytes = b"/"
    version: str = "1.1"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    anomalies: tuple[Anomaly, ...] = ()

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header *name* (compared without case), or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    @property
    def received_at(self) -> datetime:
        """`received` as an aware datetime (UTC, microseconds)."""
        return datetime.fromtimestamp(self.received // 1000 / 1_000_000, timezone.utc)


class Answer(msgspec.Struct, frozen=True):
    """
    What the device is told.  Constant bytes, except for a remote check's integer.

    :param retry_after: seconds for a Retry-After header, or None.
    :param close: close the connection after this answer.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    retry_after: int | None = None
    close: bool = False


OK = Answer()
"""The acknowledgement: the push is on disk."""

"""What the HTTP reader reports, one value a fact."""

from __future__ import annotations

from typing import Literal

import msgspec

from hikrecv.push import Anomaly

Framing = Literal["length", "chunked", "close", "none"]
"""How the end of a body is known: announced, in chunks, by the end of the connection, or there is no body."""

Kind = Literal["tls", "sdk", "rtsp", "sip", "http2", "binary"]
"""What speaks when it is not HTTP/1: ``sdk`` is the manufacturer's private binary protocol."""

RAW_MOST = 65_536
"""Bytes of something unreadable that are kept for a person to look at."""


class Head(msgspec.Struct, frozen=True):
    """
    A request line and its headers have been read and the framing is decided.

    :param method: upper-cased.
    :param target: path and query as bytes, without scheme and authority, beginning with ``/``.
    :param version: what is spoken with this peer, ``1.0`` or ``1.1``.
    :param headers: in order, names as they came, values stripped; lines that are no header are left out.
    :param length: the announced size of the body, or None.
    :param keep_alive: what the head alone says; `End` has the last word.
    :param expect_continue: the peer waits for ``100 Continue`` before it sends the body.
    """

    method: str
    target: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    length: int | None
    framing: Framing
    keep_alive: bool
    expect_continue: bool
    has_content_type: bool


class Data(msgspec.Struct, frozen=True):
    """The next piece of the body, chunked framing removed; never empty."""

    chunk: bytes


class End(msgspec.Struct, frozen=True):
    """
    The request is over.

    :param anomalies: everything that was tolerated, from the first byte to the last.
    :param complete: False when the body may be cut: the peer stopped, or never said how long it is.
    :param keep_alive: False when nothing after this request can be trusted or is wanted.
    """

    anomalies: tuple[Anomaly, ...]
    complete: bool
    keep_alive: bool


class Refusal(msgspec.Struct, frozen=True):
    """
    The request cannot be read: answer `status` and close.

    It can come instead of a `Head`, or after it; the `Data` before it may be worth keeping.

    :param reason: one plain sentence for the log; it holds nothing that the peer sent.
    :param raw: the bytes at fault as far as they have come, secrets included.
    :param silent: close without an answer: the rest of an answered request's body, not a request.
    """

    status: int
    reason: str
    anomalies: tuple[Anomaly, ...]
    raw: bytes
    silent: bool = False


class Foreign(msgspec.Struct, frozen=True):
    """The peer does not speak HTTP/1: close.  `raw` is what has come so far."""

    kind: Kind
    raw: bytes


Message = Head | Data | End | Refusal | Foreign

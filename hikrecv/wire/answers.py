"""What a device is told: constant bytes, made for one write."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from ..push import Answer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Written only after the head was admitted, and only to a device that asked for it."""

RETRY_AFTER = 30
"""Seconds after which a device that was told 503 may try again."""

BUSY = Answer(503, retry_after=RETRY_AFTER)

_ALLOW = b"Allow: POST, PUT, GET, HEAD, OPTIONS"
"""RFC 9110, 15.5.6 wants it beside a 405."""

_PHRASES = {413: "Content Too Large"}  # Python 3.11 still has the older name


def remote_check(serial_no: int, allowed: bool) -> Answer:
    """
    The answer to a terminal that asks for permission (`remoteCheckWithISAPIListen: "sync"`).

    Its only variable is an integer: nothing that the terminal said is echoed as text.
    """
    result = "success" if allowed else "failed"
    body = b'{"RemoteCheck":{"serialNo":%d,"checkResult":"%s"}}' % (int(serial_no), result.encode())
    return Answer(200, body, "application/json")


def render(answer: Answer, *, keep: bool, body: bool = True, extra: tuple[bytes, ...] = ()) -> bytes:
    """
    Head and body together, so that they leave in one segment.

    Content-Length is always there, 0 included: the documents of some terminals
    demand it, and without it a device waits for the close.  `Connection` says
    what will happen in both cases: HTTP/1.0 devices close unless they are told.

    :param body: False for HEAD.
    :param extra: further header lines without line ends, such as a challenge.
    """
    if not answer.body and not extra:
        return _empty(answer.status, answer.retry_after, keep)
    lines = [_status_line(answer.status)]
    if answer.content_type:
        lines.append(b"Content-Type: " + answer.content_type.encode("ascii"))
    lines.append(b"Content-Length: %d" % len(answer.body))
    lines.extend(extra)
    lines.extend(_last(answer.retry_after, keep))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (answer.body if body else b"")


@lru_cache(maxsize=64)
def _empty(status: int, retry_after: int | None, keep: bool) -> bytes:
    lines = [_status_line(status), b"Content-Length: 0", *_last(retry_after, keep)]
    if status == 405:
        lines.append(_ALLOW)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _last(retry_after: int | None, keep: bool) -> list[bytes]:
    lines = [] if retry_after is None else [b"Retry-After: %d" % retry_after]
    return [*lines, b"Connection: keep-alive" if keep else b"Connection: close"]


def _status_line(status: int) -> bytes:
    phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    return b"HTTP/1.1 %d %s" % (status, phrase.encode("ascii"))

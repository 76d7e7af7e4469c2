"""Socket options that small devices need."""

from __future__ import annotations

import socket

from twisted.internet.interfaces import ITransport

KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 4))
"""A peer without power is noticed after 140 s, so that it does not count as a connection for ever."""


def stays(transport: ITransport) -> None:
    """The connection will be used again: probe for a dead peer, and hold no answer back for the next."""
    sock = _socket(transport)
    if sock is None:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        pass  # a unix socket, or one that is gone


def acknowledge_now(transport: ITransport) -> None:
    """
    Send the ACK for what was read at once.

    A small stack writes head and body separately and keeps the second back until
    the first is acknowledged; the kernel would wait 40 ms with that.  The option
    holds for one time only.
    """
    sock = _socket(transport)
    if sock is None or not hasattr(socket, "TCP_QUICKACK"):
        return
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    except OSError:
        pass


def send(transport: ITransport, data: bytes) -> int:
    """
    Send *data* past the transport, as far as it goes at once; gives how many bytes did.

    An answer nearly always fits.  The transport would wait for the next turn, and tell epoll
    twice, which costs more than all else about an answer.  Only for who has nothing in the transport.
    """
    sock = _socket(transport)
    if sock is None:
        return 0
    try:
        return sock.send(data)
    except OSError:
        return 0  # it is full, or gone: the transport finds out which


def _socket(transport: ITransport) -> socket.socket | None:
    handle = getattr(transport, "getHandle", None)
    found = handle() if handle is not None else None
    # Under TLS the handle is OpenSSL's; the socket below is not ours to touch then.
    return found if isinstance(found, socket.socket) else None

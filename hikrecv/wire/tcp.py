"""Socket options that small devices need."""

from __future__ import annotations

import socket

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure

KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 4))
"""A peer without power is noticed after 140 s, so that it does not count as a connection for ever."""

_DONE = Failure(ConnectionDone())


def socket_of(transport: ITransport) -> socket.socket | None:
    """The socket below *transport*; None when it has none, or one that is not ours to touch."""
    handle = getattr(transport, "getHandle", None)
    found = handle() if handle is not None else None
    # Under TLS the handle is OpenSSL's.
    return found if isinstance(found, socket.socket) else None


def stays(sock: socket.socket) -> None:
    """The connection will be used again: probe for a dead peer, and hold no answer back for the next."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        pass  # a unix socket, or one that is gone


def acknowledge_now(sock: socket.socket) -> None:
    """
    Send the ACK for what was read at once.

    A small stack writes head and body separately and keeps the second back until
    the first is acknowledged; the kernel would wait 40 ms with that.  The option
    holds for one time only.
    """
    if not hasattr(socket, "TCP_QUICKACK"):
        return
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    except OSError:
        pass


def send(sock: socket.socket, data: bytes) -> int:
    """
    Send *data* past the transport, as far as it goes at once; gives how many bytes did.

    An answer nearly always fits.  The transport would wait for the next turn, and tell epoll
    twice, which costs more than all else about an answer.  Only for who has nothing in the transport.
    """
    try:
        return sock.send(data)
    except OSError:
        return 0  # it is full, or gone: the transport finds out which


def close(transport: ITransport) -> None:
    """
    Close at once.

    `loseConnection` waits until epoll says that nothing is left to be written, which costs more than
    the closing.  Only for who has nothing in the transport; what the kernel holds is sent all the same.
    """
    if isinstance(transport, FileDescriptor):
        transport.connectionLost(_DONE)
    else:
        transport.loseConnection()  # it is wrapped, and the wrapping has its own ways

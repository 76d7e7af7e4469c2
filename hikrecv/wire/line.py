"""The end of a connection: writing, pausing, half-close, lingering, closing."""

from __future__ import annotations

import socket
from typing import Literal

from twisted.internet.interfaces import ISSLTransport, ITransport

from . import tcp
from .addresses import peer_of

LINGER_MOST = 64_000_000
"""Bytes that are thrown away of a refused request, so that the device sees why."""

FIRST_READ = 8_192
"""Bytes that are read at once of a head: a small event whole, of a large one not much while it waits."""
BODY_READ = 262_144
"""Bytes that are read at once of a large body."""

State = Literal["read", "room", "answer", "linger", "close"]


class Line:
    """
    What a conversation does with its transport, apart from what it says.

    It is always in one state: it reads a request, waits for room to read on,
    waits for the answer to be decided, lingers after a refusal so that the
    device sees it, or closes.
    """

    __slots__ = (
        "_at_once",
        "_paused",
        "_sized",
        "_socket",
        "_stays",
        "_thrown",
        "ended",
        "ip",
        "lost",
        "port",
        "state",
        "transport",
    )

    def __init__(self) -> None:
        self.state: State = "read"
        self.ended = self.lost = self._paused = self._stays = False
        self._thrown = 0
        self.ip, self.port = "", 0

    def opened(self, transport: ITransport) -> None:
        """Take the *transport*."""
        self.transport = transport
        self.ip, self.port = peer_of(transport.getPeer())
        self._socket: socket.socket | None = tcp.socket_of(transport)
        self._at_once = self._socket is not None
        self._sized = self._at_once or (
            hasattr(transport, "bufferSize") and not ISSLTransport.providedBy(transport)
        )
        self.read_at_once(FIRST_READ)

    def read_at_once(self, size: int) -> None:
        """How many bytes the next read takes; a transport that has no such setting keeps its own."""
        if self._sized:
            self.transport.bufferSize = size  # type: ignore[attr-defined]

    @property
    def number(self) -> int:
        """The number that the system has given to the connection; 0 when it is not ours to know."""
        return 0 if self._socket is None else self._socket.fileno()

    @property
    def over(self) -> bool:
        """The peer sends nothing more."""
        return self.ended or self.lost

    def write(self, data: bytes) -> None:
        """Send *data* in one write; nothing happens when the peer is gone."""
        if self.lost:
            return
        if self._at_once and self._socket is not None:
            data = data[tcp.send(self._socket, data) :]
            # What the transport has once held back must stay before what follows.
            self._at_once = not data
        if data:
            self.transport.write(data)

    def stay(self) -> None:
        """The connection will be used again."""
        if not self._stays and not self.lost:
            self._stays = True
            if self._socket is not None:
                tcp.stays(self._socket)

    def acknowledge(self) -> None:
        """What was read is acknowledged at once."""
        if self._socket is not None:
            tcp.acknowledge_now(self._socket)

    def pause(self, pause: bool) -> None:
        """Stop reading, or go on."""
        if pause == self._paused or self.over or self.state == "close":
            return
        self._paused = pause
        # Every transport of a listener is a push producer, though no interface of Twisted says so.
        if pause:
            self.transport.pauseProducing()  # type: ignore[attr-defined]
        else:
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def close(self, linger: bool = False) -> None:
        """
        Close.

        :param linger: the peer may still be sending.  Closing with unread bytes resets the
            connection, which can destroy the answer on its way: so close our side, and read on for a while.
        """
        if self.lost:
            self.state = "close"
        elif not linger or self.ended:
            self.state = "close"
            self.close_at_once()
        else:
            self.state = "linger"
            # TLS has no half-close, but its own good-bye waits for the peer's.
            if ISSLTransport.providedBy(self.transport):
                self.transport.loseConnection()
            else:
                self.transport.loseWriteConnection()  # type: ignore[attr-defined]

    def close_at_once(self) -> None:
        """Close without waiting for the reactor to come round: in a flood each one is a file less."""
        if self._at_once:
            tcp.close(self.transport)
        else:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close now, whatever is under way."""
        if not self.lost:
            self.state = "close"
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def throw_away(self, size: int) -> None:
        """Count what comes while we linger."""
        self._thrown += size
        if self._thrown > LINGER_MOST:
            self.abort()

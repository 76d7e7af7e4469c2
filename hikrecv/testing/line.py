"""A device's connection: send raw requests over a real socket, read the answers."""

from __future__ import annotations

from typing import cast

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from hikrecv.testing.message import Message


class Reply(msgspec.Struct, frozen=True):
    """What the receiver answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the receiver said that it will close the connection."""
        return any(name.lower() == "connection" and value.lower() == "close" for name, value in self.headers)


class Line(Protocol):
    """One connection.  Requests are answered one at a time, as devices wait for each answer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: Deferred[Reply] | None = None
        self.open = True

    def send(self, request: bytes) -> Deferred[Reply]:
        """Write *request* as it is; fires with the answer, errs when the connection ends before."""
        if not self.open or self.transport is None:
            return fail(ConnectionLost("the receiver closed the connection"))
        self._waiting = Deferred()
        self.transport.write(request)
        return self._waiting

    def dataReceived(self, data: bytes) -> None:
        """Collect an answer; interim answers (100) are skipped."""
        self._buffer += data
        while self._waiting is not None and (reply := self._take()) is not None:
            if reply.status >= 200:
                waiting, self._waiting = self._waiting, None
                waiting.callback(reply)

    def _take(self) -> Reply | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return Reply(int(first.split(" ")[1]), headers, rest[:length])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """An answer that was waited for will not come."""
        self.open = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            clean = isinstance(reason.value, ConnectionDone)
            waiting.errback(ConnectionLost("closed without an answer") if clean else reason)

    def close(self) -> None:
        """Hang up."""
        if self.open and self.transport is not None:
            self.transport.loseConnection()


class Caller:
    """
    A device that has things to say: it connects as its firmware does and sends message by message.

    :param timeout: seconds a device waits for the connection and for an answer.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        *,
        host: str = "192.0.2.10",
        path: str = "/",
        keep_alive: bool = False,
        chunked: bool = False,
        timeout: float = 10.0,
    ) -> None:
        self._endpoint, self._clock, self._timeout = endpoint, clock, timeout
        self._host, self._path = host, path
        self._keep_alive, self._chunked = keep_alive, chunked
        self._line: Line | None = None

    def say(self, message: Message) -> Deferred[Reply]:
        """Send one message; fires with the answer."""
        return self.send(
            message.request(self._host, self._path, keep_alive=self._keep_alive, chunked=self._chunked)
        )

    def send(self, request: bytes) -> Deferred[Reply]:
        """Send bytes as they are; fires with the answer."""
        return Deferred.fromCoroutine(self._send(request))

    async def _send(self, request: bytes) -> Reply:
        line = await self._connected()
        try:
            reply = await line.send(request).addTimeout(self._timeout, self._clock)
        except BaseException:
            line.close()
            raise
        if not self._keep_alive or reply.closes:
            self.hang_up()
        return reply

    async def _connected(self) -> Line:
        if self._line is None or not self._line.open:
            waiting = self._endpoint.connect(Factory.forProtocol(Line))
            self._line = cast("Line", await waiting.addTimeout(self._timeout, self._clock))
        return self._line

    def hang_up(self) -> None:
        """Close the connection, if one is kept."""
        if self._line is not None:
            self._line.close()
            self._line = None

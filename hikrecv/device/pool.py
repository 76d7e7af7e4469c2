"""Connections that are kept for the next request, where a request may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web import client as web

from .exchange import Body

KEPT: Final = 4
"""Seconds that a connection is kept; the servers that close theirs soonest do it after 5."""

_UNANSWERED: Final = (
    web.RequestNotSent,  # type: ignore[attr-defined]
    web.RequestTransmissionFailed,
    web.ResponseNeverReceived,
)


class Pool(web.HTTPConnectionPool):
    """
    Keeps what the server keeps too, and does not take the end of a kept connection for an answer.

    A server may close a kept connection at any moment, and so just when the next
    request is under way.  A request to which no byte of an answer came on a kept
    connection is sent once more, on a new one (RFC 9112, 9.3.1).  It may be
    done twice by that: only for those whose requests may be repeated.
    """

    retryAutomatically = False  # Twisted's own way leaves out whatever has a body.
    cachedConnectionTimeout = KEPT

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)  # type: ignore[no-untyped-call]
        self._used: WeakSet[Any] = WeakSet()

    def getConnection(self, key: Any, endpoint: Any) -> Deferred[Any]:
        """A kept connection if there is one, else a new one."""
        anew = partial(self._newConnection, key, endpoint)
        return super().getConnection(key, endpoint).addCallback(self._careful, anew)

    def _careful(self, connection: Any, anew: Callable[[], Deferred[Any]]) -> Any:
        return _Kept(connection, anew) if connection in self._used else connection

    def _putConnection(self, key: Any, connection: Any) -> None:
        if _stays_open(connection):
            self._used.add(connection)
            super()._putConnection(key, connection)  # type: ignore[no-untyped-call]
        else:
            connection.transport.loseConnection()


class _Kept:
    """A connection that carried a request before, for one more."""

    def __init__(self, connection: Any, anew: Callable[[], Deferred[Any]]) -> None:
        self._connection = connection
        self._anew = anew

    def request(self, request: Any) -> Deferred[Any]:
        body = request.bodyProducer
        if body is None or isinstance(body, Body):
            asked: Deferred[Any] = self._connection.request(request)
            return asked.addErrback(self._failed, request)
        # What can be sent only once is not risked here.
        self._connection.transport.loseConnection()
        return self._anew().addCallback(lambda new: new.request(request))

    def _failed(self, failure: Failure, request: Any) -> Any:
        if not _unanswered(failure):
            return failure
        # Without a new connection the first failure stands: the server perhaps did what it was asked.
        return self._anew().addCallbacks(lambda new: new.request(request), lambda _: failure)


def _unanswered(failure: Failure) -> bool:
    """Did the connection end before any byte of an answer, and not because we gave up?"""
    if not failure.check(*_UNANSWERED):
        return False
    return not any(reason.check(CancelledError) for reason in getattr(failure.value, "reasons", ()))


def _stays_open(connection: Any) -> bool:
    """Does the server keep it open after the answer that was just read?  (RFC 9112, 9.3)"""
    # Twisted sees only a `close` that is written just so, and takes HTTP/1.0 for HTTP/1.1.
    values = connection._parser.connHeaders.getRawHeaders(b"connection") or ()
    words = {word.strip().lower() for word in b",".join(values).split(b",")}
    if connection._parser.response.version < (b"HTTP", 1, 1):
        return b"keep-alive" in words and b"close" not in words
    return b"close" not in words

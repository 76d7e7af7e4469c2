"""One HTTP exchange with somebody else: bounded in time and size, failures sorted by what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from hyperlink import EncodedURL
from OpenSSL.SSL import Error as TLSError
from treq.client import HTTPClient
from twisted.internet import defer, error
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python import threadable
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web import client as web
from twisted.web.error import InfiniteRedirection, PageRedirect, RedirectWithNoLocation, SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from hikrecv.errors import Reject, Retry

if TYPE_CHECKING:
    from treq.response import _Response as Response

TIMEOUT: Final = 30.0
MOST: Final = 16_000_000
"""Bytes of an answer's body at most, decompressed."""

_UNSENT = (
    error.ConnectError,
    error.DNSLookupError,
    error.TimeoutError,
    error.ConnectingCancelledError,
    web.RequestNotSent,  # type: ignore[attr-defined]
)
"""The connection was never made, so nothing can have been done."""
_BROKEN = (
    error.ConnectionClosed,
    web.ResponseFailed,
    web.RequestTransmissionFailed,
    web.RequestGenerationFailed,
    ConnectionError,
    TLSError,
)
_LOST = (PageRedirect, InfiniteRedirection, RedirectWithNoLocation, SchemeNotSupported)


class UntrustedServer(Retry):
    """The server's certificate is not one that we trust; nothing was sent."""


class Exchange:
    """
    treq over an injected agent and clock, with a bound on everything.

    The whole answer is read before it is given, so that `timeout` covers it and
    the connection is free again; its body is then read with treq's own methods.

    :param agent: what makes connections; the caller decides on TLS, pool and login.
    """

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._client = HTTPClient(agent, data_to_body_producer=body_of)
        self._clock = clock

    def request(
        self, method: str, url: Any, *, timeout: float = TIMEOUT, most: int = MOST, **options: Any
    ) -> Deferred[Response]:
        """
        Ask, and give the answer whatever its status is.

        :param timeout: seconds for everything, from the connection to the last byte.
        :param most: bytes of the answer's body at most.
        :param options: as for ``treq.request``.
        :raises Retry: when there was no trusted connection, no answer, or half of one. `certain`
            says whether the request cannot have been carried out.
        :raises Reject: for an answer that is too large, or a URL that cannot be used.
        """
        if threadable.ioThread not in (None, threadable.getThreadID()):
            raise RuntimeError(
                "HTTP is done on the reactor; from a plain hook write context.wait(context.http.post, url)"
            )
        return Deferred.fromCoroutine(self._sorted(method, url, timeout, most, options))

    async def _sorted(
        self, method: str, url: Any, timeout: float, most: int, options: dict[str, Any]
    ) -> Response:
        host = host_of(url)
        work = Deferred.fromCoroutine(self._exchange(method, url, host, most, options))
        try:
            return await work.addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            raise Retry(f"{host} did not answer within {timeout:g} s", certain=False) from None
        except _UNSENT as problem:
            raise Retry(f"cannot connect to {host}: {_words(problem)}") from problem
        except _BROKEN as problem:
            raise _broken(problem, host) from problem
        except SchemeNotSupported:
            raise Reject("that is not a http:// or https:// address") from None

    async def _exchange(
        self, method: str, url: Any, host: str, most: int, options: dict[str, Any]
    ) -> Response:
        # Without a reactor treq would import the global one, though only for a time-out that is ours.
        options |= {"unbuffered": True, "reactor": self._clock}
        response = await self._client.request(method, address_of(url), **options)
        body = await read_body(response, most, host)
        response.original = _Kept(response.original, body)
        return response


def read_body(response: IResponse, most: int, host: str = "the server") -> Deferred[bytes]:
    """
    The body of *response*; the connection is cut when it is longer than *most* or nobody waits any more.

    :raises Reject: when it is longer.
    """
    reader = _Body(most, host)
    response.deliverBody(reader)
    return reader.done


class _Body(Protocol):
    def __init__(self, most: int, host: str) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._most = most
        self._host = host
        self._chunks: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._most:
            self._chunks.append(data)
        elif not self.done.called:
            self.done.errback(Reject(f"the answer of {self._host} is larger than {self._most:,} bytes"))
            self._cut()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        # Without a length the end of the connection is the end of the body.
        if reason.check(web.ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._chunks))
        else:
            self.done.errback(reason)

    def _cut(self) -> None:
        self._chunks.clear()
        if self.transport is not None:
            self.transport.loseConnection()


class _Kept(proxyForInterface(IResponse)):  # type: ignore[misc]
    """An answer whose body is here already, and can be read more than once."""

    def __init__(self, original: IResponse, body: bytes) -> None:
        super().__init__(original)
        self._kept = body

    def deliverBody(self, protocol: Protocol) -> None:
        protocol.dataReceived(self._kept)
        protocol.connectionLost(Failure(web.ResponseDone()))


@implementer(IBodyProducer)
class Body:
    """A request's body in memory, which can be sent as often as a login needs it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write everything: it is in memory anyway."""
        consumer.write(self.data)
        return succeed(None)

    def stopProducing(self) -> None:
        """Nothing is under way."""

    def pauseProducing(self) -> None:
        """Nothing is under way."""

    def resumeProducing(self) -> None:
        """Nothing is under way."""


def body_of(data: Any) -> IBodyProducer:
    """What treq is given as data, as a body; files go treq's own way."""
    if isinstance(data, str):
        data = data.encode()
    return Body(data) if isinstance(data, bytes) else IBodyProducer(data)


class _Address(EncodedURL):
    """A URL that may name an IPv6 address: hyperlink would encode that like a name, and raise."""

    def to_uri(self) -> EncodedURL:
        if ":" not in self.host:
            return EncodedURL.to_uri(self)
        return EncodedURL.to_uri(self.replace(host="")).replace(host=self.host)


def address_of(url: Any) -> EncodedURL:
    """
    What treq is given for *url*, which may be text, bytes, or one of hyperlink's.

    :raises Reject: when nothing can be asked there.
    """
    try:
        address = _Address.from_text(_text(url))
        address.to_uri()
    except ValueError:
        raise Reject(f"the address of {host_of(url)} cannot be used; correct it") from None
    return address


def _text(url: Any) -> str:
    return url.decode("ascii") if isinstance(url, bytes) else str(getattr(url, "to_text", lambda: url)())


def host_of(url: Any) -> str:
    """Host and port of *url* for messages: paths and logins in it may be secrets."""
    try:
        parts = urlsplit(_text(url))
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}{port}" if host else "the server"
    except ValueError:
        return "the server"


def _broken(problem: BaseException, host: str) -> Retry | Reject:
    inner = _innermost(problem)
    if isinstance(inner, _LOST):
        return Reject(f"{host} redirects to somewhere else; correct the address")
    if isinstance(inner, TLSError) and "verify" in _words(inner):
        return UntrustedServer(f"the certificate of {host} is not trusted: {_words(inner)}")
    return Retry(f"lost {host} before its answer was complete: {_words(inner)}", certain=False)


def _innermost(problem: BaseException) -> BaseException:
    inner: Any = problem
    while getattr(inner, "reasons", None) and isinstance(inner.reasons[0], Failure):
        inner = inner.reasons[0].value
    return cast("BaseException", inner)


def _words(problem: BaseException) -> str:
    if isinstance(problem, TLSError):
        # OpenSSL's errors are lists of (library, function, reason).
        return "TLS: " + ", ".join(str(part[-1]) for part in problem.args[0] or () if part)
    if isinstance(problem, CancelledError):
        return "given up"
    return " ".join(str(problem).split())[:200] or type(problem).__name__

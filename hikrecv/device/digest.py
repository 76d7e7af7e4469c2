"""An IAgent around another that logs in where it is asked to, with RFC 7616 Digest."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.error import ConnectionClosed
from twisted.web.client import URI, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from hikrecv.errors import Reject

from .challenge import Challenge, Login, best_digest, challenges_in
from .exchange import Body, read_body

REFUSAL: Final = 65_536
"""Bytes of a 401's body that are read to have the connection back."""


class Guard(Protocol):
    """Who watches over the tries, because devices lock an account after a few wrong ones."""

    def check(self) -> None:
        """Raise when no further try is allowed."""

    def refused(self) -> None:
        """A login was wrong."""

    def accepted(self) -> None:
        """A login was right."""


class NoGuard:
    """Every try is allowed."""

    def check(self) -> None:
        """Never raises."""

    def refused(self) -> None:
        """Nothing is counted."""

    def accepted(self) -> None:
        """Nothing is counted."""


Answer = Callable[[str, str], str]
"""From method and request target to the value of Authorization."""
Offered = Sequence[Challenge]


@implementer(IAgent)
class DigestAgent:
    """
    Answers the challenges of one server; requests to any other pass through untouched.

    The server's nonce is used again until it is refused.  The challenge is fetched by
    a GET that changes nothing (`probe`), and the request itself is sent once, whole, with
    its login: a device that lets somebody in without one, or looks at a body before the
    login, must not be told half of a command that opens a door.  Only a GET is its own probe.
    A 401 is not retried blindly: only for a nonce that had worked before, or that
    the server calls stale, and once.  Until a login was accepted, one try is under way at a time.

    :param url: of the server; scheme, host and port count.
    :param probe: the path of what only reads, and asks for the same login; None: the request's own.
    :param basic: answer Basic too when nothing else is offered; over TLS it always is.
    """

    def __init__(
        self,
        agent: IAgent,
        url: str,
        user: str,
        password: str,
        *,
        basic: bool = False,
        guard: Guard | None = None,
        cnonce: Callable[[], str | None] = lambda: None,
        probe: str | None = None,
    ) -> None:
        self._probe = None if probe is None else (url.rstrip("/") + probe).encode("ascii")
        self._agent = agent
        self._origin = _origin(url)
        self._user = user
        self._password = password
        self._basic = basic or self._origin[0] == "https"
        self._guard: Guard = NoGuard() if guard is None else guard
        self._cnonce = cnonce
        self._proven: Answer | None = None
        self._lock = DeferredLock()

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send the request, logged in if need be; a 401 that comes back means that it was refused."""
        if _origin(uri.decode("ascii")) != self._origin:
            return self._agent.request(method, uri, headers, bodyProducer)
        ask = _Ask(self._agent, method, uri, headers, bodyProducer, self._probe)
        return Deferred.fromCoroutine(self._request(ask))

    async def _request(self, ask: _Ask) -> IResponse:
        # What can be sent only once needs a fresh nonce: an old one might be refused.
        used = self._proven if ask.repeatable else None
        if used is None:
            return await self._log_in(ask, None)
        response = await ask.send(used)
        if response.code != 401:
            return response
        if self._proven is used:
            self._proven = None
        return await self._log_in(ask, await _offered(response))

    async def _log_in(self, ask: _Ask, offered: Offered | None) -> IResponse:
        """One at a time, so that a wrong password is not tried by all that wait."""
        async with self._lock:
            if offered is None and ask.repeatable and self._proven is not None:
                response = await ask.send(self._proven)
                if response.code != 401:
                    return response
                offered = await _offered(response)
            self._guard.check()
            if offered is None:
                response = await ask.probe()
                if response.code != 401:
                    return await self._unasked(ask, response)
                if self._answer(_challenges(response)) is None:
                    return response
                offered = await _offered(response)
            return await self._try(ask, offered)

    async def _try(self, ask: _Ask, offered: Offered) -> IResponse:
        answer = self._answer(offered)
        response = await ask.send(answer)
        if response.code == 401 and ask.repeatable and _is_stale(response):
            answer = self._answer(await _offered(response))
            response = await ask.send(answer)
        return self._judge(answer, response)

    async def _unasked(self, ask: _Ask, probed: IResponse) -> IResponse:
        """The server wants no login: the probe was the request, when that only reads."""
        if ask.only_reads:
            return probed
        await _drained(probed)
        response = await ask.send(None)
        if response.code != 401 or not ask.repeatable or self._answer(_challenges(response)) is None:
            return response
        # It can be read by anybody, and done by few.
        return await self._try(ask, await _offered(response))

    def _judge(self, answer: Answer | None, response: IResponse) -> IResponse:
        if response.code == 401:
            self._guard.refused()
        else:
            self._guard.accepted()
            self._proven = answer
        return response

    def _answer(self, offered: Offered) -> Answer | None:
        digest = best_digest(offered)
        if digest is not None:
            return Login(digest, self._user, self._password, self._cnonce()).answer
        if self._basic and any(each.scheme == "basic" for each in offered):
            pair = b64encode(f"{self._user}:{self._password}".encode()).decode("ascii")
            return lambda method, uri: f"Basic {pair}"
        return None


class _Ask:
    """One request, that can be sent with and without a login, and asked for without its body."""

    def __init__(
        self,
        agent: IAgent,
        method: bytes,
        uri: bytes,
        headers: Headers | None,
        body: IBodyProducer | None,
        probe: bytes | None,
    ) -> None:
        self._agent = agent
        self._method = method
        self._uri = uri
        self._headers = headers
        self._body = body
        self._probe = probe
        self.only_reads = method == b"GET" and body is None
        self.repeatable = body is None or isinstance(body, Body)

    def send(self, answer: Answer | None) -> Deferred[IResponse]:
        headers = Headers() if self._headers is None else self._headers.copy()
        if answer is not None:
            target = URI.fromBytes(self._uri).originForm.decode("ascii")
            headers.setRawHeaders("Authorization", [answer(self._method.decode("ascii"), target)])
        return self._agent.request(self._method, self._uri, headers, self._body)

    def probe(self) -> Deferred[IResponse]:
        """Something that changes nothing, without login: either the challenge, or nothing is asked for."""
        if self.only_reads:
            headers = None if self._headers is None else self._headers.copy()
            return self._agent.request(b"GET", self._uri, headers, None)
        return self._agent.request(b"GET", self._probe or self._uri, None, None)


def _challenges(response: IResponse) -> Offered:
    values = response.headers.getRawHeaders(b"www-authenticate") or []
    return challenges_in(value.decode("latin-1") for value in values)


async def _offered(response: IResponse) -> Offered:
    """The challenges of a 401 that is not passed on; its connection can be used again."""
    await _drained(response)
    return _challenges(response)


async def _drained(response: IResponse) -> None:
    try:
        await read_body(response, REFUSAL)
    except (Reject, ResponseFailed, ConnectionClosed):
        pass  # Too long or cut off: then the next request takes another connection.


def _is_stale(response: IResponse) -> bool:
    digest = best_digest(_challenges(response))
    return digest is not None and digest.stale


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or (443 if scheme == "https" else 80)

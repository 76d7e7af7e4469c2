"""``context.http``: treq's calls, where an answer of 400 or more raises."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from hikrecv.device.digest import DigestAgent
from hikrecv.device.exchange import Exchange, host_of
from hikrecv.errors import Hold, Reject, Retry

if TYPE_CHECKING:
    from treq.response import _Response as Response

LONGEST_WAIT: Final = 3600.0
"""Seconds of a Retry-After that are honoured at most."""
_UNDONE = frozenset({408, 425, 429, 503})
"""With these a server says that it did not begin."""
MOST_HOSTS = 256


class Standing:
    """
    Which servers took something since they last forbade something.

    A 403 may be about the login, and then nothing can go; or about one event that a
    web firewall does not like, and then it must not stop the others.  As long as
    nothing was taken since the last one, it is about the login.  Methods are told
    apart: that a token could be fetched says nothing about what is posted with it.
    """

    def __init__(self) -> None:
        self._took: OrderedDict[tuple[str, str], None] = OrderedDict()

    def took(self, method: str, host: str) -> None:
        """That server has taken a request."""
        self._took[method, host] = None
        if len(self._took) > MOST_HOSTS:
            self._took.popitem(last=False)

    def forbade(self, method: str, host: str) -> bool:
        """It answered 403; True when it has taken something since the last time."""
        return self._took.pop((method, host), ...) is None


class Http:
    """
    Asks other servers, and raises what the courier understands.

    :func:`treq.request` and its relatives with these differences: 408, 425, 429 and 5xx raise
    `Retry` (with their Retry-After, at most an hour), 401 and 407 `Hold`, 403 `Hold` as long as
    the server took nothing since the last one, every other status from 400 `Reject`;
    a server that cannot be reached or breaks off raises `Retry`; an answer has
    `timeout` seconds and `most` bytes.  ``raise_for_status=False`` gives every answer as it is.

    :param wall: seconds since 1970, to understand a Retry-After that is a date.
    :param public: an agent that connects to public addresses only, see :meth:`public_only`.
    """

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        *,
        wall: Callable[[], float] = time.time,
        public: IAgent | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._exchange = Exchange(agent, clock)
        self._agent = agent
        self._public = public
        self._clock = clock
        self._wall = wall
        self._standing = standing or Standing()

    def request(
        self, method: str, url: Any, *, raise_for_status: bool = True, **options: Any
    ) -> Deferred[Response]:
        """
        Send a request; the answer's body is there when this fires.

        :param options: ``timeout`` (seconds, 30), ``most`` (bytes, 16 MB), and those of ``treq.request``:
            params, headers, data, json, files, auth, cookies, allow_redirects.
        :raises Retry: when it may work later.
        :raises Hold: when the server does not let us in.
        :raises Reject: when it will not.
        """
        asked = self._exchange.request(method, url, **options)
        return Deferred.fromCoroutine(self._checked(asked, method, url)) if raise_for_status else asked

    async def _checked(self, asked: Deferred[Response], method: str, url: Any) -> Response:
        response = await asked
        host = host_of(url)
        if response.code >= 400:
            known = response.code == 403 and self._standing.forbade(method, host)
            raise failure_of(response, await response.content(), host, self._wall(), one_of_many=known)
        self._standing.took(method, host)
        return response

    def for_reaction(self) -> Http:
        """The same for one reaction: what servers answer to others tells nothing about its login."""
        return Http(self._agent, self._clock, wall=self._wall, public=self._public)

    def with_digest(self, url: str, user: str, password: str) -> Http:
        """
        The same with a Digest login (RFC 7616) at the server of *url*, and nowhere else.

        Keep it: it remembers the server's nonce.
        """
        agent = DigestAgent(self._agent, url, user, password)
        return Http(agent, self._clock, wall=self._wall, standing=self._standing)

    def public_only(self) -> Http:
        """
        The same, but it connects to public addresses only, whatever a name or a redirect leads to.

        For addresses that somebody else may choose.  A request to a private one is a `Retry`: what
        a name leads to can change.
        """
        if self._public is None:
            raise RuntimeError("this receiver cannot tell public addresses from others")
        return Http(self._public, self._clock, wall=self._wall, public=self._public, standing=self._standing)

    def dry(self) -> Http:
        """The same, but every request is refused with what would have been asked."""
        nobody = _Dry()
        return Http(nobody, self._clock, wall=self._wall, public=nobody)

    def get(self, url: Any, **options: Any) -> Deferred[Response]:
        """GET, as :meth:`request`."""
        return self.request("GET", url, **options)

    def head(self, url: Any, **options: Any) -> Deferred[Response]:
        """HEAD, as :meth:`request`."""
        return self.request("HEAD", url, **options)

    def post(self, url: Any, data: Any = None, **options: Any) -> Deferred[Response]:
        """POST, as :meth:`request`."""
        return self.request("POST", url, data=data, **options)

    def put(self, url: Any, data: Any = None, **options: Any) -> Deferred[Response]:
        """PUT, as :meth:`request`."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: Any, data: Any = None, **options: Any) -> Deferred[Response]:
        """PATCH, as :meth:`request`."""
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: Any, **options: Any) -> Deferred[Response]:
        """DELETE, as :meth:`request`."""
        return self.request("DELETE", url, **options)


@implementer(IAgent)
class _Dry:
    """For dry runs: a plugin that knows nothing of them still sends nothing."""

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        return fail(Reject(f"dry run: would {method.decode('ascii')} to {host_of(uri)}"))


def failure_of(
    response: IResponse, body: bytes, host: str, now: float, *, one_of_many: bool = False
) -> Retry | Reject | Hold:
    """
    What an answer of 400 or more means for the event.

    :param now: seconds since 1970.
    :param one_of_many: of a 403: the server takes others.
    """
    code = response.code
    reason = f"{host} answered {code}{_phrase(code)}{_excerpt(body)}"
    if code in _UNDONE or code >= 500:
        return Retry(reason, after=_retry_after(response, now), certain=code in _UNDONE)
    if code in (401, 407) or (code == 403 and not one_of_many):
        return Hold(f"{reason}; correct the login or its rights")
    return Reject(reason)


def _retry_after(response: IResponse, now: float) -> float | None:
    """Seconds, given as such or as a date (RFC 9110, 10.2.3); None for anything else."""
    values = response.headers.getRawHeaders("retry-after") or [""]
    text = values[0].strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        wait = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        wait = moment.timestamp() - now
    return min(max(wait, 0.0), LONGEST_WAIT)


def _phrase(code: int) -> str:
    try:
        return f" {HTTPStatus(code).phrase}"
    except ValueError:
        return ""


def _excerpt(body: bytes) -> str:
    """The beginning of what the server says about it, made safe for a log line."""
    text = "".join(letter if letter.isprintable() else " " for letter in body[:400].decode(errors="replace"))
    line = " ".join(text.split())[:120]
    return f": {line}" if line and not line.startswith("<") else ""

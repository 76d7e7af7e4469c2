"""A web server for tests, in memory or on loopback, that can be told to be in trouble."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from multipart import MultipartParser, parse_options_header
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer


class Answered(msgspec.Struct, frozen=True):
    """What a server answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}


class SentPart(msgspec.Struct, frozen=True):
    """A part of a multipart body."""

    filename: str | None
    content_type: str
    content: bytes


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request as a server got it.

    :param path: with the query.
    :param headers: by lower-case name.
    :param status: what the server made of it; None when it broke off instead.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None

    @property
    def accepted(self) -> bool:
        """Did the server do it?"""
        return self.status is not None and self.status < 300

    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    def form(self) -> dict[str, str]:
        """The fields of an ``application/x-www-form-urlencoded`` body."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))

    def parts(self) -> dict[str, SentPart]:
        """The parts of a ``multipart/form-data`` body by name, as a strict server reads them."""
        boundary = parse_options_header(self.headers["content-type"])[1]["boundary"]
        found = {}
        for part in MultipartParser(io.BytesIO(self.body), boundary, strict=True):
            found[part.name] = SentPart(part.filename, part.content_type, part.raw)
            part.close()
        return found


class _Trouble(msgspec.Struct, frozen=True):
    answer: Answered | None = None
    delay: float = 0.0
    breaks: bool = False
    acts: bool = False


class SimulatedServer(Resource):
    """
    Answers every request by :meth:`answer`, unless it is told to be in trouble.

    In memory: give `agent` to what makes requests, and any host name to `url`.  On
    loopback: ``url = await server.listen(reactor)``, ``await server.close()``.

    :param clock: waits for slow answers; a `Clock` in memory, the reactor on loopback.
    :ivar agent: an IAgent that asks this server in memory, whatever the host name is.
    :ivar requests: everything it was asked, in order.
    """

    isLeaf = True

    def __init__(self, clock: IReactorTime, url: str = "http://server.example") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.url = url
        self.requests: list[Asked] = []
        self._clock = clock
        self._troubles: deque[_Trouble] = deque()
        self._port: Any = None
        self.agent = _Memory(self.root())

    # -- what it does ---------------------------------------------------------

    def answer(self, asked: Asked) -> Answered:
        """What it answers when it is well, and where it does what it was asked to."""
        return Answered()

    def root(self) -> IResource:
        """The resource at the root of the site; a login goes around it."""
        return self

    @property
    def accepted(self) -> list[Asked]:
        """The requests that it did."""
        return [asked for asked in self.requests if asked.accepted]

    # -- trouble, for the next so many requests -------------------------------

    def fail(
        self, times: int = 1, status: int = 500, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Answer with an error and do nothing."""
        self._troubles.extend([_Trouble(Answered(status, body, headers or {}))] * times)

    def refuse(self, times: int = 1) -> None:
        """Let nobody in: answer 401, whatever the login is."""
        self.fail(times, 401)

    def slow(self, seconds: float, times: int = 1) -> None:
        """Do it after *seconds*, unless the caller has gone by then."""
        self._troubles.extend([_Trouble(delay=seconds)] * times)

    def drop(self, times: int = 1) -> None:
        """Read the request, do nothing, and close the connection."""
        self._troubles.extend([_Trouble(breaks=True)] * times)

    def lose_answer(self, times: int = 1) -> None:
        """Do it, and close the connection instead of saying so."""
        self._troubles.extend([_Trouble(breaks=True, acts=True)] * times)

    def recover(self) -> None:
        """Be well from now on."""
        self._troubles.clear()

    # -- where it is ----------------------------------------------------------

    async def listen(self, reactor: Any) -> str:
        """Listen on a port of loopback that the system chooses; gives the URL."""
        site = Site(self.root(), parsePOSTFormSubmission=False)
        self._clock = reactor
        self._port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"
        return self.url

    async def close(self) -> None:
        """Listen no more."""
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)

    # -- one request ----------------------------------------------------------

    def render(self, request: Request) -> int:
        """Twisted calls it for each request."""
        trouble = self._troubles.popleft() if self._troubles else _Trouble()
        if trouble.delay:
            due = self._clock.callLater(trouble.delay, self._handle, request, trouble)
            request.notifyFinish().addErrback(_gone, due)
        else:
            self._handle(request, trouble)
        return NOT_DONE_YET

    def _handle(self, request: Request, trouble: _Trouble) -> None:
        asked = _asked(request)
        answer = trouble.answer
        if answer is None and (trouble.acts or not trouble.breaks):
            answer = self.answer(asked)
        status = None if answer is None else answer.status
        self.requests.append(msgspec.structs.replace(asked, status=status))
        if answer is None or trouble.breaks:
            cast("Any", request.transport).abortConnection()
        else:
            _reply(request, answer)
        if trouble.delay:
            self.agent.flush()


class RecordingServer(SimulatedServer):
    """
    Says yes to everything and remembers it.

    ``server.fail(3)``, ``server.slow(40)``, ``server.drop()`` and ``server.lose_answer()``
    are for the next requests; ``server.reply`` is what it answers when it is well.
    """

    def __init__(self, clock: IReactorTime, url: str = "http://server.example") -> None:
        super().__init__(clock, url)
        self.reply = Answered()

    def answer(self, asked: Asked) -> Answered:
        """`reply`, whatever was asked."""
        return self.reply


@implementer(IAgent)
class _Memory:
    """`RequestTraversalAgent`, where the server notices that the other side has gone."""

    def __init__(self, root: IResource) -> None:
        self._agent: Any = RequestTraversalAgent(root)  # type: ignore[no-untyped-call]
        self._busy = False

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        asked: Deferred[IResponse] = self._within(self._agent.request, method, uri, headers, bodyProducer)
        return asked.addErrback(self._failed)

    def flush(self) -> None:
        """Carry over what was written since."""
        if not self._busy:
            self._within(self._agent.flush)

    def _failed(self, failure: Failure) -> Failure:
        self.flush()
        return failure

    def _within(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._busy = True
        try:
            return function(*arguments)
        finally:
            self._busy = False


def _gone(failure: Any, due: IDelayedCall) -> None:
    """Nobody waits for the slow answer any more."""
    if due.active():
        due.cancel()


def _asked(request: Request) -> Asked:
    pairs = request.requestHeaders.getAllRawHeaders()
    content = cast("io.BytesIO", request.content)
    content.seek(0)
    return Asked(
        method=request.method.decode(),
        path=request.uri.decode(),
        headers={name.decode().lower(): b", ".join(values).decode("latin-1") for name, values in pairs},
        body=content.read(),
    )


def _reply(request: Request, answer: Answered) -> None:
    request.setResponseCode(answer.status)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    request.setHeader("Content-Length", str(len(answer.body)))
    if request.method != b"HEAD":
        request.write(answer.body)
    request.finish()

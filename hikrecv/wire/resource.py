"""PushResource: the same way in, for any Twisted Site."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from ..config import Limits
from ..errors import Refused
from ..push import OK, Answer, Peer
from .addresses import peer_of
from .admission import Admission, Challenge, Sender
from .answers import BUSY
from .budget import Budget
from .intake import Busy, Complete, Intake, Receive, cost_of, looks_complete
from .watch import SenderLog, Tally, Watch


class Asked(NamedTuple):
    """A Twisted request's head in our words."""

    method: str
    target: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]


@implementer(IResource)
class PushResource:
    """
    Receives pushes at any place of a `Site`: ``root.putChild(b"hikvision", PushResource(...))``.

    Admission, quotas, redaction, the journal's answer and the handler's deadline
    are those of our own port.  What stock Twisted takes away before a resource
    is asked, and our own port does not:

    - requests that `HTTPChannel` refuses or drops: LF as line end, odd request lines
      and headers, repeated equal lengths, lengths beside chunks, padded chunk sizes ...;
    - bodies without a length: an empty body is seen, the rest is read as a request;
    - cut bodies and half-closed connections: no push, and no answer;
    - refusals before the body: the whole body is uploaded first, to memory or a
      temporary file, without a bound on its size or time;
    - HTTP/1.0 keep-alive, quick ACKs, one write an answer, limits on connections.

    Twisted's own form parser reads every POST before a resource does, slowly, and
    refuses forms that devices do send: switch it off,
    ``Site(resource, parsePOSTFormSubmission=False)``, or use :func:`site`, whose
    requests also bound the body while it comes.

    :param clock: only for the handler's deadline.
    :param complete: whether a GET without a body holds an event in its query (`isapi.whole.holds_document`).
    """

    isLeaf = True

    def __init__(
        self,
        receive: Receive,
        admission: Admission,
        limits: Limits,
        clock: IReactorTime,
        *,
        watch: Watch | None = None,
        wall: Callable[[], int] = time.time_ns,
        now: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
        complete: Complete = looks_complete,
    ) -> None:
        watch = watch or Tally(wall)
        budget = budget or Budget(limits, watch, now)
        self.limits, self._clock = limits, clock
        log = SenderLog(now)
        self.intake = Intake(receive, admission, budget, watch, log, complete=complete, wall=wall)

    def getChildWithDefault(self, name: bytes, request: Any) -> PushResource:
        """Every path below is ours."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """:raises TypeError: a device's path may be anything, so nothing can be put below."""
        raise TypeError("a PushResource takes every path below it; put the other resource beside it")

    def render(self, request: Request) -> bytes | int:
        """Take one request; the answer comes when it is kept."""
        asked = _asked(request)
        ip, port = peer_of(request.getClientAddress())
        try:
            sender = self.intake.admission.check(asked, ip)
            body = b"" if request.content is None else request.content.read()
            if not body and self.intake.only_asks(asked):
                return self._say(request, OK)
            if len(body) > self.limits.body:
                raise Refused(413, "its body is longer than limits.body")
            self.intake.make_room(sender, ip, len(body) + cost_of(asked))
        except Refused as refused:
            return self._refuse(request, refused, ip)
        self._keep(request, asked, sender, Peer(ip, port, sender.trust, sender.login), body)
        return NOT_DONE_YET

    def _keep(self, request: Request, asked: Asked, sender: Sender, peer: Peer, body: bytes) -> None:
        budget = self.intake.budget
        share = budget.share(sender, lambda: None)
        share.add(len(body), 0)
        left: list[Failure] = []
        request.notifyFinish().addErrback(left.append)

        def tell(answer: Answer) -> None:
            if not left:  # else it is kept, and nobody is there to be told
                request.write(self._say(request, answer))
                request.finish()

        late = self._clock.callLater(self.limits.answer_time, tell, BUSY)

        def kept(answer: Answer) -> None:
            share.release()
            if answer.status >= 400:
                budget.give_back(sender, len(body) + cost_of(asked), pushes=1)
            if late.active():
                late.cancel()
                tell(answer)

        taken = self.intake.take(self.intake.push(asked, peer, body, ()))
        taken.addCallback(kept).addErrback(self.intake.log.bug)

    def _refuse(self, request: Request, refused: Refused, ip: str) -> bytes:
        if isinstance(refused, Challenge):
            for line in refused.lines:
                name, _, value = line.partition(b": ")
                request.responseHeaders.addRawHeader(name, value)
            return self._say(request, Answer(401))
        if refused.http_status == OK.status:
            self.intake.watch.thrown_away(ip, refused.reason)
            return self._say(request, OK)
        self.intake.watch.refused(ip, refused.http_status, refused.reason)
        self.intake.log.say(
            ip, f"refused-{refused.http_status}", f"refused with {refused.http_status}: {refused.reason}"
        )
        after = refused.retry_after if isinstance(refused, Busy) else None
        return self._say(request, Answer(refused.http_status, retry_after=after))

    def _say(self, request: Request, answer: Answer) -> bytes:
        self.intake.watch.answered(answer.status)
        request.setResponseCode(answer.status)
        request.setHeader(b"content-length", b"%d" % len(answer.body))
        request.setHeader(b"content-type", (answer.content_type or "text/plain").encode("ascii"))
        if answer.retry_after is not None:
            request.setHeader(b"retry-after", b"%d" % answer.retry_after)
        if answer.close:
            request.setHeader(b"connection", b"close")
        return answer.body


class PushRequest(Request):
    """
    A request whose body comes as it is: to memory, bounded, past the form parser.

    `handleContentChunk` and `gotLength` are what streaming servers on Twisted
    override; both stay in this class.
    """

    limit = int(Limits().body)
    too_long = False
    content: BytesIO

    def gotLength(self, length: int | None) -> None:
        """See `twisted.web.http.Request`; no temporary file."""
        self.content = BytesIO()
        self.too_long = length is not None and length > self.limit

    def handleContentChunk(self, data: bytes) -> None:
        """See `twisted.web.http.Request`; what passes the bound is thrown away."""
        self.too_long = self.too_long or self.content.tell() + len(data) > self.limit
        if not self.too_long:
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """See `twisted.web.http.Request`; `args` stay empty."""
        self.content.seek(0)
        self.args = {}
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        if self.too_long:
            self.setResponseCode(413)
            self.setHeader(b"content-length", b"0")  # type: ignore[no-untyped-call]
            self.setHeader(b"connection", b"close")  # type: ignore[no-untyped-call]
            self.finish()  # type: ignore[no-untyped-call]
        else:
            self.process()  # type: ignore[no-untyped-call]


def site(resource: IResource, limits: Limits | None = None, **more: Any) -> Site:
    """
    A `Site` whose requests are :class:`PushRequest`; *resource* may be a tree with a `PushResource` in it.

    :param more: for `Site`: ``timeout``, ``logPath`` ...
    """
    bounds = limits or Limits()
    kind = type("PushRequest", (PushRequest,), {"limit": int(bounds.body)})
    return Site(resource, requestFactory=kind, parsePOSTFormSubmission=False, **more)


def _asked(request: HTTPRequest) -> Asked:
    headers = tuple(
        (name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values
    )
    target = request.uri if request.uri.startswith(b"/") else b"/" + request.uri
    version = "1.0" if request.clientproto.upper() == b"HTTP/1.0" else "1.1"
    return Asked(request.method.decode("ascii", "replace").upper(), target, version, headers)

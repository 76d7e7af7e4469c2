"""PushResource in Sites of Twisted, without sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from hikrecv.config import Limits
from hikrecv.errors import JournalFull
from hikrecv.push import OK, Answer, Push
from hikrecv.wire.admission import Admission, Logins
from hikrecv.wire.answers import remote_check
from hikrecv.wire.login import ha1
from hikrecv.wire.resource import PushResource, site

FORM = (
    b"--boundary\r\n\r\n{}\r\n"
    b"--boundary\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--boundary--\r\n"
)
POST = (
    b"POST /hik/x?y=1 HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=other\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(FORM), FORM)
)


class Desk:
    def __init__(
        self,
        make: Callable[[IResource], Site],
        receive: Callable[[Push], Deferred[Answer]] = lambda push: succeed(OK),
        limits: Limits | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.clock, self.pushes = Clock(), []
        self.answer = receive
        self.resource = PushResource(
            self.receive, admission or Admission(), limits or Limits(), self.clock, wall=lambda: 7
        )
        root = Resource()
        root.putChild(b"hik", self.resource)
        self.site = make(root)
        self.wire = StringTransport(peerAddress=IPv4Address("TCP", "10.0.0.5", 4000))
        self.channel = self.site.buildProtocol(None)
        self.channel.makeConnection(self.wire)

    def receive(self, push: Push) -> Deferred[Answer]:
        self.pushes.append(push)
        return self.answer(push)

    def send(self, data: bytes) -> bytes:
        self.channel.dataReceived(data)
        return self.wire.value()


def plain(root: IResource) -> Site:
    return Site(root, parsePOSTFormSubmission=False, reactor=Clock())


def ours(root: IResource) -> Site:
    return site(root, Limits(body=1000), reactor=Clock())


each_site = pytest.mark.parametrize("make", [plain, ours])


def test_it_is_a_resource():
    assert verifyObject(IResource, Desk(plain).resource)


@each_site
def test_a_form_that_twisted_would_refuse_is_received_as_it_is(make):
    desk = Desk(make)

    assert desk.send(POST).startswith(b"HTTP/1.1 200 OK\r\n")

    (push,) = desk.pushes
    assert (push.method, push.target, push.version, push.body) == ("POST", b"/hik/x?y=1", "1.1", FORM)
    assert (push.peer.ip, push.peer.port, push.peer.trust, push.received) == ("10.0.0.5", 4000, "none", 7)
    assert push.header(b"content-type") == b"multipart/form-data; boundary=other"


@each_site
def test_chunks_are_received(make):
    desk = Desk(make)

    desk.send(b"PUT /hik HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")

    assert [push.body for push in desk.pushes] == [b"{}"]


@each_site
def test_a_question_is_answered_and_not_kept(make):
    desk = Desk(make)

    assert desk.send(b"GET /hik HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert desk.pushes == []


@each_site
def test_the_answer_may_have_a_body(make):
    desk = Desk(make, lambda push: succeed(remote_check(7, False)))

    assert desk.send(POST).endswith(b'\r\n\r\n{"RemoteCheck":{"serialNo":7,"checkResult":"failed"}}')


@each_site
def test_what_is_not_kept_is_503(make):
    desk = Desk(make, lambda push: fail(JournalFull("full")))

    seen = desk.send(POST)

    assert seen.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 30" in seen


@each_site
def test_what_takes_too_long_is_503(make):
    kept: Deferred[Answer] = Deferred()
    desk = Desk(make, lambda push: kept, Limits(answer_time=5))
    assert desk.send(POST) == b""

    desk.clock.advance(5)
    assert desk.wire.value().startswith(b"HTTP/1.1 503 ")
    kept.callback(OK)

    assert desk.resource.intake.budget.total.held == 0
    assert desk.wire.value().count(b"HTTP/1.1") == 1


@each_site
def test_a_device_that_left_is_kept_all_the_same(make):
    kept: Deferred[Answer] = Deferred()
    desk = Desk(make, lambda push: kept)
    desk.send(POST)

    desk.channel.connectionLost(Failure(ConnectionDone()))
    kept.callback(OK)

    assert len(desk.pushes) == 1
    assert desk.clock.getDelayedCalls() == []


@each_site
def test_admission_holds(make):
    logins = Logins(frozenset(("basic",)), {b"u": ha1("u", "p")})

    assert b"HTTP/1.1 403 " in Desk(make, admission=Admission(token="other")).send(POST)
    assert b'Basic realm="hikrecv"' in Desk(make, admission=Admission(logins=logins)).send(POST)
    dropped = Desk(make, admission=Admission(token="other", deny="drop"))
    assert b"HTTP/1.1 200 " in dropped.send(POST)
    assert dropped.pushes == []


@each_site
def test_a_long_body_is_413(make):
    desk = Desk(make, limits=Limits(body=1000))

    seen = desk.send(b"POST /hik HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + bytes(1001))

    assert seen.startswith(b"HTTP/1.1 413 ")
    assert desk.pushes == []


def test_a_body_that_grows_too_long_is_thrown_away_while_it_comes():
    desk = Desk(ours)
    chunk = b"200\r\n" + bytes(512) + b"\r\n"

    seen = desk.send(
        b"POST /hik HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 9 + b"0\r\n\r\n"
    )

    assert seen.startswith(b"HTTP/1.1 413 ")
    assert desk.pushes == []


def test_nothing_can_be_put_below_it():
    with pytest.raises(TypeError):
        Desk(plain).resource.putChild(b"a", Resource())

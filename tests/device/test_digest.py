from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from treq.client import HTTPClient
from treq.testing import RequestTraversalAgent
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.guard import BasicCredentialFactory, DigestCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import IResource, Resource
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hikrecv.device.digest import DigestAgent
from hikrecv.device.exchange import body_of

URL = "http://10.0.0.5"


class Seen(Resource):
    """Answers everything, and remembers method, path, body and login."""

    isLeaf = True

    def __init__(self, status: Callable[[Any], int] = lambda request: 200) -> None:
        super().__init__()
        self.requests: list[tuple[bytes, bytes, bytes, str]] = []
        self._status = status

    def render(self, request: Any) -> bytes:
        login = request.getHeader("authorization") or ""
        self.requests.append((request.method, request.uri, request.content.read(), login))
        request.setResponseCode(self._status(request))
        return b"ok"


def guarded(resource: Resource, factory: Any = None) -> RequestTraversalAgent:
    """Twisted's own server side of RFC 2617 before *resource*."""

    class Realm:
        def requestAvatar(self, avatar: Any, mind: Any, *interfaces: Any) -> Any:
            return IResource, resource, lambda: None

    users = InMemoryUsernamePasswordDatabaseDontUse(admin=b"right")
    wrapper = HTTPAuthSessionWrapper(
        Portal(Realm(), [users]), [factory or DigestCredentialFactory(b"md5", b"device")]
    )
    return RequestTraversalAgent(wrapper)


@implementer(IAgent)
class Counting:
    """Passes on, and counts what went out with and without a login."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.logins: list[bool] = []

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
        self.logins.append(headers is not None and headers.hasHeader("authorization"))
        return self.agent.request(method, uri, headers, bodyProducer)


def client(agent: Any, password: str = "right", **options: Any) -> tuple[HTTPClient, Counting]:
    counting = Counting(agent)
    return HTTPClient(
        DigestAgent(counting, URL, "admin", password, **options), data_to_body_producer=body_of
    ), counting


def now(deferred: Deferred[Any]) -> Any:
    """What *deferred* has; it must have it."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "no result yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def ask(treq: HTTPClient, method: str = "GET", url: str = URL + "/x?y=1", **options: Any) -> IResponse:
    return now(treq.request(method, url, reactor=Clock(), **options))


def test_it_is_an_agent() -> None:
    assert verifyObject(IAgent, DigestAgent(Counting(None), URL, "u", "p"))


def test_twisted_lets_it_in_and_the_body_goes_only_with_the_login() -> None:
    door = Seen()
    treq, wire = client(guarded(door))

    response = ask(treq, "PUT", data=b"<open/>")

    assert response.code == 200
    assert [seen[:3] for seen in door.requests] == [(b"PUT", b"/x?y=1", b"<open/>")]
    assert wire.logins == [False, True]


def test_a_command_is_sent_once_and_whole_and_only_with_the_login() -> None:
    """Also to a device that looks at the body before the login, or does what it is told without one."""
    door = Seen(_asks_for_a_login)
    treq, _ = client(RequestTraversalAgent(door), probe="/ISAPI/System/deviceInfo")

    for _ in range(3):
        assert ask(treq, "PUT", URL + "/door/1", data=b"<open/>").code == 200

    commands = [(body, bool(login)) for method, _, body, login in door.requests if method == b"PUT"]
    assert commands == [(b"<open/>", True)] * 3
    others = [seen[:3] for seen in door.requests if seen[0] != b"PUT"]
    assert others == [(b"GET", b"/ISAPI/System/deviceInfo", b"")]
    counts = [login.partition("nc=")[2][:8] for *_, login in door.requests if login]
    assert counts == ["00000001", "00000002", "00000003"]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_what_has_no_body_but_changes_something_is_no_probe_either(method: str) -> None:
    door = Seen(_asks_for_a_login)
    treq, _ = client(RequestTraversalAgent(door))

    assert ask(treq, method).code == 200

    assert [(seen[0], bool(seen[3])) for seen in door.requests] == [(b"GET", False), (method.encode(), True)]


def test_what_anybody_may_read_and_few_may_do_is_done_with_the_login() -> None:
    device = Seen(lambda request: 200 if request.method == b"GET" else _asks_for_a_login(request))
    treq, _ = client(RequestTraversalAgent(device), probe="/open")

    assert ask(treq, "PUT", data=b"<open/>").code == 200

    assert [(seen[0], seen[2], bool(seen[3])) for seen in device.requests] == [
        (b"GET", b"", False),
        (b"PUT", b"<open/>", False),
        (b"PUT", b"<open/>", True),
    ]


def test_a_command_refused_with_the_right_nonce_is_not_tried_again() -> None:
    device = Seen(lambda request: 401 if request.method == b"PUT" else _asks_for_a_login(request))
    treq, _ = client(RequestTraversalAgent(device), probe="/info")

    assert ask(treq, "PUT", data=b"<open/>").code == 401

    assert [seen[0] for seen in device.requests] == [b"GET", b"PUT"]


def _asks_for_a_login(request: Any) -> int:
    if request.getHeader("authorization"):
        return 200
    request.setHeader("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
    return 401


def test_the_nonce_is_used_again_with_a_higher_count() -> None:
    door = Seen()
    treq, wire = client(guarded(door))

    ask(treq)
    ask(treq, "PUT", data=b"<open/>")

    assert wire.logins == [False, True, True]
    assert ["nc=00000001" in door.requests[0][3], "nc=00000002" in door.requests[1][3]] == [True, True]
    assert door.requests[1][2] == b"<open/>"


def test_a_wrong_password_is_tried_once_and_the_401_given_back() -> None:
    treq, wire = client(guarded(Seen()), password="wrong")

    response = ask(treq)

    assert response.code == 401
    assert wire.logins == [False, True]
    assert now(response.content()) == b"Unauthorized"  # type: ignore[attr-defined]


def test_a_forgotten_nonce_costs_one_more_login_and_no_more() -> None:
    door, factories = Seen(), [DigestCredentialFactory(b"md5", b"device") for _ in range(2)]
    treq, wire = client(guarded(door, factories[0]))
    ask(treq)

    wire.agent = guarded(door, factories[1])  # the device was restarted
    response = ask(treq, "PUT", data=b"<open/>")

    assert response.code == 200
    assert wire.logins == [False, True, True, True]
    assert door.requests[-1][2] == b"<open/>"


def stale_once() -> Seen:
    """Refuses the first login as stale, takes the second."""
    tries: list[str] = []

    def status(request: Any) -> int:
        login = request.getHeader("authorization")
        if login:
            tries.append(login)
        if login and len(tries) > 1:
            return 200
        stale = "true" if login else "false"
        request.setHeader(
            "WWW-Authenticate", f'Digest realm="r", nonce="n{len(tries)}", qop="auth", stale={stale}'
        )
        return 401

    return Seen(status)


def test_a_stale_nonce_is_replaced_and_the_body_sent_again() -> None:
    device = stale_once()
    treq, _ = client(RequestTraversalAgent(device))

    response = ask(treq, "PUT", data=b"<open/>")

    assert response.code == 200
    assert [body for _, _, body, _ in device.requests] == [b"", b"<open/>", b"<open/>"]
    assert 'nonce="n1"' in device.requests[-1][3]


def test_a_server_without_login_gets_the_request_and_its_body() -> None:
    server = Seen()
    treq, wire = client(RequestTraversalAgent(server))

    assert ask(treq).code == 200
    assert ask(treq, "PUT", data=b"<open/>").code == 200

    assert [body for _, _, body, _ in server.requests] == [b"", b"", b"<open/>"]
    assert wire.logins == [False, False, False]


def test_another_server_is_never_answered() -> None:
    treq, wire = client(guarded(Seen()))

    response = ask(treq, url="http://10.0.0.6/x")

    assert response.code == 401
    assert wire.logins == [False]


@pytest.mark.parametrize(("basic", "code"), [(True, 200), (False, 401)])
def test_basic_over_plain_http_needs_permission(basic: bool, code: int) -> None:
    treq, wire = client(guarded(Seen(), BasicCredentialFactory(b"device")), basic=basic)

    assert ask(treq).code == code
    assert wire.logins[1:] == [True] * basic


def test_basic_over_tls_needs_none() -> None:
    wire = Counting(guarded(Seen(), BasicCredentialFactory(b"device")))
    treq = HTTPClient(DigestAgent(wire, "https://10.0.0.5", "admin", "right"))

    assert ask(treq, url="https://10.0.0.5/x").code == 200


@implementer(IAgent)
class Slow:
    """Holds every request until it is told to let one through."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.waiting: list[Callable[[], Any]] = []

    def request(self, *arguments: Any) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self.waiting.append(lambda: self.agent.request(*arguments).chainDeferred(result))
        return result


def test_a_wrong_password_is_tried_by_one_of_many_that_wait() -> None:
    slow, guard = Slow(guarded(Seen())), Once()
    treq, wire = client(slow, password="wrong", guard=guard)
    asked = [treq.get(URL, reactor=Clock()) for _ in range(5)]
    ends: list[Any] = []
    for each in asked:
        each.addBoth(ends.append)

    while slow.waiting:
        slow.waiting.pop(0)()

    assert wire.logins.count(True) == 1
    assert len(ends) == 5


class Once:
    """Allows no try after a refusal."""

    def __init__(self) -> None:
        self.wrong = False

    def check(self) -> None:
        if self.wrong:
            raise RuntimeError("no more")

    def refused(self) -> None:
        self.wrong = True

    def accepted(self) -> None:
        self.wrong = False


def test_a_lost_connection_leaves_the_way_free_for_the_next() -> None:
    door = Seen()

    @implementer(IAgent)
    class Broken:
        def request(self, *arguments: Any) -> Any:
            return fail(ConnectionError("away"))

    treq, wire = client(Broken())
    with pytest.raises(ConnectionError):
        ask(treq)

    wire.agent = guarded(door)
    assert ask(treq).code == 200


@implementer(IBodyProducer)
class Stream:
    """A body that can be read only once, as a file."""

    def __init__(self, text: bytes) -> None:
        self._rest = [text]
        self.length = len(text)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._rest.pop())
        return succeed(None)

    def stopProducing(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def test_a_file_is_sent_once_with_a_fresh_nonce_each_time() -> None:
    door = Seen()
    wire = Counting(guarded(door))
    agent = DigestAgent(wire, URL, "admin", "right")

    for text in (b"one", b"two"):
        assert now(agent.request(b"PUT", URL.encode() + b"/", None, Stream(text))).code == 200

    assert [body for _, _, body, _ in door.requests] == [b"one", b"two"]
    assert wire.logins == [False, True, False, True]

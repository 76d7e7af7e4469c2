from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import pytest_twisted
from treq.testing import RequestTraversalAgent
from twisted.internet import defer, error
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from hikrecv import hookimpl
from hikrecv.errors import Hold, Reject, Retry
from hikrecv.reactions.http import Http
from hikrecv.testing.bench import Bench
from hikrecv.testing.waiting import result_of

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


class Server(Resource):
    isLeaf = True

    def __init__(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.status, self._body, self._headers = status, body, headers

    def render(self, request: Any) -> Any:
        self.seen.append((request.method, request.uri, request.content.read()))
        request.setResponseCode(self.status)
        for name, value in self._headers.items():
            request.setHeader(name.replace("_", "-"), value)
        return self._body


def http(server: Any, clock: Clock | None = None) -> Http:
    agent = server if IAgent.providedBy(server) else RequestTraversalAgent(server)
    return Http(agent, clock or Clock(), wall=lambda: NOW)


def now(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "no result yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def test_it_is_treq_where_the_answer_is_good() -> None:
    server = Server(body=b'{"a": 1}')

    response = now(http(server).post("http://hq/hook", json={"event": 1}, params={"x": "y"}))

    assert server.seen == [(b"POST", b"/hook?x=y", b'{"event":1}')]
    assert now(response.json()) == {"a": 1}
    assert now(response.content()) == now(response.content()) == b'{"a": 1}'


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_a_retry(status: int) -> None:
    with pytest.raises(Retry, match=f"hq answered {status}"):
        now(http(Server(status)).get("http://hq/"))


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 422, 451, 499])
def test_what_will_not_pass_is_a_reject(status: int) -> None:
    with pytest.raises(Reject, match=f"hq answered {status}"):
        now(http(Server(status)).get("http://hq/"))


@pytest.mark.parametrize("status", [401, 407, 403])
def test_a_login_that_is_refused_holds(status: int) -> None:
    with pytest.raises(Hold, match=f"hq answered {status}.*; correct the login or its rights"):
        now(http(Server(status)).get("http://hq/"))


def test_a_403_holds_as_long_as_nothing_was_taken_since_the_last_one() -> None:
    server = Server()
    ask = http(server)

    def end(status: int, method: str = "POST", host: str = "hq") -> type[Exception] | None:
        server.status = status
        try:
            now(ask.request(method, f"http://{host}/"))
        except (Hold, Reject) as problem:
            return type(problem)
        return None

    assert end(403) is Hold
    assert end(200) is None
    assert end(403) is Reject, "a web firewall refuses one of many"
    assert end(403) is Hold, "or nobody is let in any more"
    assert end(200, "GET") is None
    assert end(403) is Hold, "that something can be read says nothing"
    assert end(200, host="other") is None
    assert end(403) is Hold
    assert end(200) is None
    assert end(404) is Reject
    assert end(403) is Reject


def test_what_servers_take_of_one_reaction_says_nothing_about_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    one, other = bench.context(name="one"), bench.context(name="other")
    assert one.http is not other.http

    result_of(one.http.post(bench.server.url), bench.clock)
    bench.server.fail(2, 403)
    with pytest.raises(Hold):
        result_of(other.http.post(bench.server.url), bench.clock)
    with pytest.raises(Reject):
        result_of(one.http.post(bench.server.url), bench.clock)


@pytest.mark.parametrize("status", [200, 201, 204, 299, 304])
def test_the_rest_is_an_answer(status: int) -> None:
    assert now(http(Server(status)).get("http://hq/")).code == status


@pytest.mark.parametrize(
    ("header", "after"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0.0),
        ("999999999", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Xxx, 99 Foo 20999 99:99:99", None),
        ("", None),
    ],
)
def test_retry_after_is_understood_and_bounded(header: str, after: float | None) -> None:
    with pytest.raises(Retry) as caught:
        now(http(Server(503, Retry_After=header)).get("http://hq/"))

    assert caught.value.after == after


@pytest.mark.parametrize(("status", "certain"), [(429, True), (503, True), (500, False), (504, False)])
def test_a_retry_says_whether_it_cannot_have_been_done(status: int, certain: bool) -> None:
    with pytest.raises(Retry) as caught:
        now(http(Server(status)).get("http://hq/"))

    assert caught.value.certain is certain


def test_raise_for_status_false_gives_every_answer() -> None:
    response = now(http(Server(500, b"why")).get("http://hq/", raise_for_status=False))

    assert (response.code, now(response.text())) == (500, "why")


def test_the_reason_quotes_the_server_but_no_secret_of_the_address() -> None:
    server = Server(422, b"field \x1b[31mname\n is missing")

    with pytest.raises(Reject) as caught:
        now(http(server).get("http://user:pass@hq:8080/bot123:SECRET/send?token=SECRET"))

    assert str(caught.value) == "hq:8080 answered 422 Unprocessable Entity: field [31mname is missing"


@implementer(IAgent)
class Failing:
    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def request(self, *arguments: Any) -> Deferred[Any]:
        return fail(self._problem)


@pytest.mark.parametrize(
    ("problem", "certain"),
    [
        (error.ConnectionRefusedError(), True),
        (error.DNSLookupError("no such host"), True),
        (error.TCPTimedOutError(), True),
        (error.TimeoutError(), True),
        (error.ConnectionLost(), False),
        (error.ConnectionDone(), False),
        (ResponseNeverReceived([Failure(error.ConnectionLost())]), False),
        (ConnectionResetError("reset"), False),
    ],
)
def test_a_broken_connection_is_a_retry(problem: Exception, certain: bool) -> None:
    with pytest.raises(Retry, match="hq") as caught:
        now(http(Failing(problem)).get("http://hq/"))

    assert caught.value.certain is certain


def test_a_mistake_of_the_plugin_stays_what_it_is() -> None:
    with pytest.raises(TypeError):
        now(http(Server()).get("http://hq/", nonsense=1))
    with pytest.raises(Reject, match="http:// or https://"):
        now(http(Server()).get("ftp://hq/"))


@implementer(IAgent)
class Silent:
    def __init__(self) -> None:
        self.given_up = 0

    def request(self, *arguments: Any) -> Deferred[Any]:
        def count(_: Any) -> None:
            self.given_up += 1

        return Deferred(count)


def outcome(deferred: Deferred[Any]) -> list[Any]:
    ends: list[Any] = []
    deferred.addBoth(ends.append)
    return ends


def test_a_silent_server_is_a_retry_after_the_time_out() -> None:
    clock, silent = Clock(), Silent()
    ends = outcome(http(silent, clock).get("http://hq/", timeout=7))

    clock.advance(6.9)
    assert ends == []

    clock.advance(0.2)
    assert ends[0].check(Retry)
    assert "7 s" in str(ends[0].value)
    assert silent.given_up == 1
    assert not clock.getDelayedCalls()


def test_an_answer_that_never_ends_is_covered_by_the_time_out() -> None:
    class Endless(Resource):
        isLeaf = True

        def render(self, request: Any) -> Any:
            request.write(b"begin")
            request.notifyFinish().addErrback(lambda _: None)
            return NOT_DONE_YET

    clock = Clock()
    ends = outcome(http(Endless(), clock).get("http://hq/", timeout=7))

    clock.advance(8)

    assert ends[0].check(Retry)


def test_one_that_is_cancelled_is_cancelled_and_no_retry() -> None:
    clock = Clock()
    asked = http(Silent(), clock).get("http://hq/")
    ends = outcome(asked)

    asked.cancel()

    assert ends[0].check(defer.CancelledError)
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(("size", "refused"), [(1000, False), (1001, True)])
def test_an_answer_has_at_most_so_many_bytes(size: int, refused: bool) -> None:
    ends = outcome(http(Server(body=b"x" * size)).get("http://hq/", most=1000))

    assert isinstance(ends[0], Failure) == refused
    assert not refused or ends[0].check(Reject)


def test_a_packed_answer_is_bounded_by_what_comes_out() -> None:
    server = Server(body=gzip.compress(b"x" * 1_000_000), Content_Encoding="gzip")

    assert now(now(http(server).get("http://hq/")).content()) == b"x" * 1_000_000
    with pytest.raises(Reject, match="larger than 1,000 bytes"):
        now(http(server).get("http://hq/", most=1000))


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete"])
def test_every_method_is_there(method: str) -> None:
    server = Server()

    call: Callable[..., Any] = getattr(http(server), method)
    now(call("http://hq/"))

    assert server.seen[0][0] == method.upper().encode()


def test_a_redirect_that_leads_nowhere_is_a_reject() -> None:
    with pytest.raises(Reject, match="redirects"):
        now(http(Server(302, Location="http://hq/")).get("http://hq/"))


def test_a_digest_login_is_one_word_away() -> None:
    server = Server(401, WWW_Authenticate='Digest realm="r", nonce="n", qop="auth"')

    with pytest.raises(Hold, match="401"):
        now(http(server).with_digest("http://hq", "u", "p").post("http://hq/x", json={}))

    assert [seen[2] for seen in server.seen] == [b"", b"{}"]


class Taker(BaseHTTPRequestHandler):
    """Says yes, and closes the connection when it is so inclined."""

    taken: list[bytes]

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


class Old(Taker):
    protocol_version = "HTTP/1.0"


class Idle(Taker):
    """Keeps a connection, but not for long."""

    protocol_version = "HTTP/1.1"
    timeout = 0.01


class Liar(Taker):
    """Closes after every answer, and does not say so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        super().do_POST()
        self.close_connection = True


@pytest.fixture(params=[Old, Idle, Liar])
def taker(request: Any) -> Iterator[Any]:
    kind = type("Kind", (request.param,), {"taken": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Again:
    @hookimpl
    async def hikrecv_event(self) -> None: ...


class Once(Again):
    delivery = "at-most-once"


@pytest.mark.functional
@pytest.mark.parametrize("plugin", [Once, Again])
@pytest_twisted.ensureDeferred
async def test_a_server_that_closes_its_connections_fails_no_attempt(
    loopback: Bench, taker: Any, plugin: type
) -> None:
    context = loopback.context(plugin)
    url = f"http://127.0.0.1:{taker.server_address[1]}/"
    bodies = [b"%d" % number for number in range(50)]

    for body in bodies:
        await context.http.post(url, body)

    assert taker.RequestHandlerClass.taken == bodies

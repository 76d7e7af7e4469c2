from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hikrecv_mirror
import msgspec
import pytest
import pytest_twisted
from hikrecv_mirror_head import headers_for, url_for
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from hikrecv import Peer, Push, Reject, Retry
from hikrecv.config import Limits, Listen, convert, parse
from hikrecv.push import OK
from hikrecv.reactions.plugins import find
from hikrecv.testing.contract import PluginContract
from hikrecv.testing.events import WHO
from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import acusense, minmoe
from hikrecv.testing.profiles.xml import alert
from hikrecv.testing.waiting import result_of
from hikrecv.wire.admission import Admission
from hikrecv.wire.connection import PushFactory

README = Path(__file__).parents[1] / "README.md"
HERE = "tcp:0:interface=127.0.0.1"
LOGIN = {"user": "edge", "password": "Mirror-1"}


class TestContract(PluginContract):
    plugin = hikrecv_mirror
    wrong = (
        ({"url": "not an address"}, "url"),
        ({"path": "both"}, "path"),
        ({"basic": LOGIN, "digest": LOGIN}, "exclude"),
        ({"path": "device", "url": "http://a.example/?x=1"}, "query"),
    )

    @pytest.fixture
    def table(self, recording_server: Any) -> dict[str, Any]:
        return {"url": f"{recording_server.url}/hik"}

    @pytest.fixture
    def seen(self, recording_server: Any, receiver: Any) -> Callable[[], Sequence[str]]:
        def keys() -> list[str]:
            sent = {receiver.bench.kept(event.seq).body: event.key for event in receiver.events}
            return [sent[asked.body] for asked in recording_server.accepted]

        return keys

    @pytest.fixture
    def trouble(self, recording_server: Any) -> Any:
        return recording_server


def push(body: bytes = b"<a/>", target: bytes = b"/", **headers: str) -> Push:
    pairs = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Push(
        received=1,
        peer=Peer(ip="192.0.2.2", port=1, trust="address"),
        target=target,
        headers=pairs,
        body=body,
    )


def two_events(moment: Any) -> Message:
    """One request that holds two documents."""
    texts = [alert(WHO, moment, kind) for kind in ("linedetection", "fielddetection")]
    return multipart("two", [part(f"e{n}.xml", "application/xml", text) for n, text in enumerate(texts)])


# -- in memory ---------------------------------------------------------------------


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("mirror").subject is hikrecv_mirror.Plugin


def test_body_and_method_and_content_type_are_those_of_the_device(
    receiver: Any, recording_server: Any
) -> None:
    receiver.start({"center": {"plugin": "mirror", "url": "http://center.example/in?key=1"}})

    receiver.push("face-match")

    (asked,) = recording_server.requests
    sent = receiver.bench.kept(1)
    assert (asked.method, asked.path) == ("POST", "/in?key=1")
    assert asked.body == sent.body
    assert asked.headers["content-type"] == sent.header(b"content-type").decode()
    assert asked.headers["host"] == "center.example"


def test_a_request_with_several_events_is_passed_on_once(
    receiver: Any, recording_server: Any, make_event: Any
) -> None:
    receiver.start({"center": {"plugin": "mirror", "url": recording_server.url}})
    moment = make_event().received

    events = receiver.push(two_events(moment))
    receiver.catch_up()

    assert len(events) == 2
    assert len(recording_server.requests) == 1
    assert receiver.status("center").done == 2


def test_a_rule_that_wants_the_second_event_only_gets_the_whole_request(
    receiver: Any, recording_server: Any, make_event: Any
) -> None:
    table = {"plugin": "mirror", "url": recording_server.url, "families": ["intrusion"]}
    receiver.start({"center": table})

    receiver.push(two_events(make_event().received))
    receiver.push("line-crossing")
    receiver.catch_up()

    assert [asked.body for asked in recording_server.requests] == [receiver.bench.kept(1).body]


def test_a_failed_request_is_sent_again_for_the_second_event_too(
    receiver: Any, recording_server: Any, make_event: Any
) -> None:
    receiver.start({"center": {"plugin": "mirror", "url": recording_server.url}})
    recording_server.fail(2, 503)

    receiver.push(two_events(make_event().received))
    receiver.catch_up()

    assert [asked.status for asked in recording_server.requests] == [503, 503, 200]


def test_a_rewound_reaction_passes_on_again(receiver: Any, recording_server: Any, make_event: Any) -> None:
    receiver.start({"center": {"plugin": "mirror", "url": recording_server.url}})
    receiver.push(two_events(make_event().received))
    receiver.push("plate")

    result_of(receiver.dispatch.rewind("center", "beginning"), receiver.clock)
    receiver.catch_up()

    assert [len(asked.body) for asked in recording_server.requests] == [
        len(receiver.bench.kept(seq).body) for seq in (1, 2, 1, 2)
    ]


def test_the_end_of_an_alarm_that_no_device_sent_is_not_passed_on(
    receiver: Any, recording_server: Any, make_event: Any
) -> None:
    table = {"plugin": "mirror", "url": recording_server.url, "repeats": "first"}
    receiver.start({"center": table})
    began = make_event().received
    for seconds in range(3):
        receiver.push(acusense.intrusion(WHO, began + timedelta(seconds=seconds), "human"))

    receiver.advance(600)

    assert receiver.status("center").done == 2  # the first, and the end
    assert len(recording_server.requests) == 1


def test_a_request_that_is_kept_no_more_is_given_up(make_context: Any, make_event: Any, bench: Any) -> None:
    context = make_context(hikrecv_mirror, url=bench.server.url)
    plugin = hikrecv_mirror.Plugin(context)
    event = make_event("plate").replace(seq=4_711)

    with pytest.raises(Reject, match="4711"):
        result_of(plugin.hikrecv_event(event, context))


@pytest.mark.parametrize(
    ("status", "end"), [(204, None), (302, Retry), (301, Reject), (404, Reject), (503, Retry), (500, Retry)]
)
def test_what_the_answer_means(make_context: Any, make_event: Any, bench: Any, status: int, end: Any) -> None:
    context = make_context(hikrecv_mirror, url=bench.server.url)
    plugin = hikrecv_mirror.Plugin(context)
    bench.server.fail(1, status)

    work = plugin.hikrecv_event(make_event("plate"), context)

    if end is None:
        result_of(work)
    else:
        with pytest.raises(end):
            result_of(work)


def test_a_dry_run_sends_nothing(make_context: Any, make_event: Any, bench: Any) -> None:
    context = make_context(hikrecv_mirror, url=bench.server.url)
    plugin = hikrecv_mirror.Plugin(context)

    result_of(plugin.hikrecv_event(make_event("plate"), context.for_attempt(1, dry_run=True)))

    assert bench.server.requests == []


# -- the head ----------------------------------------------------------------------


def test_what_belongs_to_the_connection_or_is_secret_stays_here() -> None:
    sent = push(
        Authorization="-",
        Proxy_Authorization="-",
        Cookie="-",
        Connection="keep-alive, X-Hop",
        X_Hop="1",
        Keep_Alive="timeout=5",
        Transfer_Encoding="chunked",
        Content_Length="9",
        Expect="100-continue",
        X_Kept="1",
    )

    headers = headers_for(sent, "http://center.example:8000/")

    assert list(headers.getAllRawHeaders()) == [
        (b"Host", (b"center.example:8000",)),
        (b"X-Kept", (b"1",)),
    ]


def test_spelling_order_and_repeats_are_kept_and_the_host_is_in_its_place() -> None:
    pairs = ((b"x-ONE", b"1"), (b"hOST", b"old"), (b"Two", b"2"), (b"X-One", b"\xff; 3"))
    sent = msgspec.structs.replace(push(), headers=pairs)

    headers = headers_for(sent, "http://new/")
    headers.addRawHeader("Accept-Encoding", "gzip")
    headers.setRawHeaders("Authorization", ["Digest x"])

    assert [(name, *values) for name, values in headers.copy().getAllRawHeaders()] == [
        (b"x-ONE", b"1"),
        (b"Host", b"new"),
        (b"Two", b"2"),
        (b"X-One", b"\xff; 3"),
        (b"Authorization", b"Digest x"),
    ]


def test_no_header_can_smuggle_in_another() -> None:
    pairs = ((b"A", b"1\r\nInjected: 2"), (b"B\r\nC", b"3"), (b"D", b"4\0"), (b"", b"5"), (b"Bad name", b"6"))

    headers = headers_for(msgspec.structs.replace(push(), headers=pairs), "http://new/")

    assert list(headers.getAllRawHeaders()) == [(b"Host", (b"new",))]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", "http://c/base/"),
        (b"/hik/event?a=1&b=%20x", "http://c/base/hik/event?a=1&b=%20x"),
        (b"/-", "http://c/base/"),
        (b"/-/event", "http://c/base/event"),
        (b"/-?x=1", "http://c/base/?x=1"),
        (b"//double", "http://c/base//double"),
        (b"/bl ank\xe4\x01#", "http://c/base/bl%20ank%E4%01%23"),
        (b"/-name", "http://c/base/-name"),
    ],
)
def test_the_path_of_the_device_without_the_token(target: bytes, expected: str) -> None:
    sent = push(target=target)

    assert url_for(sent, "http://c/base/", keep_path=True) == expected
    assert url_for(sent, "http://c/base/?q", keep_path=False) == "http://c/base/?q"


# -- over sockets ------------------------------------------------------------------


class Raw(Protocol):
    """The other receiver, down to the bytes: keeps each request as it is on the wire, and says yes."""

    def connectionMade(self) -> None:
        self.factory.connections += 1
        self.buffer = b""

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n") + 4) > 3:
            length = int((re.search(rb"(?i)content-length: (\d+)", self.buffer[:end]) or [0, b"0"])[1])
            if len(self.buffer) < end + length:
                return
            self.factory.requests.append(self.buffer[: end + length])
            self.buffer = self.buffer[end + length :]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class RawServer(Factory):
    protocol = Raw
    noisy = False

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0


class Sender(Protocol):
    """A device: writes bytes, and waits for the answer."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self.data)

    def dataReceived(self, data: bytes) -> None:
        self.answered.callback(data)
        self.transport.loseConnection()


async def send(port: Any, raw: bytes) -> None:
    from twisted.internet import reactor

    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    sender = await connectProtocol(endpoint, Sender(raw))
    assert b" 200 " in await sender.answered


class Edge:
    """What listens, receives and passes on: our own connection, and the plugin, on loopback."""

    def __init__(self, bench: Any, listen: Listen) -> None:
        from twisted.internet import reactor

        self.pushes: list[Push] = []
        self.factory = PushFactory(
            lambda push: self.pushes.append(push) or succeed(OK),
            Admission.from_config(listen),
            Limits(),
            reactor,
        )
        self.bench = bench
        bench.kept = lambda seq: self.pushes[seq]

    async def pass_on(self, raw: bytes, **table: Any) -> None:
        from twisted.internet import reactor

        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.factory)
        await send(port, raw)
        await port.stopListening()
        context = self.bench.context(hikrecv_mirror, **table)
        plugin = hikrecv_mirror.Plugin(context)
        event = self.bench.events("plate").replace(seq=len(self.pushes) - 1)
        await plugin.hikrecv_event(event, context)


BODY = minmoe.verified(WHO, datetime(2026, 3, 2, 8, 0).astimezone(), 1).body + draw("yard") + b"\0\r\n"
HEAD = (
    b"User-Agent: Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; WOW64; Trident/5.0)\r\n"
    b"Accept: text/html, application/xhtml+xml, */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\n"
    b"content-TYPE: multipart/form-data;boundary=MIME_boundary\r\n"
    b"Host: 192.168.2.48\r\n"
    b"X-Odd:  two  blanks\r\n"
)


@pytest.mark.functional
@pytest.mark.parametrize("chunked", [False, True])
@pytest_twisted.ensureDeferred
async def test_the_bytes_on_the_wire_are_those_of_the_device(loopback: Any, chunked: bool) -> None:
    from twisted.internet import reactor

    raw, edge = RawServer(), Edge(loopback, convert({"token": "s3cret"}, Listen))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(raw)
    url = f"127.0.0.1:{port.getHost().port}"
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(BODY)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    secrets = b"Authorization: Basic c2VjcmV0\r\nCookie: a=b\r\nConnection: close\r\n"
    request = b"POST /s3cret/hik?x=1 HTTP/1.1\r\n" + HEAD + secrets + framing + b"\r\n\r\n" + body

    await edge.pass_on(request, url=f"http://{url}", path="device")
    await port.stopListening()

    (seen,) = raw.requests
    kept = HEAD.replace(b"192.168.2.48", url.encode()).replace(b":  two", b": two")
    assert seen == b"POST /hik?x=1 HTTP/1.1\r\nContent-Length: %d\r\n" % len(BODY) + kept + b"\r\n" + BODY


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_connections_to_the_other_receiver_are_kept_and_few(loopback: Any) -> None:
    from twisted.internet import reactor
    from twisted.internet.defer import gatherResults

    raw = RawServer()
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(raw)
    context = loopback.context(hikrecv_mirror, url=f"http://127.0.0.1:{port.getHost().port}")
    plugin = hikrecv_mirror.Plugin(context)
    events = [loopback.events("access") for _ in range(30)]

    for at in range(0, 30, 2):
        work = [Deferred.fromCoroutine(plugin.hikrecv_event(event, context)) for event in events[at : at + 2]]
        await gatherResults(work)
    await port.stopListening()

    assert len(raw.requests) == 30
    assert raw.connections == 2


@pytest.mark.functional
@pytest.mark.parametrize("scheme", ["basic", "digest"])
@pytest_twisted.ensureDeferred
async def test_a_receiver_that_wants_a_login_gets_ours(loopback: Any, scheme: str) -> None:
    from twisted.internet import reactor

    pushes: list[Push] = []
    listen = convert({"login": scheme, **LOGIN}, Listen)
    center = PushFactory(
        lambda push: pushes.append(push) or succeed(OK), Admission.from_config(listen), Limits(), reactor
    )
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(center)
    edge = Edge(loopback, Listen())
    request = b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

    await edge.pass_on(request, url=f"http://127.0.0.1:{port.getHost().port}", **{scheme: LOGIN})
    await port.stopListening()

    (seen,) = pushes
    assert (seen.body, seen.peer.trust) == (BODY, "login")
    assert seen.header(b"user-agent") == edge.pushes[0].header(b"user-agent")


# -- the documents -------------------------------------------------------------------


def test_the_examples_of_the_readme_are_right(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTER_PASSWORD", "secret")
    examples = re.findall(r"```toml\n(.*?)```", README.read_text(), re.S)
    assert examples
    for example in examples:
        reactions, errors = bench.build(parse(example).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "mirror" for reaction in reactions.values())


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_mirror.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys

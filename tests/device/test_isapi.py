from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from zope.interface import implementer

from hikrecv.config import DeviceTable, Login, Secret, Zone
from hikrecv.device.guard import PAUSE
from hikrecv.device.isapi import DeviceClient, Devices, address_errors, base_url
from hikrecv.errors import Reject, Retry

OK = b'<ResponseStatus version="2.0"><requestURL>/x</requestURL><statusCode>1</statusCode></ResponseStatus>'
LOGIN = Login(user="admin", password=Secret("right"))
JPEG = b"\xff\xd8\xff\xe0picture"


def status(code: int, text: str = "") -> bytes:
    said = f"<statusCode>{code}</statusCode><subStatusCode>{text}</subStatusCode>"
    return f"<ResponseStatus>{said}</ResponseStatus>".encode()


class Box(Resource):
    """A device that answers from a table of paths, and remembers what it was asked."""

    isLeaf = True

    def __init__(
        self, answers: dict[str, tuple[int, bytes]] | None = None, default: tuple[int, bytes] = (200, OK)
    ) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, bytes]] = []
        self._answers = answers or {}
        self._default = default

    def render(self, request: Any) -> bytes:
        path = request.uri.decode()
        self.asked.append((request.method.decode(), path, request.content.read()))
        code, body = self._answers.get(path, self._default)
        request.setResponseCode(code)
        return body


def device(resource: Any, clock: Clock | None = None, **table: Any) -> DeviceClient:
    table = {"address": "10.0.0.5", **table}
    agent = resource if IAgent.providedBy(resource) else RequestTraversalAgent(resource)
    return DeviceClient("gate", DeviceTable(**table), agent, clock or Clock())


def now(coroutine: Any) -> Any:
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    assert results, "no result yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


CALLS: list[tuple[Callable[[DeviceClient], Any], str, bytes]] = [
    (
        lambda each: each.door("open", 2),
        "/ISAPI/AccessControl/RemoteControl/door/2",
        b'<RemoteControlDoor version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema"><cmd>open</cmd></RemoteControlDoor>',
    ),
    (
        lambda each: each.gate("open"),
        "/ISAPI/Parking/channels/1/barrierGate",
        b"<BarrierGate><ctrlMode>open</ctrlMode></BarrierGate>",
    ),
    (
        lambda each: each.output("high", 3),
        "/ISAPI/System/IO/outputs/3/trigger",
        b"<IOPortData><outputState>high</outputState></IOPortData>",
    ),
    (
        lambda each: each.remote_check(7, True),
        "/ISAPI/AccessControl/remoteCheck?format=json",
        b'{"RemoteCheck":{"serialNo":7,"checkResult":"success","info":""}}',
    ),
]


@pytest.mark.parametrize(("call", "path", "body"), CALLS)
def test_a_call_is_put_where_the_devices_have_it(call: Any, path: str, body: bytes) -> None:
    box = Box()

    assert now(call(device(box))).ok
    assert box.asked == [("PUT", path, body)]


@pytest.mark.parametrize(
    ("answer", "error", "certain"),
    [
        ((200, status(2)), Retry, True),
        ((503, b""), Retry, True),
        ((200, status(3, "deviceError")), Retry, False),
        ((500, b"oops"), Retry, False),
        ((200, status(4, "notSupport")), Reject, None),
        ((400, status(6, "badXmlContent")), Reject, None),
        ((403, b""), Reject, None),
        ((200, b'{"statusCode": 4, "statusString": "Invalid Operation"}'), Reject, None),
        ((302, status(4)), Reject, None),
    ],
)
def test_a_refusal_is_sorted_by_what_to_do_next(answer: Any, error: type, certain: bool | None) -> None:
    with pytest.raises(error, match="device gate answered") as caught:
        now(device(Box(default=answer)).door("open"))

    assert getattr(caught.value, "certain", None) is certain


@pytest.mark.parametrize(
    "answer", [(200, b""), (200, status(7)), (200, status(0)), (200, b'{"statusCode": 1}'), (200, b"<x")]
)
def test_a_success_is_one_in_all_its_forms(answer: Any) -> None:
    assert now(device(Box(default=answer)).door("open")).ok


def test_a_barrier_is_looked_for_and_its_place_remembered() -> None:
    place = "/ISAPI/Parking/channels/1/manualControl"
    box = Box(
        {place: (200, OK), "/ISAPI/Parking/channels/1/barrierGate": (404, b"")},
        (200, status(4, "notSupport")),
    )
    client = device(box)

    now(client.gate("open"))
    now(client.gate("close"))

    assert [path.rpartition("/")[2] for _, path, _ in box.asked] == [
        "barrierGate",
        "manualControl",
        "manualControl",
        "manualControl",
    ]


def test_a_busy_barrier_is_not_looked_for_elsewhere() -> None:
    box = Box(default=(200, status(2)))

    with pytest.raises(Retry):
        now(device(box).gate("open"))

    assert len(box.asked) == 1


def test_a_snapshot_through_a_recorder_comes_from_its_other_place() -> None:
    box = Box(
        {
            "/ISAPI/Streaming/channels/301/picture": (200, status(6, "badXmlContent")),
            "/ISAPI/ContentMgmt/StreamingProxy/channels/301/picture": (200, JPEG),
        }
    )

    assert now(device(box).snapshot("3")) == JPEG


def test_something_that_is_no_picture_is_refused() -> None:
    with pytest.raises(Reject, match="something else than a picture"):
        now(device(Box(default=(200, b"<html>"))).snapshot())


def test_a_linked_picture_is_fetched_from_the_configured_address_whatever_the_link_says() -> None:
    box = Box({"/picture/1?name=a&size=2": (200, JPEG)})

    assert now(device(box).picture("http://10.0.0.5:8000/picture/1?name=a&size=2")) == JPEG
    assert now(device(box).picture("http://192.168.1.64/picture/1?name=a&size=2", ["192.168.1.64"])) == JPEG


@pytest.mark.parametrize(
    "url", ["http://evil/x", "http://10.0.0.5@evil/x", "http://[::1", "ftp:x", "//evil/x", ""]
)
def test_a_link_to_somewhere_else_is_refused(url: str) -> None:
    box = Box()

    with pytest.raises(Reject):
        now(device(box).picture(url))

    assert box.asked == []


def login_wall(password: str = "right", offer: str = 'Digest realm="r", nonce="n", qop="auth"') -> Box:
    class Wall(Box):
        def render(self, request: Any) -> bytes:
            super().render(request)
            if 'username="admin"' in (request.getHeader("authorization") or "") and password == "right":
                return OK
            request.setResponseCode(401)
            request.setHeader("WWW-Authenticate", offer)
            return b"<userCheck/>"

    return Wall()


def test_a_device_that_asks_gets_the_login_of_the_table() -> None:
    assert now(device(login_wall(), login=LOGIN).door("open")).ok


def test_five_wrong_logins_never_happen_whoever_asks_how_often() -> None:
    clock, wall = Clock(), login_wall("other")
    client = device(wall, clock, login=LOGIN)
    with_login = 0

    for _ in range(100):
        before = len(wall.asked)
        with pytest.raises(Reject, match=r"\[devices\.gate\]"):
            now(client.door("open"))
        with_login += len(wall.asked) - before == 2
        clock.advance(PAUSE / 3)

    assert with_login == 2


def test_after_a_wrong_login_there_is_a_pause_and_then_one_more_try() -> None:
    clock, wall = Clock(), login_wall("other")
    client = device(wall, clock, login=LOGIN)
    with pytest.raises(Reject, match="refused user 'admin'"):
        now(client.door("open"))

    with pytest.raises(Reject, match="the next try is in 900 s"):
        now(client.door("open"))
    clock.advance(PAUSE)
    with pytest.raises(Reject, match="refused user 'admin'"):
        now(client.door("open"))
    clock.advance(PAUSE)
    with pytest.raises(Reject, match="refused the login 2 times"):
        now(client.door("open"))


def test_a_device_that_asks_without_a_login_in_the_table_names_the_key() -> None:
    with pytest.raises(Reject, match=r"give \[devices\.gate\] login"):
        now(device(login_wall()).door("open"))


def test_basic_over_plain_http_is_refused_with_the_cure() -> None:
    with pytest.raises(Reject, match="basic = true"):
        now(device(login_wall(offer='Basic realm="r"'), login=LOGIN).door("open"))


@implementer(IAgent)
class Silent:
    """Never answers, and remembers whether it was given up."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Any]] = []
        self.given_up = 0

    def request(self, *arguments: Any) -> Deferred[Any]:
        def cancelled(_: Any) -> None:
            self.given_up += 1

        self.asked.append(Deferred(cancelled))
        return self.asked[-1]


def test_a_silent_device_is_given_up_and_what_it_did_is_unknown() -> None:
    clock, silent, ends = Clock(), Silent(), []
    client = device(silent, clock, login=LOGIN)
    Deferred.fromCoroutine(client.door("open")).addBoth(ends.append)

    clock.advance(5)

    assert ends[0].check(Retry)
    assert ends[0].value.certain is False
    assert silent.given_up == 1
    assert not clock.getDelayedCalls()


def test_only_two_calls_to_a_device_are_under_way_at_once() -> None:
    silent = Silent()
    client = device(silent)

    ends = [Deferred.fromCoroutine(client.door("open")).addErrback(lambda _: None) for _ in range(4)]

    assert len(silent.asked) == 2
    for each in ends:
        each.cancel()


def test_redirects_are_not_followed() -> None:
    box = Box(default=(302, b""))

    with pytest.raises(Reject, match="it redirects"):
        now(device(box).door("open"))

    assert len(box.asked) == 1


@pytest.mark.parametrize(
    ("table", "url"),
    [
        ({"address": "10.0.0.5"}, "http://10.0.0.5"),
        ({"address": "10.0.0.5:8080"}, "http://10.0.0.5:8080"),
        ({"address": "fe80::1"}, "http://[fe80::1]"),
        ({"address": "10.0.0.5", "url": "https://10.0.0.5:8443/"}, "https://10.0.0.5:8443"),
    ],
)
def test_the_address_is_that_of_the_table(table: dict[str, str], url: str) -> None:
    assert base_url("gate", DeviceTable(**table)) == url


@pytest.mark.parametrize("table", [{}, {"url": "ftp://x"}, {"url": "http://u:p@x"}, {"url": "http://"}])
def test_a_table_without_a_usable_address_is_refused(table: dict[str, str]) -> None:
    with pytest.raises(Reject, match="gate"):
        base_url("gate", DeviceTable(**table))


def test_addresses_are_checked_before_anything_is_called() -> None:
    tables = {"a": {"url": "gate.local"}, "b": {"address": "10.0.0.5"}, "c": {}, "d": {"address": "x/y"}}

    errors = address_errors({name: DeviceTable(**table) for name, table in tables.items()})

    assert [error.path for error in errors] == ["devices.a.url", "devices.d.address"]


def devices(clock: Clock, **tables: DeviceTable) -> Devices:
    return Devices(tables, lambda verify: RequestTraversalAgent(login_wall("other")), clock)


def test_only_configured_devices_have_clients() -> None:
    every = devices(Clock(), nvr=DeviceTable(address="10.0.0.9"))

    assert every("nvr/3") is every("nvr")
    with pytest.raises(Reject, match=r"no \[devices\.other\]"):
        every("other/1")


def test_a_reload_keeps_the_count_of_wrong_logins_until_the_login_changes() -> None:
    same = DeviceTable(address="10.0.0.5", login=LOGIN)
    every = devices(Clock(), gate=same)
    with pytest.raises(Reject):
        now(every("gate").door("open"))
    first = every("gate")

    every.update({"gate": DeviceTable(address="10.0.0.5", login=LOGIN)})
    assert every("gate") is first

    every.update({"gate": DeviceTable(address="10.0.0.5", login=Login(user="x", password=Secret("y")))})
    assert every("gate") is not first


@pytest.mark.parametrize(
    ("body", "zone"),
    [
        (b"<Time><timeMode>NTP</timeMode><localTime>2026-11-30T23:00:00+08:00</localTime></Time>", None),
        (
            b"<Time><localTime>2026-11-30T23:00:00</localTime><timeZone>CST-8:00:00</timeZone></Time>",
            "+08:00",
        ),
        (b'{"Time": {"timeMode": "manual", "localTime": "2026-11-30T15:00:00Z"}}', None),
    ],
)
def test_the_time_of_a_device_is_what_it_says_itself(body: bytes, zone: str | None) -> None:
    box = Box({"/ISAPI/System/time": (200, body)})

    said = now(device(box, zone=zone and Zone(zone)).time())

    assert said == datetime(2026, 11, 30, 15, tzinfo=timezone.utc)
    assert box.asked == [("GET", "/ISAPI/System/time", b"")]


@pytest.mark.parametrize(
    "body",
    [b"<Time><localTime>2026-11-30T23:00:00</localTime></Time>", b"<Time/>", b"", b"[]", b"<html>", OK],
)
def test_a_time_in_no_known_zone_and_something_else_are_no_time(body: bytes) -> None:
    with pytest.raises(Reject, match="gate says no time that can be read"):
        now(device(Box({"/ISAPI/System/time": (200, body)})).time())

"""One connection: what is kept of it, what is answered, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from hikrecv.config import Limits
from hikrecv.errors import JournalFull
from hikrecv.push import OK, Answer, Push
from hikrecv.senders import SenderClass
from hikrecv.wire.admission import Admission, Logins
from hikrecv.wire.answers import remote_check
from hikrecv.wire.connection import PushFactory
from hikrecv.wire.line import BODY_READ, FIRST_READ
from hikrecv.wire.login import ha1

POST = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CLOSING = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def post(body: bytes, length: int | None = None, extra: bytes = b"") -> bytes:
    size = len(body) if length is None else length
    return b"POST / HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, size, body)


# -- what is kept --------------------------------------------------------------


def basic(secret: bytes) -> Logins:
    return Logins(frozenset(("basic",)), {b"u": secret})


def test_a_push_is_what_came_and_who_sent_it(port):
    desk = port()

    desk.connect("10.0.0.7").send(
        b"put /a?b=c HTTP/1.1\r\nHost: x\r\nX-Name: \xc9\xe3\r\nContent-Length: 3\r\n\r\nabc"
    )

    (push,) = desk.pushes
    assert (push.method, push.target, push.version, push.body) == ("PUT", b"/a?b=c", "1.1", b"abc")
    assert (push.peer.ip, push.peer.port, push.peer.trust) == ("10.0.0.7", 40000, "none")
    assert push.header(b"x-name") == b"\xc9\xe3"
    assert push.received == 1_000_000_000_000
    assert [anomaly.name for anomaly in push.anomalies] == ["lower-case-method"]


def test_a_push_holds_no_secrets(port):
    desk = port(admission=Admission(token="s3cret"))

    desk.connect().send(
        b"POST //s3cret/s3 HTTP/1.1\r\nAuthorization: Basic YTpi\r\nproxy-authorization: x\r\n"
        b"Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"
    )

    (push,) = desk.pushes
    assert push.target == b"//-/s3"
    assert [value for _, value in push.headers] == [b"-", b"-", b"-", b"2"]
    assert push.peer.trust == "token"


def test_a_mapped_address_is_the_device_s_own(port):
    desk = port()

    desk.connect("::ffff:10.0.0.7").send(POST)
    desk.connect("fe80::1%eth0").send(POST)

    assert [push.peer.ip for push in desk.pushes] == ["10.0.0.7", "fe80::1"]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_question_is_answered_and_not_kept(port, method):
    desk = port()

    device = desk.connect().send(method + b" /doc HTTP/1.1\r\nHost: x\r\n\r\n")

    assert device.told == [200]
    assert desk.pushes == []


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"NOTIFY"])
def test_an_empty_post_is_kept(port, method):
    desk = port()

    device = desk.connect().send(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")

    assert device.told == [200]
    assert [push.body for push in desk.pushes] == [b""]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"NOTIFY"])
@pytest.mark.parametrize("kind", [b"", b"Content-Type: application/xml\r\n"])
def test_a_connection_test_without_anything_is_a_test_after_two_seconds_of_silence(port, method, kind):
    desk = port()
    device = desk.connect().send(method + b" / HTTP/1.1\r\nHost: x\r\n" + kind + b"\r\n")

    desk.advance(1.75)
    assert device.told == []
    desk.advance(0.5)

    assert device.told == [200]
    assert device.closed
    assert [push.body for push in desk.pushes] == [b""]
    assert desk.watch.counts["expired body"] == 0


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
def test_whoever_only_asks_is_answered_at_once_and_may_ask_again(port, method):
    ask = method + b" / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n"
    device = port().connect().send(ask + ask)

    assert device.told == [200, 200]
    assert not device.closed


def test_a_connection_test_that_closes_its_side_is_answered_at_once(port):
    desk = port()
    device = desk.connect().send(b"POST / HTTP/1.0\r\n\r\n").half_close()

    assert device.told == [200]
    assert [push.body for push in desk.pushes] == [b""]


def test_a_remote_check_is_answered_in_the_body(port):
    desk = port(receive=lambda push: succeed(remote_check(42, True)))

    device = desk.connect().send(POST)

    assert device.wire.writes == [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n"
        b'Connection: keep-alive\r\n\r\n{"RemoteCheck":{"serialNo":42,"checkResult":"success"}}'
    ]


# -- the order of things ---------------------------------------------------------


def test_the_answer_waits_until_the_push_is_kept(port):
    kept: Deferred[Answer] = Deferred()
    desk = port(receive=lambda push: kept)
    device = desk.connect().send(POST)
    assert device.told == []

    kept.callback(OK)

    assert device.told == [200]


def test_pipelined_requests_are_handled_one_at_a_time_and_in_order(port):
    waiting: list[Deferred[Answer]] = []
    desk = port(receive=lambda push: waiting.append(Deferred()) or waiting[-1])
    device = desk.connect().send(post(b"1") + post(b"2") + post(b"3"))
    assert [push.body for push in desk.pushes] == [b"1"]

    waiting[0].callback(OK)
    waiting[1].callback(Answer(503))
    waiting[2].callback(OK)

    assert [push.body for push in desk.pushes] == [b"1", b"2", b"3"]
    assert device.told == [200, 503, 200]


def first_waits() -> tuple[Deferred[Answer], Callable[[Push], Deferred[Answer]]]:
    kept: Deferred[Answer] = Deferred()
    answers = iter([kept])
    return kept, lambda push: next(answers, None) or succeed(OK)


def test_a_sender_that_runs_ahead_is_not_read(port):
    kept, receive = first_waits()
    desk = port(receive=receive)
    device = desk.connect().send(POST)

    device.send(POST * 2000, 65_536)
    assert not device.reading

    kept.callback(OK)
    assert device.reading
    assert len(device.told) == 2001


def test_a_half_closed_device_gets_its_answers(port):
    waiting: list[Deferred[Answer]] = []
    desk = port(receive=lambda push: waiting.append(Deferred()) or waiting[-1])

    device = desk.connect().send(POST * 2).half_close()
    assert not device.closed
    waiting[0].callback(OK)
    waiting[1].callback(OK)

    assert device.told == [200, 200]
    assert device.wire.disconnecting


def test_what_was_sent_whole_is_kept_when_the_device_is_gone(port):
    kept, receive = first_waits()
    desk = port(receive=receive)
    device = desk.connect().send(post(b"1") + post(b"2") + post(b"three", length=9))

    device.lose()
    kept.callback(OK)

    assert [push.body for push in desk.pushes] == [b"1", b"2", b"three"]
    assert [anomaly.name for anomaly in desk.pushes[-1].anomalies] == ["missing-host", "truncated"]
    assert desk.watch.counts["salvaged"] == 1
    assert desk.budget.total.held == desk.budget.connections.open == 0


def test_http_1_0_is_kept_alive_when_it_asks_and_is_told_so(port):
    old = POST.replace(b"1.1", b"1.0")
    device = port().connect().send(old.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n") * 2)

    assert device.told == [200, 200]
    assert b"Connection: keep-alive" in device.wire.writes[0]

    device.send(old)
    assert b"Connection: close" in device.wire.writes[2]
    assert device.wire.disconnecting


def test_a_connection_that_asks_to_close_is_closed_without_lingering(port):
    device = port().connect().send(CLOSING)

    assert b"Connection: close" in device.wire.writes[0]
    assert device.wire.disconnecting
    assert not device.wire.half_closed


def test_continue_is_written_after_the_head_was_admitted(port):
    head = post(b"", length=2, extra=b"Expect: 100-continue\r\n")
    good, bad = port(), port(admission=Admission(token="right"))

    assert good.connect().send(head).send(b"{}").told == [100, 200]
    assert bad.connect().send(head).told == [403]


def test_continue_is_not_written_when_the_body_is_there(port):
    assert port().connect().send(post(b"{}", extra=b"Expect: 100-continue\r\n")).told == [200]


# -- failures behind us ----------------------------------------------------------


def test_a_full_journal_is_a_503_and_one_line(port, logged):
    desk = port(receive=lambda push: fail(JournalFull("the disk is full; free some space")))
    device = desk.connect()

    device.send(POST * 3)

    assert device.told == [503, 503, 503]
    assert b"Retry-After: 30" in device.wire.writes[0]
    assert [line for line in logged if "kept" in line] == [
        "10.0.0.5: an event could not be kept and was answered 503: the disk is full; free some space"
    ]


@pytest.mark.parametrize("how", ["raised", "errback"])
def test_a_bug_behind_us_is_a_503_and_a_traceback(port, logged, how):
    def receive(push):
        if how == "raised":
            raise ZeroDivisionError
        return fail(ZeroDivisionError())

    device = port(receive=receive).connect().send(POST)

    assert device.told == [503]
    assert len([line for line in logged if line.endswith("Traceback")]) == 1


# -- deadlines ----------------------------------------------------------------------


def test_a_slow_head_ends_10_seconds_after_its_first_byte(port):
    desk = port()
    device = desk.connect()
    desk.advance(60)

    for _ in range(19):
        device.send(b"P")
        desk.advance(0.5)
    assert not device.closed
    desk.advance(1)

    assert device.told == [408]
    assert device.closed


def test_a_new_connection_must_say_something(port):
    desk = port()
    device = desk.connect()

    desk.advance(119)
    assert not device.closed
    desk.advance(2)

    assert device.closed
    assert device.told == []


def test_a_kept_connection_may_be_quiet_for_long(port):
    desk = port(Limits(idle_time=600))
    device = desk.connect().send(POST)

    desk.advance(599)
    assert not device.closed
    desk.advance(2)

    assert device.wire.disconnecting
    assert device.told == [200]


def test_a_body_that_makes_no_progress_for_20_seconds_ends_and_is_kept(port):
    desk = port()
    device = desk.connect().send(post(b'{"a"', length=999))

    desk.advance(19)
    assert not device.closed
    desk.advance(2)

    assert device.told == [408]
    assert [push.body for push in desk.pushes] == [b'{"a"']
    assert device.closed


def test_what_came_fast_is_no_credit_for_a_body_that_stops(port):
    desk = port()
    large = post(b"x" * 31_000_000, length=32_000_000)
    silent, slow = desk.connect().send(large, 262_144), desk.connect("10.0.0.6").send(large, 262_144)

    for _ in range(4):
        desk.advance(19)
        slow.send(b"x")
    assert silent.told == [408]
    # 30 s beyond what the rate allows: a byte now and then is no progress, either.
    assert slow.told == [408]
    assert [len(push.body) for push in desk.pushes] == [31_000_000, 31_000_001]


def test_a_body_slower_than_the_rate_ends_though_it_never_pauses(port):
    desk = port(Limits(body_time=10, body_rate=1000))
    device = desk.connect().send(post(b"", length=10**6))

    for _ in range(80):
        device.send(b"x" * 50)
        desk.advance(0.25)

    assert device.told == [408]


def test_a_body_faster_than_the_rate_may_take_long(port):
    desk = port(Limits(body_time=10, body_rate=1000))
    device = desk.connect().send(post(b"", length=40 * 1100))

    for _ in range(40):
        device.send(b"x" * 1100)
        desk.advance(1)

    assert device.told == [200]


def test_a_whole_document_in_a_cut_body_is_200(port):
    desk = port()
    device = desk.connect().send(post(b'{"a": 1}\r\n', length=999))

    desk.advance(31)

    assert device.told == [200]
    assert device.closed
    assert desk.watch.counts["salvaged complete"] == 1


def test_the_service_judges_what_is_complete(port):
    desk = port(complete=lambda push: push.body == b"yes" and push.header(b"x-a") == b"1")

    yes = desk.connect().send(post(b"yes", length=9, extra=b"X-A: 1\r\n")).half_close()
    no = desk.connect().send(post(b"{}", length=9)).half_close()

    assert (yes.told, no.told) == ([200], [408])


def test_a_cut_push_that_is_not_kept_is_503_and_never_200(port):
    desk = port(receive=lambda push: fail(JournalFull("full")))

    assert desk.connect().send(post(b"{}", length=9)).half_close().told == [503]
    assert desk.connect().send(post(b"{", length=9)).half_close().told == [503]


NO_LENGTH = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"b":1}}',
        b"[1, 2]\r\n",
        b"\xef\xbb\xbf<a><b>1</b></a>\r\n\0",
        b"--x\r\n\r\n{}\r\n--x--\r\n",
        b"preamble\n--x\n\n{}\n--x--",
    ],
)
def test_a_whole_document_without_a_length_is_answered_a_moment_later(port, body):
    desk = port()
    device = desk.connect().send(NO_LENGTH + body, 7)

    assert device.told == []
    desk.advance(0.5)

    assert device.told == [200]
    assert device.closed
    assert [push.body for push in desk.pushes] == [body]
    assert [anomaly.name for anomaly in desk.pushes[0].anomalies] == ["no-length"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"b":1}',
        b"[1, 2",
        b"<a><b>",
        b"--x\r\n\r\n{}\r\n",
        b"--x--\r\n",
        b"words",
        b"--",
        b"--\r\n--\r\n--",
    ],
)
def test_what_is_not_closed_without_a_length_is_waited_for_and_ends_after_two_seconds(port, body):
    desk = port(complete=lambda push: False)
    device = desk.connect().send(NO_LENGTH + body)

    desk.advance(1.75)
    assert device.told == []
    desk.advance(0.5)

    assert device.told == [408]
    assert device.closed
    assert [push.body for push in desk.pushes] == [body]
    assert desk.watch.counts["expired body"] == 0


def test_a_pause_inside_a_body_without_a_length_is_not_its_end(port):
    desk = port()
    device = desk.connect().send(NO_LENGTH)
    for piece in (b"--x\r\n\r\n{}", b"\r\n--x\r\n\r\n\xff\xd8", b"\xff\xd9\r\n--x--\r\n"):
        desk.advance(1.5)
        device.send(piece)
        assert device.told == []

    desk.advance(0.5)

    assert device.told == [200]
    assert [push.body for push in desk.pushes] == [
        b"--x\r\n\r\n{}\r\n--x\r\n\r\n\xff\xd8\xff\xd9\r\n--x--\r\n"
    ]


def test_a_body_without_a_length_that_drips_has_its_whole_time_and_no_more(port):
    looks = []
    desk = port(complete=lambda push: looks.append(push) is not None)
    device = desk.connect().send(NO_LENGTH + b"{")

    for _ in range(29):
        desk.advance(1)
        device.send(b"}")
    assert device.told == []
    desk.advance(2.5)

    assert device.told == [408]
    assert len(looks) <= 4  # three while it paused, one at its end
    assert [anomaly.name for anomaly in desk.pushes[0].anomalies] in (
        ["no-length"],
        ["no-length", "truncated"],
    )


def test_what_comes_behind_an_answered_body_is_named(port, logged):
    desk = port()
    device = desk.connect().send(NO_LENGTH + b"{}")
    desk.advance(0.5)
    assert device.told == [200]

    device.send(b"{}" * 10).lose(clean=True)

    assert desk.watch.discarded_bytes == 20
    assert any("20 bytes behind the last request" in line for line in logged)


def test_what_comes_behind_the_last_request_of_a_connection_is_named(port):
    desk = port()
    close = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    device = desk.connect().send(close + POST).lose(clean=True)

    assert device.told == [200]
    assert desk.watch.discarded_bytes == len(POST)


def test_what_was_refused_with_a_status_is_not_named_besides(port):
    desk = port()
    desk.connect().send(b"GET / HTTP/1.1\r\nX: \0\r\n\r\n" + POST).send(POST).lose()

    assert desk.watch.discarded_bytes == 0


def test_a_whole_document_before_a_broken_chunk_is_kept_and_told_400(port):
    desk = port()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    device = desk.connect().send(head + b"2\r\n{}picture")

    assert device.told == [400]  # and not 200: the picture is not kept
    assert [push.body for push in desk.pushes] == [b"{}"]


def test_what_the_last_connection_brought_is_kept_before_it_counts_as_gone(port):
    desk = port()
    device = desk.connect().send(post(b"{", length=9))
    kept = []
    desk.factory.drain(5).addCallback(lambda _: kept.extend(desk.pushes))  # the journal is closed then

    device.lose()

    assert [push.body for push in kept] == [b"{"]
    assert desk.budget.connections.open == 0


def test_a_slow_journal_is_a_503_and_its_late_result_changes_nothing(port):
    kept: Deferred[Answer] = Deferred()
    desk = port(receive=lambda push: kept)
    device = desk.connect().send(POST)

    desk.advance(10.5)
    assert device.told == [503]
    assert b"Retry-After" in device.wire.writes[0]
    assert desk.budget.total.held == 2
    kept.callback(OK)

    assert device.told == [503]
    assert desk.budget.total.held == 0


# -- refusals -----------------------------------------------------------------------


def test_a_refused_device_may_go_on_sending_for_a_while(port):
    desk = port()
    device = desk.connect().send(post(b"", length=10**9))
    assert device.told == [413]
    assert device.wire.half_closed
    assert not device.wire.disconnecting

    device.send(b"x" * 1_000_000, 65_536)
    desk.advance(4.5)
    assert not device.wire.disconnected
    desk.advance(1)

    assert device.wire.disconnected
    assert desk.pushes[0].method == ""
    assert len(desk.pushes) == 1


def test_a_refused_device_that_closes_is_closed(port):
    device = port().connect().send(post(b"", length=10**9)).half_close()

    assert device.wire.disconnecting


def test_what_is_thrown_away_is_bounded(port):
    device = port().connect().send(post(b"", length=10**9))

    for _ in range(65):
        device.send(bytes(1_000_000))

    assert device.wire.disconnected


def test_an_address_that_may_not_send_is_told_before_the_body_and_remembered(port, logged):
    desk = port(admission=Admission(allow=["10.0.0.0/24"]))

    device = desk.connect("10.0.1.9").send(post(b"", length=1000))

    assert device.told == [403]
    assert desk.pushes == []
    (seen,) = desk.watch.turned_away()
    assert (seen.ip, seen.status, seen.count) == ("10.0.1.9", 403, 1)
    assert "not in `allow`" in seen.reason
    assert len(logged) == 1


def test_what_is_to_be_dropped_is_read_answered_200_and_not_kept(port):
    desk = port(admission=Admission(allow=["10.0.0.0/24"], deny="drop"))

    device = desk.connect("10.0.1.9").send(POST * 2)

    assert device.told == [200, 200]
    assert desk.pushes == []
    assert desk.watch.counts["thrown away"] == 2
    assert desk.budget.total.held == 0


def test_a_challenged_body_is_thrown_away_and_the_connection_goes_on(port):
    desk = port(admission=Admission(logins=basic(b"x")))
    device = desk.connect().send(post(b"", length=100_000))
    assert device.told == [401]
    assert b"Connection: keep-alive" in device.wire.writes[0]

    device.send(bytes(100_000))

    assert not device.closed
    assert desk.pushes == []
    device.send(POST)
    assert device.told == [401, 401]


def test_a_challenged_device_logs_in_on_the_same_connection(port):
    desk = port(admission=Admission(logins=basic(ha1("u", "p"))))
    device = desk.connect().send(POST)

    device.send(post(b"{}", extra=b"Authorization: Basic dTpw\r\n"))

    assert device.told == [401, 200]
    assert [push.peer.trust for push in desk.pushes] == ["login"]
    assert b"WWW-Authenticate: Basic" in device.wire.writes[0]


def test_a_challenged_body_that_never_comes_is_not_waited_for_longer_than_others(port):
    desk = port(admission=Admission(logins=basic(b"x")))
    device = desk.connect().send(post(b"", length=100_000))

    desk.advance(31)

    assert device.closed
    assert device.told == [401]


def test_a_challenge_instead_of_continue_closes(port):
    desk = port(admission=Admission(logins=basic(b"x")))

    device = desk.connect().send(post(b"", length=9, extra=b"Expect: 100-continue\r\n"))

    assert device.told == [401]
    assert device.closed


# -- what is no request ----------------------------------------------------------------


def test_the_wrong_menu_is_named_once_and_what_came_is_kept(port, logged):
    desk = port()

    for _ in range(30):
        assert desk.connect().send(b"\x00\x00\x00\x5a\x63\x00").closed

    assert [line for line in logged if "SDK" in line] == [
        "10.0.0.5: it speaks the SDK's protocol, not HTTP: "
        "Alarm Host is the SDK port; use HTTP Listening / Notification Host"
    ]
    assert len(desk.pushes) == 10
    push = desk.pushes[0]
    assert push.body == b"\x00\x00\x00\x5a\x63\x00"
    assert [(anomaly.name, anomaly.detail) for anomaly in push.anomalies] == [("not-http", "sdk")]


def test_nothing_unreadable_is_kept_of_those_who_need_a_secret(port):
    desk = port(admission=Admission(token="right"))

    desk.connect().send(b"\x16\x03\x01\x00\xf1")
    desk.connect().send(b"POST /\r\n\r\n")

    assert desk.pushes == []


def test_an_unreadable_request_is_kept_and_logged_without_its_secrets(port, logged):
    desk = port()

    device = desk.connect().send(
        b"POST / HTTP/1.1\r\nAuthorization: Basic aGlkZGVu\r\nX: \x1b[31m\x00\r\nContent-Length: 2\r\n\r\n{}"
    )

    assert device.told == [400]
    assert b"aGlkZGVu" not in desk.pushes[0].body
    (line,) = logged
    assert "aGlkZGVu" not in line
    assert "\\x1b[31m" in line
    assert "\x1b" not in line


# -- limits -------------------------------------------------------------------------------


def test_connections_are_limited_per_address_but_not_for_this_machine(port, logged):
    desk = port(Limits(connections_per_address=2))

    devices = [desk.connect() for _ in range(5)]
    own = [desk.connect("127.0.0.1") for _ in range(5)]

    assert [device.closed for device in devices] == [False, False, True, True, True]
    assert not any(device.closed for device in own)
    assert len(logged) == 1
    for device in devices:
        device.lose()
    assert desk.budget.connections.open == 5
    assert not desk.connect().closed


def test_connections_are_limited_in_all(port):
    desk = port(Limits(connections=3))

    devices = [desk.connect(f"10.0.0.{n}") for n in range(5)]

    assert [device.closed for device in devices] == [False, False, False, True, True]


def test_of_a_large_event_little_is_read_before_its_head_is_known(port):
    device = port().connect()
    assert device.wire.bufferSize == FIRST_READ

    device.send(post(b"x" * 10, length=1_000_000))
    assert device.wire.bufferSize == BODY_READ

    device.send(b"x" * 999_990)
    assert device.wire.bufferSize == FIRST_READ


def test_no_more_is_read_of_a_body_than_is_announced(port):
    device = port().connect()

    device.send(post(b"x" * 10, length=100_000))
    assert device.wire.bufferSize == 99_990

    device.send(b"x" * 99_990)
    device.send(post(b"x" * 10, length=20))
    assert device.wire.bufferSize == FIRST_READ


def test_above_a_part_of_the_room_a_body_waits_until_it_fits(port):
    waiting: list[Deferred[Answer]] = []
    desk = port(
        Limits(body=1000, in_flight=1000), receive=lambda push: waiting.append(Deferred()) or waiting[-1]
    )
    first = desk.connect().send(post(b"x" * 600))
    second = desk.connect("10.0.0.6").send(post(b"y" * 10, length=600))
    assert not second.reading
    assert second.told == []

    waiting[0].callback(OK)
    assert second.reading
    second.send(b"y" * 590)
    waiting[1].callback(OK)

    assert (first.told, second.told) == ([200], [200])
    assert desk.budget.total.held == desk.budget.rooms[0].promised == 0


def test_who_waits_too_long_for_room_comes_back_later(port):
    desk = port(Limits(body=1000, in_flight=1000, answer_time=4), receive=lambda push: Deferred())
    desk.connect().send(post(b"x" * 600))
    second = desk.connect("10.0.0.6").send(post(b"y" * 10, length=600))

    desk.advance(4.5)

    assert second.told == [503]
    assert b"Retry-After" in second.wire.writes[0]
    assert second.reading


def test_who_leaves_while_it_waits_for_room_is_kept_as_far_as_it_came(port):
    waiting: list[Deferred[Answer]] = []
    desk = port(
        Limits(body=1000, in_flight=1000), receive=lambda push: waiting.append(Deferred()) or waiting[-1]
    )
    desk.connect().send(post(b"x" * 600))
    second = desk.connect("10.0.0.6").send(post(b"y" * 10, length=600))

    second.lose()
    for kept in waiting:
        kept.callback(OK)

    assert [len(push.body) for push in desk.pushes] == [600, 10]
    assert desk.budget.total.held == desk.budget.rooms[0].promised == 0


def test_a_thousand_that_wait_for_room_are_let_in_without_nesting(port):
    kept, receive = first_waits()
    desk = port(Limits(body=1000, in_flight=1000, connections_per_address=2000), receive=receive)
    desk.connect().send(post(b"x" * 900))
    chunks = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    others = [desk.connect().send(chunks + b"0\r\n\r\n") for _ in range(90)]

    kept.callback(OK)

    assert all(device.told == [200] for device in others)


def test_without_any_room_a_request_does_not_begin(port):
    desk = port(Limits(body=1000, in_flight=1000), receive=lambda push: Deferred())
    desk.connect().send(post(b"x" * 1000))
    for n in range(25):  # the last quarter is for small ones
        desk.connect(f"10.0.1.{n}").send(post(b"x" * 10))

    assert desk.connect("10.0.0.6").send(POST).told == [503]


def test_an_hour_s_share_used_up_is_a_503_and_an_alarm(port):
    desk = port(Limits(pushes_per_hour=30))
    desk.budget.divide(frozenset((SenderClass.STRANGER, SenderClass.KNOWN)))
    device = desk.connect().send(POST * 4)
    assert device.told == [200, 200, 200, 503]  # a tenth, because nobody knows it, and others are known
    assert b"Retry-After: 3601" in device.wire.writes[3]
    assert desk.watch.counts["alarm"] == 1

    desk.advance(3600)

    assert desk.connect().send(POST).told == [200]
    assert desk.connect("127.0.0.1").send(POST * 9).told == [200] * 9


# -- the end --------------------------------------------------------------------------------


def test_draining_closes_idle_connections_and_lets_requests_end(port):
    kept: Deferred[Answer] = Deferred()
    desk = port(receive=lambda push: kept)
    idle, busy = desk.connect(), desk.connect().send(POST)
    gone: list[object] = []

    desk.factory.drain(10).addCallback(gone.append)
    assert idle.wire.disconnecting
    assert not busy.closed
    kept.callback(OK)
    assert b"Connection: close" in busy.wire.writes[0]
    idle.lose(clean=True)
    busy.lose(clean=True)

    assert gone == [None]


def test_draining_is_bounded(port):
    desk = port(receive=lambda push: Deferred())
    device = desk.connect().send(POST)

    desk.factory.drain(5)
    desk.advance(5.5)

    assert device.wire.disconnected


class Wire(StringTransport):
    def loseWriteConnection(self) -> None:
        pass


@given(st.lists(st.binary(max_size=200) | st.sampled_from([POST, POST[:40], b"\r\n", NO_LENGTH]), max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_a_connection(pieces):
    clock = Clock()
    failures: list[object] = []
    factory = PushFactory(lambda push: succeed(OK), Admission(), Limits(), clock, now=clock.seconds)
    talk = factory.buildProtocol(None)
    talk.makeConnection(Wire(peerAddress=IPv4Address("TCP", "10.0.0.5", 1)))

    def note(event: dict[str, object]) -> None:
        failures.extend(value for key, value in event.items() if key == "log_failure")

    globalLogPublisher.addObserver(note)
    try:
        for piece in pieces:
            talk.dataReceived(piece)
            clock.advance(0.5)
        clock.advance(40)
        talk.connectionLost(Failure(ConnectionLost()))
    finally:
        globalLogPublisher.removeObserver(note)

    assert failures == []
    assert factory.intake.budget.total.held == 0
    assert factory.intake.budget.connections.open == 0

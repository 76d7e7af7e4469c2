"""The servers at the other end, in memory and on loopback."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from hikrecv.errors import Reject, Retry
from hikrecv.testing.bench import Bench
from hikrecv.testing.server import Answered, RecordingServer
from hikrecv.testing.waiting import result_of


@pytest.fixture
def post(bench: Bench) -> Any:
    return lambda body=b"", **options: result_of(
        bench.http.post("http://any.example/path?q=1", body, **options), bench.clock
    )


def test_a_request_is_recorded_as_it_came(post: Any, recording_server: RecordingServer) -> None:
    post(b'{"a": 1}', headers={"X-Two": ["1", "2"]})

    (asked,) = recording_server.requests
    assert (asked.method, asked.path, asked.status) == ("POST", "/path?q=1", 200)
    assert asked.json() == {"a": 1}
    assert asked.headers["x-two"] == "1, 2"


def test_it_answers_what_it_is_told(post: Any, recording_server: RecordingServer) -> None:
    recording_server.reply = Answered(201, b"made", {"X-Id": "7"})

    response = post()

    assert (response.code, result_of(response.text())) == (201, "made")
    assert response.headers.getRawHeaders("x-id") == ["7"]


def test_failures_are_counted_down(post: Any, recording_server: RecordingServer) -> None:
    recording_server.fail(2)

    for _ in range(2):
        with pytest.raises(Retry):
            post()
    post()

    assert [asked.status for asked in recording_server.requests] == [500, 500, 200]
    assert len(recording_server.accepted) == 1


def test_a_dropped_request_was_not_done_and_a_lost_answer_was(
    post: Any, recording_server: RecordingServer
) -> None:
    recording_server.drop()
    recording_server.lose_answer()

    for _ in range(2):
        with pytest.raises(Retry) as caught:
            post()
        assert not caught.value.certain

    assert [asked.accepted for asked in recording_server.requests] == [False, True]


def test_a_slow_answer_takes_the_clocks_time(post: Any, bench: Bench) -> None:
    bench.server.slow(5.0)

    post()

    assert bench.clock.seconds() == 5.0


def test_who_has_gone_is_not_served(post: Any, bench: Bench) -> None:
    bench.server.slow(60.0)

    with pytest.raises(Retry):
        post(b"x" * 200_000, timeout=10.0)
    bench.clock.advance(100.0)

    assert bench.server.requests == []


def test_multipart_is_read_as_a_strict_server_does(post: Any, recording_server: RecordingServer) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--x--\r\n'

    post(body, headers={"Content-Type": "multipart/form-data; boundary=x"})

    assert recording_server.requests[0].parts()["a"].content == b"one"


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_the_same_on_real_sockets(loopback: Bench) -> None:
    loopback.server.drop(1)
    loopback.server.fail(1)
    loopback.server.slow(0.01)

    for _ in range(2):
        with pytest.raises(Retry):
            await loopback.http.post(loopback.server.url, b"x")
    response = await loopback.http.post(loopback.server.url, b"y" * 300_000)

    assert response.code == 200
    assert [asked.status for asked in loopback.server.requests] == [None, 500, 200]


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_public_only_refuses_what_is_on_loopback(loopback: Bench) -> None:
    with pytest.raises(Retry, match=r"127\.0\.0\.1 is not a public address"):
        await loopback.http.public_only().post(loopback.server.url, b"x")

    assert loopback.server.requests == []


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_device_on_loopback_opens_its_door(loopback: Bench) -> None:
    await loopback.context().device("gate").door("open", 2)

    assert [(each.what, each.number, each.word) for each in loopback.device.commands] == [("door", 2, "open")]


def test_a_test_cannot_ask_a_real_server_by_accident(bench: Bench) -> None:
    result_of(bench.http.get("https://www.example.org/"), bench.clock)

    assert len(bench.server.requests) == 1


def test_an_answer_that_is_no_success_is_a_reject(post: Any, recording_server: RecordingServer) -> None:
    recording_server.fail(status=404)

    with pytest.raises(Reject):
        post()

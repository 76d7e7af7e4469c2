"""The simulated devices speak as devices do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice

import pytest
from PIL import Image
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from hikrecv.testing.line import Line, Reply
from hikrecv.testing.message import Message
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity, profiles
from hikrecv.testing.profiles.deepinview import vendor_note

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def messages(name: str, most: int = 12) -> Iterator[Message]:
    return islice(profiles()[name](Identity(7), lambda: NOON), most)


@pytest.mark.parametrize("name", sorted(profiles()))
def test_each_profile_goes_on_and_says_who_it_is(name: str) -> None:
    said = list(messages(name))

    assert len(said) == 12
    assert all(b"ac:cb:51:00:00:07" in message.body for message in said)


@pytest.mark.parametrize("scene", ["face", "person", "car", "plate", "yard"])
def test_a_picture_can_be_decoded(scene: str) -> None:
    picture = Image.open(io.BytesIO(draw(scene, 320, 200, seed=3, size=20_000)))

    picture.load()

    assert picture.size == (320, 200)


def test_the_vendors_note_is_as_printed_and_290_kb_in_all() -> None:
    note = vendor_note()

    assert 285_000 < len(note.body) < 296_000
    assert b'"alarmResult": {{' in note.body
    assert b"facelImage" in note.body
    assert note.content_type == "multipart/form-data; boundary=boundary"
    assert note.request("10.9.96.11").startswith(
        b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=boundary\r\n"
        b"Host: 10.9.96.11\r\nConnection: close\r\nContent-Length: "
    )


def test_a_chunked_request_carries_the_same_body() -> None:
    message = Message(label="x", content_type="application/json", body=b"a" * 40_000)

    request = message.request(chunked=True, keep_alive=True)

    head, _, chunks = request.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert chunks.count(b"a") == 40_000
    assert chunks.endswith(b"0\r\n\r\n")


def test_a_line_reads_an_answer_however_it_is_cut_and_skips_the_interim_one() -> None:
    line, got = Line(), list[Reply]()
    line.makeConnection(StringTransport())
    line.send(b"POST / HTTP/1.1\r\n\r\n").addCallback(got.append)

    for (
        byte
    ) in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok":
        line.dataReceived(bytes([byte]))

    assert [(reply.status, reply.body, reply.closes) for reply in got] == [(200, b"ok", True)]


def test_the_clock_of_a_device_is_given_in() -> None:
    clock = Clock()
    clock.advance(5)
    script = profiles()["nvr"](Identity(1), lambda: datetime.fromtimestamp(clock.seconds(), timezone.utc))

    assert b"1970-01-01T00:00:05+00:00" in next(script).body

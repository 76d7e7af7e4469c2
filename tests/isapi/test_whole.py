"""Which of the pushes that broke off hold a whole message."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from hikrecv.isapi.whole import holds_document, judging
from hikrecv.push import Peer, Push
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.deepinview import script

PASS = next(script(Identity(), lambda: datetime(2026, 3, 1, tzinfo=timezone.utc)))


def cut(body: bytes, content_type: str = "application/json") -> Push:
    return Push(
        received=0,
        peer=Peer("192.0.2.1", 1, "none"),
        headers=((b"Content-Type", content_type.encode()),),
        body=body,
    )


def test_a_message_whose_picture_is_cut_is_whole() -> None:
    assert holds_document(cut(PASS.body[:-20_000], PASS.content_type))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"b":1}',
        b'{"eventType":"VMD"',
        b"<EventNotificationAlert><eventType>VMD</eventType>",
        b"",
        b"\xff\xd8\xff\xe0",
    ],
)
def test_a_message_that_is_cut_itself_is_not(body: bytes) -> None:
    assert not holds_document(cut(body))


@pytest.mark.parametrize("body", [b'{"eventType":"VMD"}', b"<a><eventType>VMD</eventType></a>"])
def test_a_bare_message_is_whole(body: bytes) -> None:
    assert holds_document(cut(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[' + b'{"b":1},' * 4_000,
        b'{"a":[' + b"{'b':1}," * 4_000,
        b"<a>" + b"<b>1</b>" * 9_000,
        b'{"eventType":"VMD"}' * 500 + b"{",
    ],
)
def test_a_long_message_is_judged_in_many_steps(body: bytes) -> None:
    steps = list(judging(cut(body)))

    assert len(steps) > 5


def test_what_costs_more_than_half_a_second_is_not_whole_and_no_more_of_it_is_read() -> None:
    body = b"{'a':[" + b"{'b':1}," * 4_000 + b"{}]}"
    looks = []

    def clock() -> float:
        looks.append(None)
        return 0.1 * len(looks)

    assert holds_document(cut(body))
    assert not holds_document(cut(body), clock)
    assert len(looks) < 10

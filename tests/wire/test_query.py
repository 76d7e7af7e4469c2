"""Events as URL parameters, with a method that otherwise only asks whether we are there."""

from __future__ import annotations

import pytest

from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.whole import holds_document
from hikrecv.wire.admission import Admission

EVENT = b"/?eventType=VMD&eventState=active&dateTime=2026-03-01T12:00:00%2B01:00&macAddress=44:19:b6:00:00:01"


def ask(method: bytes, target: bytes) -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: x\r\n\r\n" % (method, target)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT"])
def test_an_event_in_the_query_is_kept(port, method):
    desk = port(complete=holds_document)

    device = desk.connect().send(ask(method, EVENT))
    desk.advance(0 if method == b"GET" else 2.25)  # a POST may bring a body, whatever it says

    assert device.told == [200]
    (push,) = desk.pushes
    (event,) = Decoder().decode(push, 1)
    assert (event.type, event.state, event.device.mac) == ("VMD", "active", "44:19:b6:00:00:01")


@pytest.mark.parametrize(
    "target", [b"/", b"/?", b"/?a=b", b"/path?token=secret&x=1", b"/?eventType", b"/?=="]
)
def test_a_query_without_an_event_only_asks(port, target):
    desk = port(complete=holds_document)

    device = desk.connect().send(ask(b"GET", target))

    assert device.told == [200]
    assert desk.pushes == []


def test_an_event_in_the_query_needs_the_secret_like_any_other(port):
    desk = port(admission=Admission(token="s3cret"), complete=holds_document)

    stranger = desk.connect().send(ask(b"GET", EVENT))
    device = desk.connect().send(ask(b"GET", b"/s3cret" + EVENT[1:]))

    assert (stranger.told, device.told) == ([403], [200])
    assert [push.target for push in desk.pushes] == [b"/-" + EVENT[1:]]

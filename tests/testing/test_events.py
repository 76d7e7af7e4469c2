"""Events of the kit are those that the receiver makes."""

from __future__ import annotations

import msgspec
import pytest

from hikrecv.isapi.event import Event, Family
from hikrecv.testing.events import START, WHO, Events, push_of
from hikrecv.testing.samples import FAMILIES, oddities, sample, without_pictures


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_sample_of_each_family(family: Family) -> None:
    event = Events()(family)

    assert event.family == family
    assert event.anomalies == ()
    assert event.freshness == "live"


def test_samples_of_a_device_are_from_the_gate() -> None:
    named = {family: event.device.id for family, event in Events().every().items()}

    # A test button says nothing, and a recorder speaks for its cameras.
    assert named.pop("test") == "ip:192.0.2.2"
    assert named.pop("video-loss") == "gate/34"
    assert set(named.values()) == {"gate"}


def test_each_call_is_something_new() -> None:
    make = Events()

    events = [make("access") for _ in range(50)]

    assert len({event.key for event in events}) == len({event.id for event in events}) == 50


def test_changes_reach_into_parts() -> None:
    event = Events()("plate", plate={"text": "X1"}, peer={"trust": "none"}, freshness="late")

    assert (event.plate.text, event.plate.lane) == ("X1", "1")  # type: ignore[union-attr]
    assert (event.peer.trust, event.peer.ip) == ("none", WHO.ip)
    assert event.freshness == "late"
    assert event.pictures[0].content() is not None


def test_a_part_that_the_event_does_not_have_is_said() -> None:
    with pytest.raises(TypeError, match="a motion event has no plate"):
        Events()("motion", plate={"text": "X1"})


def test_oddities_become_events_that_can_be_written_and_read() -> None:
    for event in Events().odd().values():
        assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize("family", FAMILIES)
def test_a_message_without_pictures_is_the_same_event(family: Family) -> None:
    message = sample(family, WHO, START)

    whole, bare = (Events().of(each)[0] for each in (message, without_pictures(message)))

    assert bare.pictures == ()
    assert bare.family == whole.family
    assert (bare.match, bare.access) == (whole.match, whole.access)


def test_links_only_are_pictures_without_content() -> None:
    (event,) = Events().of(oddities(WHO, START)["pictures by link only"])

    assert [picture.content() for picture in event.pictures] == [None, None]
    assert all(picture.url for picture in event.pictures)


def test_a_push_is_what_a_connection_would_make() -> None:
    message = sample("plate", WHO, START)

    push = push_of(message, START, trust="none")

    assert push.received_at == START
    assert push.header(b"content-type") == message.content_type.encode()
    assert push.peer.trust == "none"
    assert msgspec.structs.replace(push, body=b"") != push

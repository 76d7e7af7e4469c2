from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Event

EventOf = Callable[..., Event]


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("heartbeat-terminal.json", "heartBeat"),
        ("heartbeat-camera.xml", "videoloss"),
        ("heartbeat-recorder.xml", "videoloss"),
        ("heartbeat-doorbell.xml", "heartBeat"),
        ("panel-keepalive.json", "cidEvent"),
        ("duration-of-nothing.xml", "duration"),
    ],
)
def test_every_form_of_heartbeat_is_one(name: str, type_: str, event_of: EventOf) -> None:
    event = event_of(name)

    assert (event.type, event.family) == (type_, "heartbeat")
    assert event.anomalies == ()


def test_a_lost_video_of_a_recorders_camera_is_no_heartbeat(event_of: EventOf) -> None:
    event = event_of("video-lost.xml")

    assert (event.family, event.state, event.device.id) == ("video-loss", "active", "18:68:cb:01:02:03/34")


def test_a_person_less_access_event_is_no_heartbeat(event_of: EventOf) -> None:
    assert event_of("access-denied.json").family == "access"


def test_a_duration_is_a_refresh_of_the_event_that_lasts(event_of: EventOf) -> None:
    event = event_of("duration.xml")

    assert (event.type, event.wire_type, event.family) == ("linedetection", "duration", "line-crossing")
    assert event.anomalies == ()


def test_a_duration_of_two_events_is_two_the_second_behind_all_documents(
    sample: Callable[[str], bytes], events_of: Callable[..., tuple[Event, ...]]
) -> None:
    both = sample("duration-of-two.xml") + sample("motion.xml")

    events = events_of(both, content_type=b"application/xml")

    assert [(event.n, event.type, event.wire_type) for event in events] == [
        (0, "fielddetection", "duration"),
        (1, "VMD", "VMD"),
        (2, "VMD", "duration"),
    ]
    assert len({event.id for event in events}) == len({event.key for event in events}) == 3


@pytest.mark.parametrize(
    ("name", "state"),
    [("motion.xml", "active"), ("motion-ended.xml", "inactive"), ("queue-now.json", "active")],
)
def test_what_says_no_state_is_active(name: str, state: str, event_of: EventOf) -> None:
    assert event_of(name).state == state


def test_a_persistent_event_that_ended_is_inactive(event_of: EventOf) -> None:
    event = event_of(b'{"eventType":"VMD","eventState":"active","persistentEventStatus":"ended"}')

    assert event.state == "inactive"


def test_old_firmware_says_the_type_with_the_description(event_of: EventOf) -> None:
    event = event_of("disk-full-by-description.xml")

    assert (event.type, event.wire_type, event.family) == ("diskfull", "disk full alarm", "storage")


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (b'{"AccessControllerEvent":{"majorEventType":5,"subEventType":1}}', "AccessControllerEvent"),
        (b'{"dateTime":"2026-05-04T07:08:09Z","ANPR":{"licensePlate":"X"},"channelID":1}', "ANPR"),
        (
            b"<EventNotificationAlert><DurationList><Duration><relationEvent>VMD</relationEvent></Duration></DurationList></EventNotificationAlert>",
            "VMD",
        ),
        (b"<HttpHostNotification><id>1</id></HttpHostNotification>", "HttpHostNotification"),
    ],
)
def test_without_event_type_what_is_filled_says_it(body: bytes, type_: str, event_of: EventOf) -> None:
    assert event_of(body).type == type_


def test_a_posted_host_entry_is_a_test(event_of: EventOf) -> None:
    assert event_of(b"<HttpHostNotification><id>1</id></HttpHostNotification>").family == "test"


def test_an_unknown_type_is_delivered_with_everything_else(event_of: EventOf) -> None:
    event = event_of("unheard-of.xml")

    assert (event.type, event.wire_type, event.family) == (
        "quantumFluctuation",
        "quantumFluctuation",
        "unknown",
    )
    assert event.device.id == "44:a6:42:10:20:30"
    assert event.occurred is not None
    assert event.data()["SomethingNew"] == {"level": "3"}


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("loitering.xml", "loitering"),
        ("object-left.xml", "behaviour"),
        ("lens-covered.xml", "tamper"),
        ("region-left.xml", "region"),
        ("parking-space.json", "parking"),
        ("open-platform.json", "ai"),
        ("retransmitted.json", "counting"),
    ],
)
def test_what_has_no_rich_form_has_its_family(name: str, family: str, event_of: EventOf) -> None:
    assert event_of(name).family == family


def test_a_retransmission_is_resent(event_of: EventOf) -> None:
    assert event_of("retransmitted.json").freshness == "resent"
    assert event_of("intrusion.xml").freshness == "live"


def test_an_unreadable_time_is_none_and_said_and_the_next_best_is_taken(event_of: EventOf) -> None:
    lost = event_of(b'{"eventType":"VMD","dateTime":"yesterday"}')
    saved = event_of(
        b'{"eventType":"cidEvent","dateTime":"?","CIDEvent":{"code":1130,"trigger":"2026-05-04T07:08:08+02:00"}}'
    )

    assert lost.occurred is None
    assert lost.anomalies == saved.anomalies == ("time-unreadable",)
    assert lost.__dict__["_anomalies"][0].detail == "yesterday"
    assert saved.occurred is not None


def test_a_utc_time_beside_its_difference_is_the_devices_wall_clock(event_of: EventOf) -> None:
    event = event_of(b'{"eventType":"VMD","dateTime":"2026-05-04T05:08:09Z","timeDiff":"+02:00"}')

    assert event.occurred is not None
    assert event.occurred.isoformat() == "2026-05-04T07:08:09+02:00"

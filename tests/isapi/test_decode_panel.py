from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Event

EventOf = Callable[..., Event]


def test_an_alarm_of_a_panel_names_zone_and_meaning(event_of: EventOf) -> None:
    event = event_of("panel-alarm.json")

    assert event.family == "panel"
    panel = event.panel
    assert panel is not None
    assert (panel.code, panel.standard_code, panel.name, panel.type) == (1103, 1130, "burglary", "zoneAlarm")
    assert (panel.zone, panel.zone_name, panel.area, panel.restored) == (0, "Back window", "1", False)
    assert event.device.serial == "Q12345678"


def test_a_code_of_three_thousand_is_a_restoration(event_of: EventOf) -> None:
    panel = event_of("panel-restored.json").panel

    assert panel is not None
    assert panel.restored is True


def test_arming_names_the_user(event_of: EventOf) -> None:
    panel = event_of("panel-armed.json").panel

    assert panel is not None
    assert (panel.name, panel.user, panel.area) == ("armed or disarmed by a user", "Ada", "1")


def test_an_empty_contact_id_is_a_heartbeat(event_of: EventOf) -> None:
    event = event_of("panel-keepalive.json")

    assert (event.type, event.family) == ("cidEvent", "heartbeat")


def test_a_zone_and_an_arming_state(event_of: EventOf) -> None:
    zone, armed = event_of("panel-zone.json").panel, event_of("panel-arm-status.json").panel

    assert zone is not None
    assert armed is not None
    assert (zone.zone, zone.zone_name, zone.type) == (3, "Hall", "pircam")
    assert (armed.name, armed.area, armed.type) == ("away", "2", "arming")


def test_a_call_says_where_it_comes_from(event_of: EventOf) -> None:
    event = event_of("intercom-call.json")

    assert event.family == "intercom"
    assert event.intercom is not None
    assert (event.intercom.status, event.intercom.building, event.intercom.room) == ("ring", "2", "305")


def test_a_call_signal_has_its_command(event_of: EventOf) -> None:
    event = event_of("intercom-signal.json")

    assert event.intercom is not None
    assert (event.intercom.command, event.intercom.source, event.intercom.room) == (
        "hangUp",
        "doorStation",
        "305",
    )
    assert event.freshness == "live"


def test_a_ring_in_xml_is_a_status(event_of: EventOf) -> None:
    event = event_of("intercom-ring.xml")

    assert event.type == "VideoIntercomEvent"
    assert event.intercom is not None
    assert event.intercom.status == "ring"


@pytest.mark.parametrize(("name", "port"), [("io.xml", "2"), ("io-recorder.xml", "17")])
def test_an_alarm_input_has_its_port(name: str, port: str, event_of: EventOf) -> None:
    event = event_of(name)

    assert event.family == "io"
    assert event.io is not None
    assert event.io.port == port


def test_a_sound_says_which_way_and_how_loud(event_of: EventOf) -> None:
    event = event_of("audio.xml")

    assert event.family == "audio"
    assert event.audio is not None
    assert (event.audio.alarm, event.audio.decibel) == ("decrease", 38.0)

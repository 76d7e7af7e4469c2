from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from hikrecv.isapi.event import Box, Event

EventOf = Callable[..., Event]


def test_a_plate_is_upper_case_without_blanks_beside_what_the_camera_wrote(event_of: EventOf) -> None:
    event = event_of("plate.xml")

    assert event.family == "plate"
    assert event.plate is not None
    assert (event.plate.text, event.plate.original) == ("BAB123", "b ab 123")
    assert (event.plate.lane, event.plate.direction, event.plate.country) == ("2", "forward", "4")
    assert (event.plate.list_type, event.plate.list_name) == ("white", "staff cars")
    assert event.plate.confidence == 0.97


def test_misspelt_fields_and_mixed_case_rectangles_are_read(event_of: EventOf) -> None:
    plate = event_of("plate.xml").plate

    assert plate is not None
    assert plate.vehicle is not None
    assert plate.box == Box(x=0.43, y=0.275, width=0.106, height=0.065)
    assert plate.vehicle.box == Box(x=0.271, y=0.0, width=0.425, height=0.426)
    assert (plate.vehicle.type, plate.vehicle.color, plate.vehicle.brand) == ("SUVMPV", "blue", "1036")
    assert (plate.vehicle.sub_brand, plate.vehicle.model, plate.vehicle.speed) == ("7", "3", 23.0)


def test_a_barrier_camera_is_no_recorder_though_it_writes_both_channels(event_of: EventOf) -> None:
    event = event_of("plate.xml")

    assert event.device.id == "44:a6:42:aa:bb:cc"
    assert event.device.serial == "20250101AAWR55555555"
    assert event.channel is not None
    assert event.channel.digital is None


def test_milliseconds_are_kept(event_of: EventOf) -> None:
    assert event_of("plate.xml").occurred == datetime.fromisoformat("2026-05-04T07:08:09.123+02:00")


def test_the_cameras_history_is_resent(event_of: EventOf) -> None:
    assert event_of("plate.xml").freshness == "live"
    assert event_of("plate-history.xml").freshness == "resent"


def test_a_plate_that_was_not_read_has_no_text(event_of: EventOf) -> None:
    event = event_of("plate-not-read.xml")

    assert event.type == "ANPR"
    assert event.wire_type == "vehicledetection"
    assert event.plate is not None
    assert (event.plate.text, event.plate.original, event.plate.country) == (None, "unknown", None)
    assert event.plate.confidence == 0.0


def test_older_firmware_calls_things_otherwise(event_of: EventOf) -> None:
    event = event_of("plate-old.xml")

    assert event.plate is not None
    assert (event.plate.text, event.plate.lane) == ("HHX99", "3")
    assert event.plate.confidence == pytest.approx(0.815)


def test_a_plate_on_a_list_is_a_plate(event_of: EventOf) -> None:
    event = event_of("plate-on-list.json")

    assert event.family == "plate"
    assert event.plate is not None
    assert (event.plate.text, event.plate.list_type, event.plate.confidence) == ("B-AB123", "black", 0.92)


def test_a_parking_space_names_the_plate_in_it(event_of: EventOf) -> None:
    event = event_of("parking-space.json")

    assert event.family == "parking"
    assert event.plate is not None
    assert (event.plate.text, event.plate.direction) == ("HHX99", "enter")


def test_pictures_are_tied_by_file_name_even_when_they_have_no_name(
    sample: Callable[[str], bytes],
    jpeg: Callable[[str], bytes],
    part: Callable[..., bytes],
    pushed: Callable[..., tuple[Event, ...]],
) -> None:
    (event,) = pushed(
        part(sample("plate.xml"), "text/xml", name="anpr.xml", filename="anpr.xml"),
        part(jpeg("plate"), "application/octet-stream", filename="licensePlatePicture.jpg"),
        part(jpeg("scene"), name="detectionPicture.jpg", filename="detectionPicture.jpg"),
    )

    assert [(picture.role, picture.name) for picture in event.pictures] == [
        ("plate", "licensePlatePicture.jpg"),
        ("background", "detectionPicture.jpg"),
    ]
    assert event.plate is not None
    assert event.plate.pictures == (1, 0)

from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Box, Event

EventOf = Callable[..., Event]


def test_a_face_at_a_terminal_says_who_and_where(event_of: EventOf) -> None:
    event = event_of("access-face.json")

    assert event.family == "access"
    access = event.access
    assert access is not None
    assert (access.major, access.minor, access.name, access.outcome) == (5, 75, "face accepted", "granted")
    assert (access.employee_no, access.person, access.door, access.reader) == ("1001", "Ada Marsh", 1, 1)
    assert (access.serial_no, access.front_serial_no) == (123, 122)
    assert (access.attendance, access.label, access.verify_mode) == ("checkIn", "Check In", "cardOrFaceOrFp")
    assert event.device.name == "Lobby terminal"
    assert event.faces[0].box == Box(x=0.404, y=0.281, width=0.204, height=0.331)


def test_a_wrapped_event_with_numbers_as_text_is_the_same(event_of: EventOf) -> None:
    access = event_of("access-wrapped.json").access

    assert access is not None
    assert (access.major, access.minor, access.outcome) == (5, 1, "granted")
    assert access.card_no == "0012345678"


def test_nobody_has_no_number_and_nothing_chosen_is_not_said(event_of: EventOf) -> None:
    wrapped, denied = event_of("access-wrapped.json").access, event_of("access-denied.json").access

    assert wrapped is not None
    assert denied is not None
    assert (wrapped.employee_no, wrapped.attendance) == (None, None)
    assert (denied.employee_no, denied.outcome) == (None, "denied")


def test_a_terminal_that_speaks_xml_is_understood(event_of: EventOf) -> None:
    event = event_of("access-terminal.xml")

    assert event.access is not None
    assert (event.access.name, event.access.outcome, event.access.reader) == ("no permission", "denied", 2)


def test_a_terminals_backlog_is_resent(event_of: EventOf) -> None:
    assert event_of("access-replayed.json").freshness == "resent"
    assert event_of("access-face.json").freshness == "live"


def test_a_terminal_that_waits_for_permission_says_so(event_of: EventOf) -> None:
    access = event_of("access-asks.json").access

    assert access is not None
    assert access.remote_check is True
    assert access.outcome == "other"


def test_a_remote_login_names_the_host(event_of: EventOf) -> None:
    access = event_of("access-remote-login.json").access

    assert access is not None
    assert (access.outcome, access.remote_host) == ("operation", "10.20.0.250")


def test_a_fever_is_a_temperature_and_its_pictures_are_links(event_of: EventOf) -> None:
    event = event_of("access-fever.json")

    assert event.thermal is not None
    assert (event.thermal.temperature, event.thermal.unit, event.thermal.abnormal) == (38.4, "celsius", True)
    assert [picture.role for picture in event.pictures] == ["thermal", "visible"]


def test_an_event_without_code_is_named_by_its_type(event_of: EventOf) -> None:
    access = event_of("access-qr.json").access

    assert access is not None
    assert (access.name, access.outcome, access.serial_no, access.reader) == ("QR code shown", "other", 5, 1)


def test_the_picture_goes_to_the_access_event_and_not_to_the_user_change_before_it(
    sample: Callable[[str], bytes],
    jpeg: Callable[[str], bytes],
    part: Callable[..., bytes],
    pushed: Callable[..., tuple[Event, ...]],
) -> None:
    change, access = pushed(
        part(sample("user-changed.json"), "application/json", name="LocalUserChange"),
        part(sample("access-face.json"), "application/json", name="event_log"),
        part(jpeg("door"), name="Picture", filename="Picture.jpg"),
    )

    assert (change.n, change.type, change.family, change.pictures) == (0, "LocalUserChange", "access", ())
    assert (access.n, access.type) == (1, "AccessControllerEvent")
    assert [(picture.role, picture.content()) for picture in access.pictures] == [("capture", jpeg("door"))]


@pytest.mark.parametrize("field", ['"majorEventType":	5', '"subEventType":	75'])
def test_codes_that_are_no_numbers_do_not_raise(
    field: str, sample: Callable[[str], bytes], event_of: EventOf
) -> None:
    name = field.partition(":")[0]
    body = sample("access-face.json").replace(field.encode(), f'{name}: {{"a": []}}'.encode())

    event = event_of(body)

    assert event.access is not None
    assert event.access.outcome != "granted"

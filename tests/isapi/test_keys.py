from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.config import DeviceTable
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event

EventOf = Callable[..., Event]
Sample = Callable[[str], bytes]


def test_a_resend_of_an_alert_has_the_same_key(sample: Sample, event_of: EventOf) -> None:
    resent = sample("intrusion.xml").replace(b"Retransmission>false", b"Retransmission>true")

    first = event_of("intrusion.xml")
    second = event_of(resent, content_type=b"text/xml", received=1_777_870_999_000_000_000)

    assert first.key == second.key
    assert (first.freshness, second.freshness) == ("live", "resent")


def test_a_terminals_replay_has_the_key_of_the_live_event(sample: Sample, event_of: EventOf) -> None:
    live = sample("access-replayed.json").replace(b"false", b"true")

    assert event_of(live).key == event_of("access-replayed.json").key


def test_a_wrapped_serial_number_on_another_day_is_another_event(sample: Sample, event_of: EventOf) -> None:
    tomorrow = sample("access-face.json").replace(b"2026-05-04", b"2026-05-05")

    assert event_of(tomorrow).key != event_of("access-face.json").key


def test_the_devices_uuid_names_the_plate_whatever_else_differs(sample: Sample, event_of: EventOf) -> None:
    other = sample("plate.xml").replace(b"<activePostCount>50", b"<activePostCount>51")

    assert event_of(other, content_type=b"text/xml").key == event_of("plate.xml").key


def test_the_same_plate_read_twice_is_two_events(sample: Sample, event_of: EventOf) -> None:
    other = sample("plate.xml").replace(b"000000000001</UUID>", b"000000000009</UUID>")

    assert event_of(other, content_type=b"text/xml").key != event_of("plate.xml").key


def test_a_face_id_that_is_used_again_is_not_the_key(sample: Sample, event_of: EventOf) -> None:
    other = sample("face-match.json").replace(b"faceAAAAAAAA", b"faceEEEEEEEE")

    assert event_of(other).key != event_of("face-match.json").key


def test_repeats_of_a_lasting_alarm_are_events_of_their_own(sample: Sample, event_of: EventOf) -> None:
    repeat = sample("motion.xml").replace(b"<activePostCount>1<", b"<activePostCount>2<")

    assert event_of(repeat, content_type=b"text/xml").key != event_of("motion.xml").key


def test_what_says_no_time_is_told_apart_by_when_it_came(event_of: EventOf) -> None:
    first = event_of("access-bell-without-time.json", received=1_777_870_000_000_000_000)
    second = event_of("access-bell-without-time.json", received=1_777_870_060_000_000_000)

    assert first.key != second.key


def test_empty_pushes_are_never_one_event(event_of: EventOf) -> None:
    first, second = event_of(b"", received=10**18), event_of(b"", received=10**18 + 1)

    assert first.key != second.key


def test_a_port_in_the_receivers_entry_is_not_part_of_what_happened(
    sample: Sample, event_of: EventOf
) -> None:
    moved = sample("motion.xml").replace(b"8089", b"9000").replace(b"<protocol>HTTP<", b"<protocol>HTTPS<")

    assert event_of(moved, content_type=b"text/xml").key == event_of("motion.xml").key


def test_a_stranger_cannot_use_up_the_key_of_a_device(event_of: EventOf) -> None:
    known = Decoder("w", {"gate": DeviceTable(address="10.20.0.61")})

    gate = event_of("access-face.json", known, ip="10.20.0.61")
    stranger = event_of("access-face.json", known, ip="10.20.0.66")
    other = event_of("access-face.json", known, ip="10.20.0.67")

    assert gate.key.startswith("gate#")
    assert len({gate.key, stranger.key, other.key}) == 3


def test_two_terminals_behind_one_address_that_name_no_mac_are_two(sample: Sample, event_of: EventOf) -> None:
    one = sample("access-face.json").replace(b"a4:d5:c2:00:00:61", b"")
    two = one.replace(b"10.20.0.61", b"10.20.0.62")

    first, second = event_of(one), event_of(two)

    assert first.device.id == second.device.id == "ip:10.20.0.99"
    assert first.key != second.key


@pytest.mark.parametrize("uid", ["5", "0", ""])
def test_a_short_uid_is_no_name_of_an_event(uid: str, event_of: EventOf) -> None:
    one = event_of(f'{{"eventType":"VMD","uid":"{uid}","dateTime":"2026-05-04T07:08:09Z"}}'.encode())
    two = event_of(f'{{"eventType":"VMD","uid":"{uid}","dateTime":"2026-05-04T07:08:10Z"}}'.encode())

    assert one.key != two.key


@pytest.mark.parametrize("odd", ['"\\ud800"', "123456789012345678901234567890", "1e400", "[[[[]]]]"])
def test_odd_values_do_not_keep_an_event_from_its_key(odd: str, event_of: EventOf) -> None:
    body = f'{{"eventType":"VMD","dateTime":"2026-05-04T07:08:09Z","x":{odd}}}'.encode()

    assert event_of(body).key == event_of(body).key

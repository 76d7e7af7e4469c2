from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import xxhash

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


def alert(**fields: object) -> bytes:
    return json.dumps({"eventType": "VMD", "dateTime": "2026-05-04T07:08:09Z"} | fields).encode()


def access(**fields: object) -> bytes:
    said = {"majorEventType": 5, "subEventType": 75, "serialNo": 7} | fields
    top = {name: said.pop(name) for name in ("dateTime", "ipAddress", "deviceName") if name in said}
    when = {"dateTime": "2026-05-04T07:08:09Z"} | top
    return json.dumps({"eventType": "AccessControllerEvent", **when, "AccessControllerEvent": said}).encode()


@pytest.mark.parametrize("name", ["uuid", "uid", "UUID"])
def test_a_name_of_eight_letters_is_one_and_of_seven_is_none(name: str, event_of: EventOf) -> None:
    long, short = ([event_of(alert(**{name: own, "x": n})).key for n in (1, 2)] for own in ("a" * 8, "a" * 7))

    assert long[0] == long[1]
    assert short[0] != short[1]


def test_a_uuid_counts_before_a_uid_and_both_only_for_their_type(event_of: EventOf) -> None:
    one = event_of(alert(uuid="u" * 8, uid="x" * 8)).key

    assert event_of(alert(uuid="u" * 8, uid="y" * 8)).key == one
    assert event_of(alert(uuid="v" * 8, uid="x" * 8)).key != one
    assert event_of(alert(uuid="u" * 8, eventType="videoloss")).key != one


def test_all_results_name_an_event_and_in_their_order(event_of: EventOf) -> None:
    def key(*uids: str) -> str:
        results = [{"uid": uid * 8, "targetAttrs": {}, "faces": []} for uid in uids]
        return event_of(alert(eventType="alarmResult", alarmResult=results)).key

    assert len({key("a", "b"), key("a", "c"), key("b", "a"), key("a")}) == 4


@pytest.mark.parametrize(
    ("flag", "old"),
    [("isDataRetransmission", True), ("currentEvent", False), ("alarmDataType", 1)],
)
def test_what_says_how_fresh_it_is_has_no_part_in_the_key_wherever_it_stands(
    flag: str, old: object, event_of: EventOf
) -> None:
    new = 0 if old == 1 and type(old) is int else not old
    for first, second in (
        (alert(**{flag: new}), alert(**{flag: old})),
        (alert(part={flag: new, "x": 1}), alert(part={flag: old, "x": 1})),
    ):
        live, resent = event_of(first), event_of(second)
        assert (live.freshness, resent.freshness) == ("live", "resent")
        assert live.key == resent.key


@pytest.mark.parametrize("name", ["portNo", "protocol", "protocolType"])
def test_how_it_was_sent_is_not_what_happened(name: str, event_of: EventOf) -> None:
    assert event_of(alert(**{name: "1"})).key == event_of(alert(**{name: "2"})).key
    assert event_of(alert(channelID="1")).key != event_of(alert(channelID="2")).key


def test_events_that_last_are_told_apart_by_their_type_and_not_by_their_company(event_of: EventOf) -> None:
    def lasting(*names: str) -> bytes:
        return alert(eventType="duration", DurationList=[{"relationEvent": name} for name in names])

    decoder = Decoder("w")
    alone = event_of(lasting("VMD"), decoder)
    again = event_of(lasting("VMD", "VMD"), decoder)

    assert alone.key == again.key
    assert event_of(lasting("videoloss")).key != alone.key


@pytest.mark.parametrize(
    "other",
    [
        {"serialNo": 8},
        {"majorEventType": 3},
        {"subEventType": 76},
        {"dateTime": "2026-05-04T07:08:10Z"},
        {"ipAddress": "10.0.0.9"},
        {"deviceName": "other"},
    ],
)
def test_everything_that_names_an_access_event_tells_it_apart(
    other: dict[str, object], event_of: EventOf
) -> None:
    assert event_of(access(**other)).key != event_of(access()).key
    assert event_of(access(cardNo="1")).key == event_of(access(cardNo="2")).key


def test_a_serial_number_without_a_time_names_nothing(event_of: EventOf) -> None:
    untimed = access(dateTime="")

    assert event_of(untimed).family == "access"
    assert event_of(untimed, received=10**18).key != event_of(untimed, received=10**18 + 1).key
    assert event_of(access(), received=10**18).key == event_of(access(), received=10**18 + 1).key


def test_the_order_of_fields_does_not_matter_not_even_of_odd_ones(event_of: EventOf) -> None:
    for odd in ("", '"\\ud800"', "1e5", "9" * 30, "18446744073709551616"):
        head = '{"eventType":"VMD","dateTime":"2026-05-04T07:08:09Z",'
        one, two = f'{head}"a":1,"b":{odd or 2}}}', f'{head}"b":{odd or 2},"a":1}}'
        assert event_of(one.encode()).key == event_of(two.encode()).key


def test_fields_do_not_run_into_one_another(event_of: EventOf) -> None:
    assert event_of(access(ipAddress="10.0.0.1", deviceName="x")).key.startswith("ip:10.20.0.99@10.20.0.99#")
    assert (
        event_of(access(majorEventType=1, subEventType=11)).key
        != event_of(access(majorEventType=11, subEventType=1)).key
    )


def test_a_key_is_what_it_was_in_earlier_versions(event_of: EventOf) -> None:
    # Marks and duplicates are looked up by it: a digest that changes makes yesterday's event a new one.
    named = xxhash.xxh3_128_hexdigest(b"VMD\0id\0" + b"u" * 8)
    serial = b"AccessControllerEvent\0serial\x007\x002026-05-04T07:08:09+00:00\x005\x0075\0None\0None"
    said = b'VMD\0document\0{"datetime":"2026-05-04T07:08:09Z","eventtype":"VMD","x":1}\0'

    assert event_of(alert(uuid="u" * 8)).key.endswith(f"#{named}")
    assert event_of(access()).key.endswith(f"#{xxhash.xxh3_128_hexdigest(serial)}")
    assert event_of(alert(x=1)).key.endswith(f"#{xxhash.xxh3_128_hexdigest(said)}")

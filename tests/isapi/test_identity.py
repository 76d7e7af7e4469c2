from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from hikrecv.config import DeviceTable, Zone
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.isapi.identity import REMEMBERED, Claim, Known, claim_of, mac_of

EventOf = Callable[..., Event]
MAC = "44:a6:42:10:20:30"


def decoder(**devices: DeviceTable) -> Decoder:
    return Decoder("w", devices)


@pytest.mark.parametrize(
    ("said", "mac"),
    [
        ("AC-CB-51-19-F5-08", "ac:cb:51:19:f5:08"),
        ("accb5119f508", "ac:cb:51:19:f5:08"),
        (" ac:cb:51:19:F5:08 ", "ac:cb:51:19:f5:08"),
        ("accb.5119.f508", "ac:cb:51:19:f5:08"),
        ("00:00:00:00:00:00", None),
        ("24:0f:9b:xx:xx:xx", None),
        ("banana", None),
        (None, None),
    ],
)
def test_a_mac_has_one_form(said: str | None, mac: str | None) -> None:
    assert mac_of(said) == mac


def test_without_config_the_mac_is_the_id(event_of: EventOf) -> None:
    assert event_of("motion.xml").device.id == MAC


def test_without_mac_the_serial_is_the_id_and_without_both_the_peer(event_of: EventOf) -> None:
    serial = event_of(b'{"eventType":"VMD","deviceSerial":"Q12345678"}')
    nothing = event_of(b'{"eventType":"VMD"}', ip="::ffff:10.20.0.99")

    assert serial.device.id == "Q12345678"
    assert nothing.device.id == "ip:10.20.0.99"


def test_a_device_of_the_config_has_its_name(event_of: EventOf) -> None:
    known = decoder(yard=DeviceTable(mac="44-A6-42-10-20-30", name="Yard camera"))

    event = event_of("motion.xml", known)

    assert (event.device.id, event.device.name) == ("yard", "Yard camera")


def test_names_without_end_cost_neither_memory_nor_the_right_one(event_of: EventOf) -> None:
    known = decoder(yard=DeviceTable(mac="44-A6-42-10-20-30", name="Yard camera"))

    for n in range(3 * REMEMBERED):
        event = event_of(b'{"eventType":"VMD","deviceSerial":"Q%08d"}' % n, known)
        assert event.device.id == f"Q{n:08}"

    assert len(known._known._identities) <= REMEMBERED
    assert event_of("motion.xml", known).device.id == "yard"


def test_a_device_with_an_address_is_known_by_it(event_of: EventOf) -> None:
    known = decoder(yard=DeviceTable(address="10.20.0.11"))

    assert event_of("motion.xml", known, ip="10.20.0.11").device.id == "yard"
    assert event_of(b'{"eventType":"VMD"}', known, ip="::ffff:10.20.0.11").device.id == "yard"


def test_a_stranger_does_not_become_a_device_by_writing_its_mac(event_of: EventOf) -> None:
    known = decoder(gate=DeviceTable(address="10.20.0.11", mac=MAC))

    assert event_of("motion.xml", known, ip="10.20.0.66").device.id == MAC


def test_an_address_does_not_help_whom_the_mac_contradicts(event_of: EventOf) -> None:
    known = decoder(gate=DeviceTable(address="10.20.0.11", mac="44:a6:42:ff:ff:ff"))

    assert event_of("motion.xml", known, ip="10.20.0.11").device.id == MAC


def test_of_two_devices_behind_one_address_the_named_one_is_meant(event_of: EventOf) -> None:
    known = decoder(
        gate=DeviceTable(address="10.20.0.1", mac="44:a6:42:ff:ff:ff"),
        yard=DeviceTable(address="10.20.0.1", mac=MAC),
    )

    assert event_of("motion.xml", known, ip="10.20.0.1").device.id == "yard"
    assert event_of(b'{"eventType":"VMD"}', known, ip="10.20.0.1").device.id == "ip:10.20.0.1"


@pytest.mark.parametrize("serial", ["gate", "gate/1", "ip:10.20.0.11", "a b c d", "\u202egate", "x"])
def test_nobody_gets_a_name_by_calling_itself_so(serial: str, event_of: EventOf) -> None:
    known = decoder(gate=DeviceTable(address="10.20.0.11"))
    body = f'{{"eventType":"VMD","deviceSerial":"{serial}"}}'.encode()

    assert event_of(body, known).device.id == "ip:10.20.0.99"


def test_the_zone_of_the_config_reads_times_without_offset(event_of: EventOf) -> None:
    known = decoder(barrier=DeviceTable(mac=MAC, zone=Zone("Europe/Berlin")))

    event = event_of("plate-old.xml", known)

    assert event.occurred == datetime.fromisoformat("2026-05-04T07:08:09+02:00")
    assert event.anomalies == ()


def test_a_camera_behind_a_recorder_is_the_recorder_and_the_channel(event_of: EventOf) -> None:
    event = event_of("recorder-channel-33.xml")

    assert event.device.id == "DS-7608NX-I2/8P0820250101CCWR123456789WCVU/33"
    assert event.channel is not None
    assert (event.channel.id, event.channel.digital, event.channel.name) == ("33", True, None)


@pytest.mark.parametrize("key", ["33", "D1"])
def test_a_channel_has_its_name_from_the_config(key: str, event_of: EventOf) -> None:
    known = decoder(nvr=DeviceTable(address="10.20.0.2", channels={key: "Yard"}))

    event = event_of("recorder-channel-33.xml", known, ip="10.20.0.2")

    assert event.device.id == "nvr/33"
    assert event.channel is not None
    assert event.channel.name == "Yard"


def test_both_channel_numbers_of_a_recorder_are_the_digital_one(event_of: EventOf) -> None:
    event = event_of("intrusion-recorder.xml")

    assert event.device.id == "18:68:cb:01:02:03/5"
    assert event.channel is not None
    assert (event.channel.name, event.channel.digital) == ("Side gate", True)


def test_empty_channel_elements_are_no_channel(event_of: EventOf) -> None:
    event = event_of("heartbeat-recorder.xml")

    assert event.channel is None
    assert event.device.id == "18:68:cb:01:02:03"


def test_an_analog_input_of_a_hybrid_recorder_is_a_channel_of_it(event_of: EventOf) -> None:
    event = event_of("hybrid-recorder.xml")

    assert event.device.id == "18:68:cb:09:09:09/I-1"
    assert event.channel is not None
    assert event.channel.digital is False


def test_a_channel_that_is_no_word_is_no_channel(event_of: EventOf) -> None:
    event = event_of(b'{"eventType":"VMD","dynChannelID":"../../gate","channelID":"1"}')

    assert event.channel is not None
    assert event.channel.id == "1"


def claimed(**doc: str) -> Claim:
    return claim_of(dict(doc))


def test_a_table_without_address_believes_the_body_but_its_key_is_bound_to_the_peer() -> None:
    known = Known({"gate": DeviceTable(mac="a4:d5:c2:00:00:61")})
    one, two = (
        known.identity(claimed(macaddress="a4:d5:c2:00:00:61"), peer, None, None)
        for peer in ("10.0.0.1", "10.0.0.2")
    )

    assert one.device.id == two.device.id == "gate"
    assert (one.scope, two.scope) == ("gate@10.0.0.1", "gate@10.0.0.2")


def test_a_serial_that_contradicts_the_table_never_matches() -> None:
    known = Known({"gate": DeviceTable(address="10.0.0.1", serial="DS-1")})

    assert known.find(None, "DS-1", "10.0.0.1") == known.find(None, None, "10.0.0.1") == "gate"
    assert known.find(None, "DS-2", "10.0.0.1") is None


def test_a_label_of_the_operator_is_no_serial_and_of_a_uuid_the_last_word_is() -> None:
    assert claimed(deviceid="12345").serial is None
    assert claimed(deviceid="123456").serial == "123456"
    assert claimed(deviceuuid="DS-K1T344 K12345").serial == "K12345"


@pytest.mark.parametrize(
    ("doc", "channel", "digital"),
    [
        ({"channelid": "2", "dynchannelid": "0"}, "2", False),
        ({"dynchannelid": "0"}, "0", True),
        ({"channelid": "1", "dynchannelid": "1"}, "1", False),
        ({"channelid": "1", "dynchannelid": "1", "protocoltype": "HTTP"}, "1", True),
        ({"channelid": "2", "dynchannelid": "2"}, "2", True),
        ({"channelid": "2", "dynchannelid": "1"}, "1", True),
        ({"dynchannelid": "1"}, "1", True),
    ],
)
def test_which_channel_it_is_and_whether_a_recorder_says_so(
    doc: dict[str, str], channel: str, digital: bool
) -> None:
    claim = claimed(**doc)

    assert (claim.channel, claim.digital) == (channel, digital)

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.push import Anomaly, Peer, Push

EVENTS = Path(__file__).parent.parent / "data" / "events"
FORM = b"multipart/form-data; boundary=boundary"

EventOf = Callable[..., Event]
EventsOf = Callable[..., tuple[Event, ...]]


def push(body: bytes, content_type: bytes = b"application/json", **told: Any) -> Push:
    peer = Peer(ip="10.20.0.99", port=50_000, trust="none")
    return Push(received=10**18, peer=peer, headers=((b"Content-Type", content_type),), body=body, **told)


@pytest.mark.parametrize("name", sorted(path.name for path in EVENTS.iterdir()))
def test_every_sample_becomes_an_event_that_survives_json(name: str, events_of: EventsOf) -> None:
    for event in events_of(name):
        assert Event.from_json(event.to_json()) == event
        assert event.family != "unknown" or name in ("unheard-of.xml",)
        assert event.data()


def test_an_event_knows_its_push(event_of: EventOf) -> None:
    event = event_of("motion.xml")

    assert event.id == "w-7-0"
    assert (event.seq, event.n) == (7, 0)
    assert event.peer == Peer(ip="10.20.0.99", port=50_000, trust="address")
    assert event.received.timestamp() == 1_777_870_000


@pytest.mark.parametrize(
    "body",
    [b"", b"  \r\n", b"\0\0\0", b"\xef\xbb\xbf", b'<?xml version="1.0" encoding="UTF-8"?>\r\n'],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_empty_body_is_a_test(body: bytes, method: str, event_of: EventOf) -> None:
    event = event_of(body, content_type=None, method=method)

    assert (event.type, event.family, event.anomalies) == ("test", "test", ())
    assert event.data() == {}


@pytest.mark.parametrize(
    "body", [b"hello", b"\x00\x01\x02\x03" * 9, b"<<<<", b'"just text"', b"[1, 2]", b"{", b"null", b"17"]
)
def test_what_is_not_understood_is_an_event_all_the_same(body: bytes, events_of: EventsOf) -> None:
    (event,) = events_of(body, content_type=b"application/octet-stream")

    assert event.family == "unknown"
    assert (event.type, event.wire_type) == ("unknown", "")
    assert event.device.id == "ip:10.20.0.99"
    event.data()


def test_the_text_of_what_was_not_understood_is_its_data(event_of: EventOf) -> None:
    event = event_of(b"caf\xe9 closed", content_type=b"text/plain")

    assert event.data() == "caf\ufffd closed"
    assert event.anomalies == ("not-understood",)


@pytest.mark.parametrize("content_type", [b"image/jpeg", b"text/plain", b"application/json", b"", None])
def test_what_it_is_is_decided_by_content(
    content_type: bytes | None, sample: Callable[[str], bytes], event_of: EventOf
) -> None:
    event = event_of(sample("motion.xml"), content_type=content_type)

    assert (event.type, event.pictures) == ("VMD", ())


def test_a_broken_part_with_a_known_name_is_not_taken_for_what_it_is_called(
    part: Callable[..., bytes], pushed: EventsOf
) -> None:
    (event,) = pushed(part(b"garbled", "application/xml", name="MoveDetection.xml"))

    assert (event.type, event.family) == ("MoveDetection.xml", "unknown")


def test_a_query_string_is_a_document(event_of: EventOf) -> None:
    query = b"eventType=VMD&macAddress=44:a6:42:10:20:30&dateTime=2026-05-04T07:08:09%2B02:00"

    event = event_of(b"", content_type=None, method="GET", target=b"/hik?" + query)

    assert (event.type, event.device.id) == ("VMD", "44:a6:42:10:20:30")
    assert event.occurred is not None


def test_a_query_without_an_event_is_an_address(event_of: EventOf) -> None:
    assert event_of(b"", content_type=None, target=b"/hik?token=-").family == "test"


def test_a_url_encoded_body_is_a_document(event_of: EventOf) -> None:
    event = event_of(b"eventType=IO&inputIOPortID=3", content_type=b"application/x-www-form-urlencoded")

    assert event.io is not None
    assert event.io.port == "3"


def test_a_form_field_with_json_in_it_is_opened(sample: Callable[[str], bytes], event_of: EventOf) -> None:
    from urllib.parse import urlencode

    body = urlencode({"event_log": sample("access-face.json").decode(), "x": "1"}).encode()

    event = event_of(body, content_type=b"application/x-www-form-urlencoded")

    assert event.access is not None
    assert event.access.minor == 75


def test_several_alerts_in_a_list_are_several_events(
    sample: Callable[[str], bytes], events_of: EventsOf
) -> None:
    one, two = sample("heartbeat-terminal.json"), sample("access-wrapped.json")

    events = events_of(b"[" + one + b"," + two + b"]")

    assert [(event.n, event.family) for event in events] == [(0, "heartbeat"), (1, "access")]


def test_parts_that_are_neither_lost_nor_junk(
    sample: Callable[[str], bytes], jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    events = pushed(
        part(sample("motion.xml"), "application/xml"),
        part(b"a word of its own", "text/plain", name="note"),
        part(b"\0\0\0\x18ftypmp42", "video/mp4", name="clip", filename="clip.mp4"),
        part(jpeg("x"), name="VMDImage"),
        part(b"not a picture", name="broken.jpg"),
    )

    assert [(event.n, event.type, event.family) for event in events] == [
        (0, "VMD", "motion"),
        (1, "note", "unknown"),
    ]
    assert [picture.content_type for picture in events[0].pictures] == [
        "video/mp4",
        "image/jpeg",
        "image/jpeg",
    ]
    assert "unusual-picture" in events[0].anomalies


def test_a_list_of_two_thousand_alerts_is_as_many_events(events_of: EventsOf) -> None:
    events = events_of(b"[" + b",".join([b'{"eventType":"VMD"}'] * 2_000) + b"]")

    assert len(events) == 2_000
    assert not any(event.anomalies for event in events)


def test_a_list_without_end_is_one_event_over_budget(event_of: EventOf) -> None:
    event = event_of(b"[" + b",".join([b'{"eventType":"VMD"}'] * 3_000) + b"]")

    assert (event.family, event.anomalies) == ("unknown", ("over-budget",))


def test_the_anomalies_of_the_push_travel_with_its_events(sample: Callable[[str], bytes]) -> None:
    odd = (Anomaly("masked"), Anomaly("truncated", "9 of 10 bytes"))

    (event,) = Decoder().decode(push(sample("access-face.json"), anomalies=odd), 1)

    assert event.anomalies == ("masked", "truncated")
    assert event.__dict__["_anomalies"] == odd


def test_a_document_is_read_anew_for_everybody(event_of: EventOf) -> None:
    event = event_of("access-face.json")

    event.data()["AccessControllerEvent"].clear()

    assert event.data()["AccessControllerEvent"]["serialNo"] == 123


def test_xml_is_plain_data(event_of: EventOf) -> None:
    data = event_of("thermal.xml").data()

    assert data["DetectionRegionList"]["DetectionRegionEntry"]["TMA"]["ruleName"] == "boiler"


def test_a_plugin_decodes_what_we_do_not_understand(event_of: EventOf) -> None:
    def ours(its: Push) -> list[Event]:
        return [event_of(b'{"eventType":"VMD"}').replace(type="lamp", family="io")]

    decoder = Decoder("w", others=(lambda its: None, ours))

    understood = event_of("motion.xml", decoder)
    (event,) = decoder.decode(push(b"lamp on", b"text/plain"), 9)

    assert understood.type == "VMD"
    assert (event.id, event.type, event.family, event.peer.trust) == ("w-9-0", "lamp", "io", "none")


def test_a_plugin_that_raises_costs_nothing(event_of: EventOf) -> None:
    def broken(its: Push) -> Sequence[Event]:
        raise RuntimeError("no")

    event = event_of(b"lamp on", Decoder("w", others=(broken,)), content_type=b"text/plain")

    assert event.family == "unknown"
    assert event.anomalies == ("not-understood", "decode-plugin-failed")


# -- properties ----------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *(
            "eventType",
            "eventState",
            "dateTime",
            "macAddress",
            "channelID",
            "dynChannelID",
            "UUID",
            "x",
            "value",
        ),
        *(
            "AccessControllerEvent",
            "majorEventType",
            "FaceRect",
            "alarmResult",
            "faces",
            "identify",
            "candidate",
        ),
        *(
            "similarity",
            "ANPR",
            "pictureInfoList",
            "plateRect",
            "CIDEvent",
            "armStatus",
            "CallInfo",
            "bkgUrl",
        ),
        *(
            "DetectionRegionList",
            "DetectionRegionEntry",
            "TargetRect",
            "CaptureResult",
            "peopleCounting",
            "URL",
        ),
        *("Duration", "DurationList", "relationEvent", "Target", "status", "Zone", "RegionCapture", "TMA"),
    ]
)
WORDS = [
    "VMD",
    "alarmResult",
    "duration",
    "videoloss",
    "cidEvent",
    "AccessControllerEvent",
    "http://h/x",
    "-1",
    "1e999",
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(WORDS)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
KINDS = st.sampled_from(
    [b"application/json", b"application/xml", FORM, b"text/plain", b"", b"multipart/mixed", b"\xff"]
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.binary(max_size=300), KINDS)
def test_decoding_never_raises(body: bytes, content_type: bytes) -> None:
    events = Decoder().decode(push(body, content_type), 1)

    assert events
    for event in events:
        assert "decoder-failed" not in event.anomalies
        assert Event.from_json(event.to_json()) == event
        event.data()


@QUICK
@given(st.dictionaries(NAMES, TREES, max_size=8))
def test_decoding_never_raises_on_documents_of_any_shape(document: dict[str, Any]) -> None:
    (event, *more) = Decoder().decode(push(json.dumps(document).encode()), 1)

    for each in (event, *more):
        assert "decoder-failed" not in each.anomalies
        assert "unreadable-part" not in each.anomalies
        assert Event.from_json(each.to_json()) == each


@QUICK
@given(st.lists(st.sampled_from(["json", "xml", "jpeg", "text"]), min_size=1, max_size=8), st.booleans())
def test_no_part_is_ever_lost(kinds: list[str], named: bool) -> None:
    payloads = {
        "json": b'{"eventType":"VMD","dateTime":"2026-05-04T07:08:09Z"}',
        "xml": b"<EventNotificationAlert><eventType>IO</eventType></EventNotificationAlert>",
        "jpeg": b"\xff\xd8\xff\xe0picture\xff\xd9",
        "text": b"some words",
    }
    name = b'Content-Disposition: form-data; name="same"\r\n' if named else b""
    parts = (b"--boundary\r\n" + name + b"X: y\r\n\r\n" + payloads[kind] + b"\r\n" for kind in kinds)

    events = Decoder().decode(push(b"".join(parts) + b"--boundary--", FORM), 1)

    documents = [kind for kind in kinds if kind != "jpeg"]
    assert len(events) == max(1, len(documents))
    assert [event.n for event in events] == list(range(len(events)))
    pictures = [picture for event in events for picture in event.pictures]
    assert sorted(picture.n for picture in pictures) == list(range(kinds.count("jpeg")))
    types = {"json": "VMD", "xml": "IO"}
    assert [event.type for event in events if documents] == [
        types.get(kind, "same" if named else "unknown") for kind in documents
    ]


def respelled(data: Any, draw: Callable[[Any], Any]) -> Any:
    """The same JSON with names in another case and another order."""
    if isinstance(data, dict):
        names = draw(st.permutations(list(data)))
        cases = (str.lower, str.upper, str.title, str)
        return {draw(st.sampled_from(cases))(name): respelled(data[name], draw) for name in names}
    return [respelled(each, draw) for each in data] if isinstance(data, list) else data


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from(sorted(path.name for path in EVENTS.glob("*.json"))))
def test_json_means_the_same_in_any_order_case_and_white_space(data: st.DataObject, name: str) -> None:
    plain = json.loads((EVENTS / name).read_bytes())
    indent = data.draw(st.sampled_from([None, 0, 3, "\t"]))
    other = json.dumps(respelled(plain, data.draw), indent=indent).encode()

    (one,) = Decoder().decode(push((EVENTS / name).read_bytes()), 1)
    (two,) = Decoder().decode(push(other), 1)

    assert msgspec.structs.asdict(two) == msgspec.structs.asdict(one)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(path.name for path in EVENTS.glob("*.xml"))),
    st.sampled_from(["", ' xmlns="urn:psialliance-org"', ' xmlns="http://www.std-cgi.com/ver10/XMLSchema"']),
    st.sampled_from([b"\r\n", b"\n", b"\n   "]),
    st.sampled_from(["", "ns0:", "tns:"]),
    st.booleans(),
)
def test_xml_means_the_same_in_any_namespace_and_white_space(
    name: str, namespace: str, end: bytes, prefix: str, declared: bool
) -> None:
    import re

    original = (EVENTS / name).read_bytes()
    text = original.replace(b"\r\n", b"\n").decode()
    text = re.sub(r' xmlns="[^"]*"', namespace, text)
    if prefix:
        text = re.sub(r"<(/?)(\w)", rf"<\1{prefix}\2", text)
        text = text.replace(
            "EventNotificationAlert ", f'EventNotificationAlert xmlns:{prefix[:-1]}="u:x" ', 1
        )
    if not declared:
        text = text[text.index("<", 2 if text.startswith("<?xml") else 0) :]
    body = text.replace("\n", end.decode()).strip().encode()

    one = Decoder().decode(push(original), 1)
    two = Decoder().decode(push(body), 1)

    assert [msgspec.structs.asdict(event) for event in two] == [
        msgspec.structs.asdict(event) for event in one
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"eventType":"VMD","n":0},{"eventType":"io","n":1}]',
        b'{"EventNotificationAlert":[{"eventType":"VMD","n":0},{"eventType":"io","n":1}]}',
        b"<List><EventNotificationAlert><eventType>VMD</eventType><n>0</n></EventNotificationAlert>"
        b"<EventNotificationAlert><eventType>io</eventType><n>1</n></EventNotificationAlert></List>",
    ],
)
def test_each_alert_of_a_list_has_its_own_document(body: bytes) -> None:
    first, second = Decoder("w").decode(push(body, b"application/octet-stream"), 7)

    assert [event.type for event in (first, second)] == ["VMD", "IO"]
    assert {name: str(value) for name, value in first.data().items()} == {"eventType": "VMD", "n": "0"}
    assert {name: str(value) for name, value in second.data().items()} == {"eventType": "io", "n": "1"}


def test_a_list_in_an_event_is_no_list_of_events() -> None:
    for body in (b'{"zone":[{"name":"1"}]}', b'{"zone":[{"name":"1"},{"name":"2"}]}'):
        (event,) = Decoder("w").decode(push(body), 7)
        assert event.data() == json.loads(body)


def test_fields_around_a_list_of_alerts_stay_with_each_of_them() -> None:
    body = b'{"ipAddress":"192.0.2.7","EventNotificationAlert":[{"eventType":"VMD"},{"eventType":"io"}]}'

    for event in Decoder("w").decode(push(body), 7):
        assert event.data()["ipAddress"] == "192.0.2.7"

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.isapi.anonymise import anonymise
from hikrecv.isapi.document import parse
from hikrecv.isapi.multipart import split

CAPTURES = Path(os.environ.get("HIKRECV_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
FORM = b"multipart/form-data; boundary=boundary"
JPEG = b"\xff\xd8\xff\xe0 a face \r\n--bound \xff\xd9"


def done(raw: bytes) -> bytes:
    shared = anonymise(raw, key=b"for tests")
    assert len(shared) == len(raw)
    return shared


def value(text: str) -> str:
    """What a person's name of *text* becomes."""
    name: str = json.loads(done(json.dumps({"name": text}, ensure_ascii=False).encode()))["name"]
    return name


def form(*payloads: bytes) -> bytes:
    head = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: x/y\r\n'
    parts = [head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload + b"\r\n" for payload in payloads]
    return b"".join(parts) + b"--boundary--\r\n"


def test_names_become_others_of_the_same_shape() -> None:
    other = value("Ada O'Neil-7")

    assert re.fullmatch(r"[A-Z][a-z]{2} [A-Z]'[A-Z][a-z]{3}-[1-9]", other)
    assert other != "Ada O'Neil-7"
    assert value("Ada O'Neil-7") == other


def test_another_key_gives_other_values() -> None:
    text = b'{"name":"Ada Example"}'

    assert anonymise(text, key=b"a") != anonymise(text, key=b"b")
    assert anonymise(text) != anonymise(text)


@pytest.mark.parametrize("nothing", ["", "0", "unknown", "Unknown", "undefined", "invalid", " "])
def test_what_means_nothing_stays(nothing: str) -> None:
    text = json.dumps({"licensePlate": nothing, "employeeNoString": nothing}).encode()

    assert done(text) == text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ('{"licensePlate":"AB-12 cd"}', r'\{"licensePlate":"[A-Z]{2}-[1-9]{2} [a-z]{2}"\}'),
        ('{"employeeNo":1203}', r'\{"employeeNo":[1-9]{2}0[1-9]\}'),
        ('{"certificateNumber":"0000000000012345"}', r'\{"certificateNumber":"0{11}[1-9]{5}"\}'),
        ('{"bornTime":"1985-12-10","latitude":31.2304}', r'\{"bornTime":"1111-11-11","latitude":11\.1111\}'),
        ('{"modelData":"QUJD+/9=="}', r'\{"modelData":"[A-Z]{4}\+/[1-9]=="\}'),
        (
            '{"name":"\\u4eba\\u8138 \\"x\\""}',
            r'\{"name":"\\u[4-9][0-9a-f]{3}\\u[4-9][0-9a-f]{3} \\"[a-z]\\""\}',
        ),
        ('{"name":"人脸"}', r'\{"name":"[一-龥]{2}"\}'),
        ('{"name":"Süß Ñandú"}', r'\{"name":"[A-Z][à-ü]{2} [à-ü][a-z]{3}[à-ü]"\}'),
        ('{"name":"Вася"}', r'\{"name":"[а-я]{4}"\}'),
        (
            "<a><name>A &amp; &#20154;&#x4eba;</name></a>",
            r"<a><name>[A-Z] &amp; &#[0-9]{5};&#x[0-9a-f]{4};</name></a>",
        ),
        ("<n:a><n:Name>Ada</n:Name></n:a>", r"<n:a><n:Name>[A-Z][a-z]{2}</n:Name></n:a>"),
        ("id=1&name=Ada%20%C3%BC&x=y", r"id=1&name=[A-Z][a-z]{2}%20%3F%3F&x=y"),
        (
            '{"extendData":[{"name":"Phone","value":"123456"}]}',
            r'\{"extendData":\[\{"name":"[A-Z][a-z]{4}","value":"[1-9]{6}"\}\]\}',
        ),
        ('{"macAddress":"ac:cb:51:19:f5:08"}', r'\{"macAddress":"ac:cb:51(:[0-9a-f]{2}){3}"\}'),
        ('{"x":"AC-CB-51-19-F5-08"}', r'\{"x":"AC-CB-51(-[0-9A-F]{2}){3}"\}'),
        ('{"ipAddress":"203.0.113.4"}', r'\{"ipAddress":"[1-9]\d\d\.0\.[1-9]\d\d\.[1-9]"\}'),
        ('{"url":"http://192.168.7.65:80/p?a=1"}', r'\{"url":"http://192\.168\.[1-9]\.[1-9]\d:80/p\?a=1"\}'),
        (
            '{"x":"0.0.0.0","y":"127.0.0.1","z":"1.2.3"}',
            r'\{"x":"0\.0\.0\.0","y":"127\.0\.0\.1","z":"1\.2\.3"\}',
        ),
        (
            '{"x":"fe80::aecb:51ff:fe19:f508"}',
            r'\{"x":"fe80::[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}"\}',
        ),
        ('{"dateTime":"2026-03-02T08:15:00+01:00"}', r'\{"dateTime":"2026-03-02T08:15:00\+01:00"\}'),
        (
            '{"serialNo":123,"channelID":1,"eventType":"VMD"}',
            r'\{"serialNo":123,"channelID":1,"eventType":"VMD"\}',
        ),
    ],
)
def test_each_kind_of_value_keeps_its_shape(text: str, pattern: str) -> None:
    shared = done(text.encode()).decode()

    assert re.fullmatch(pattern, shared)
    unchanged = "0.0.0.0" in text or "dateTime" in text or "serialNo" in text
    assert (shared == text) == unchanged


def test_an_address_becomes_the_same_one_everywhere() -> None:
    text = b'{"macAddress":"ac:cb:51:19:f5:08","id":"0b24c000-4899-11b4-82c2-accb5119f508","ip":"10.0.0.44"}'

    first, second = (json.loads(done(raw)) for raw in (text, text.replace(b"10.0.0.44", b"10.0.0.45")))

    assert first["macAddress"] == second["macAddress"]
    assert first["id"].endswith(first["macAddress"].replace(":", ""))
    assert first["ip"] != second["ip"]


def test_what_was_replaced_by_name_is_replaced_elsewhere_too() -> None:
    text = b"<a><serialNumber>DS-7616 99</serialNumber><eventPush>x&amp;&amp;DS-7616 99,1</eventPush></a>"

    data = parse(done(text))[0][0].data

    assert data["serialNumber"] != "DS-7616 99"
    assert data["eventPush"] == f"x&&{data['serialNumber']},1"


def test_the_name_of_a_device_does_not_change_what_an_event_is_called() -> None:
    text = b'{"eventDescription":"Access Controller Event","deviceName":"Access Controller"}'

    shared = json.loads(done(text))

    assert shared["eventDescription"] == "Access Controller Event"
    assert shared["deviceName"] != "Access Controller"


def test_pictures_become_zeros_between_their_first_and_last_bytes() -> None:
    cut = JPEG[:-2]

    shared = done(form(b'{"name":"Ada"}', JPEG, cut, b"\x89PNG\r\n\x1a\n pixels"))

    parts = [shared[part.start : part.end] for part in split(shared, FORM)[0]]
    assert parts[1] == b"\xff\xd8" + bytes(len(JPEG) - 4) + b"\xff\xd9"
    assert parts[2] == b"\xff\xd8" + bytes(len(cut) - 2)
    assert parts[3] == b"\x89PNG\r\n\x1a\n" + bytes(7)


def test_a_picture_behind_an_alert_becomes_zeros_too() -> None:
    assert done(b"<a><name>Ada</name></a>\r\n" + JPEG).endswith(
        b"</a>\r\n\xff\xd8" + bytes(len(JPEG) - 4) + b"\xff\xd9"
    )


def test_a_request_keeps_its_framing_and_loses_its_secrets() -> None:
    body = form(b'{"name":"Ada Example","ip":"10.0.0.44"}', JPEG)
    raw = (
        b"POST /s3cr3tToken/hik?key=abc&x=1 HTTP/1.1\r\nHost: receiver.example.org:8089\r\n"
        b'Authorization: Digest username="admin", response="0123abcd"\r\nCookie: a=b\r\n'
        b"X-Forwarded-For: 10.0.0.44\r\nUser-Agent: cpp-httplib/0.9\r\n"
        b"Content-Type: " + FORM + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body

    shared = done(raw)

    for secret in (b"s3cr3t", b"abc", b"example", b"admin", b"0123", b"10.0.0.44", b"Ada"):
        assert secret not in shared
    assert (
        b"User-Agent: cpp-httplib/0.9\r\nContent-Type: " + FORM + b"\r\nContent-Length: %d\r\n" % len(body)
        in shared
    )
    assert shared.startswith(b"POST /")
    assert b"?key=" in shared
    assert b'Authorization: Digest xxxxxxxx="xxxxx"' in shared
    forwarded = re.search(rb"X-Forwarded-For: (\S+)", shared)
    assert forwarded is not None
    assert b'"ip":"' + forwarded[1] + b'"' in shared


def test_a_chunked_request_keeps_its_chunks() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    raw = head + b'8\r\n{"name":\r\nA;x=y\r\n"Ada Exam"\r\n0001\r\n}\r\n0\r\n\r\n'

    shared = done(raw)

    assert re.fullmatch(
        re.escape(head)
        + rb'8\r\n\{"name":\r\nA;x=y\r\n"[A-Z][a-z]{2} [A-Z][a-z]{3}"\r\n0001\r\n\}\r\n0\r\n\r\n',
        shared,
    )


@pytest.mark.parametrize("codec", ["gbk", "latin-1", "utf-16", "utf-16-be"])
def test_a_text_stays_in_its_encoding(codec: str) -> None:
    name = "入口大门" if codec != "latin-1" else "Müller Größe"
    raw = f'{{"channelName":"x","name":"{name}"}}'.encode(codec)

    shared = done(raw)

    (document,), anomalies = parse(shared)
    assert document.data["name"] not in ("", name)
    assert [odd.name for odd in anomalies] == [odd.name for odd in parse(raw)[1]]


def test_bad_bytes_stay_where_they_were() -> None:
    raw = b'{"name":"Ada \xa7","x":"' + "人脸".encode() + b'\xff"}'

    shared = done(raw)

    assert shared[12] == 0xA7 or shared[13] == 0xA7
    assert shared.endswith("人脸".encode() + b'\xff"}')


@pytest.mark.parametrize(
    "text",
    [
        b"eyJuYW1lIjoiQWRhIn0=",
        b"%7B%22name%22%3A%22Ada%22%7D",
        b'{"n\\u0061me":"Ada"}',
        b'{"data":"{\\"name\\":\\"Ada\\"}"}',
        b"Ada",
        b"\\u800 Ada",
    ],
)
def test_a_text_whose_keys_cannot_be_seen_goes_altogether(text: bytes) -> None:
    shared = done(text)

    assert b"Ada" not in shared
    assert b"QWRh" not in shared


def test_bytes_that_are_no_text_become_zeros() -> None:
    raw = b"\x00\x01\x02 a template of a device's own"

    assert done(raw) == bytes(len(raw))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=10)
FIELDS = st.dictionaries(
    st.sampled_from(["name", "cardNo", "licensePlate", "channelName", "x", "eventType"]), TEXTS
)


def shape(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: shape(value) for key, value in data.items()}
    return len(data.encode())


@settings(max_examples=200, deadline=None)
@given(FIELDS, st.booleans())
def test_any_document_keeps_its_shape(fields: dict[str, str], ascii_only: bool) -> None:
    raw = json.dumps({"a": fields}, ensure_ascii=ascii_only).encode()

    shared = json.loads(done(raw))

    if not ascii_only:
        assert shape(shared) == shape({"a": fields})
    assert shared["a"].get("eventType", "").isascii() == fields.get("eventType", "").isascii()


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"POST / HTTP/1.1\r\n", b'{"name":"', b"<name>", b"--boundary\r\n"]),
)
def test_no_capture_raises_or_changes_its_length(tail: bytes, opening: bytes) -> None:
    done(opening + tail)


@pytest.mark.captures
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the checkout")
def test_every_capture_is_read_as_before_when_it_is_anonymous() -> None:
    for path in sorted(CAPTURES.rglob("*")):
        if path.suffix in (".json", ".xml") and path.name != "manifest.json" and "config" not in path.parts:
            raw = path.read_bytes()
            before, after = parse(raw), parse(done(raw))
            assert [odd.name for odd in before[1]] == [odd.name for odd in after[1]], path
            assert keys(before[0][0].data) == keys(after[0][0].data), path


def keys(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: keys(value) for key, value in data.items()}
    return [keys(value) for value in data] if isinstance(data, list) else None

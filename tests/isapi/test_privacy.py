from __future__ import annotations

import json
import time
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.config import Privacy
from hikrecv.isapi.document import parse
from hikrecv.isapi.multipart import split
from hikrecv.isapi.personal import CATEGORIES
from hikrecv.isapi.privacy import mask
from hikrecv.push import Anomaly, Peer, Push

ALL = Privacy(mask=("templates", "certificates", "names", "births"))
WITHHOLDING = Privacy(mask=ALL.mask, unreadable="withhold")
PICTURE = b'\xff\xd8\xff\xe0 "name":"not a name" <name>x</name> \xff\xd9'
MATCH = b"""{
 "channelName": "Gate", "deviceName": "IPC", "modelData": "QUJD",
 "faces": [{"faceId": 7, "modeldata":"REVG=", "identify": [{"candidate": [{
  "reserve_field": {"name": "Ada", "bornTime": "1985-12-10", "certificateNumber": "00123"},
  "extendData": [{"extendID": 1, "name": "Custom Field 1", "value": ""}, {"extendID": 2, "name": "b]"}],
  "FDLibName": "staff"}]}]}]
}"""


def push(body: bytes, content_type: bytes = b"application/json", target: bytes = b"/") -> Push:
    headers = ((b"Content-Type", content_type),)
    return Push(received=0, peer=Peer("192.0.2.1", 1, "none"), target=target, headers=headers, body=body)


def masked(body: bytes, table: Privacy = ALL, content_type: bytes = b"application/json") -> bytes:
    done = mask(push(body, content_type), table).body
    assert len(done) == len(body)
    return done


def names(done: Push) -> list[str]:
    return [odd.name for odd in done.anomalies]


def multipart(*payloads: bytes, content_type: bytes = b"application/json") -> bytes:
    head = (
        b'--boundary\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: ' + content_type + b"\r\n"
    )
    parts = [head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload + b"\r\n" for payload in payloads]
    return b"".join(parts) + b"--boundary--\r\n"


FORM = b"multipart/form-data; boundary=boundary"


def test_without_a_word_in_the_table_nothing_is_done() -> None:
    given_push = push(MATCH)

    assert mask(given_push, Privacy()) is given_push


def test_what_the_table_names_is_masked_and_nothing_else_moves() -> None:
    assert masked(MATCH) == (
        MATCH.replace(b"QUJD", b"****")
        .replace(b"REVG=", b"*****")
        .replace(b'"Ada"', b'"***"')
        .replace(b"1985-12-10", b"**********")
        .replace(b"00123", b"*****")
    )


@pytest.mark.parametrize(
    ("word", "gone"),
    [
        ("templates", [b"QUJD", b"REVG="]),
        ("certificates", [b"00123"]),
        ("names", [b"Ada"]),
        ("births", [b"1985-12-10"]),
    ],
)
def test_each_word_masks_its_own(word: str, gone: list[bytes]) -> None:
    done = masked(MATCH, Privacy(mask=(word,)))  # type: ignore[arg-type]

    for value in (b"QUJD", b"REVG=", b"00123", b'"Ada"', b"1985-12-10"):
        assert (value not in done) == (value.strip(b'"') in gone)


def test_a_push_says_that_it_was_masked() -> None:
    before = push(b"{}")
    odd = mask(Push(received=0, peer=before.peer, body=b"{}", anomalies=(Anomaly("truncated"),)), ALL)

    assert names(mask(before, ALL)) == ["masked"]
    assert names(odd) == ["truncated", "masked"]


@pytest.mark.parametrize("length", [True, False])
def test_text_parts_are_masked_and_pictures_are_not_looked_into(length: bool) -> None:
    body = multipart(MATCH, PICTURE)
    body = body if length else body.replace(b"Content-Length", b"X-Length")

    done = masked(body, content_type=FORM)

    parts = [done[part.start : part.end] for part in split(done, FORM)[0]]
    assert parts == [masked(MATCH), PICTURE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name":"A\\"da\\\\","x":1}', '{"name":"*******","x":1}'),
        ('{"name":"\\u4eba","x":1}', '{"name":"******","x":1}'),
        ('{"NAME" :\t"Ada"}', '{"NAME" :\t"***"}'),
        ('{"certificateNumber":15.9e-3,"x":1}', '{"certificateNumber":11.1e-1,"x":1}'),
        ('{"idNum":-7}', '{"idNum":-1}'),
        ('{"name":null,"idNum":true}', '{"name":null,"idNum":true}'),
        ('{"name":""}', '{"name":""}'),
        ('{"name":["Ada","Bo"],"x":"y"}', '{"name":["***","**"],"x":"y"}'),
        ('{"born":{"value":"1985","year":1985},"x":"y"}', '{"born":{"value":"****","year":1111},"x":"y"}'),
        ('{"modelData":["a",["b",{"c":"d"}]],"x":"y"}', '{"modelData":["*",["*",{"c":"*"}]],"x":"y"}'),
        ('{"x":"name","y":"Ada"}', '{"x":"name","y":"Ada"}'),
        ('{"fullname":"Ada","name2":"Bo"}', '{"fullname":"Ada","name2":"Bo"}'),
        ('{"a":{{"name":"Ada"}', '{"a":{{"name":"***"}'),
        ('{"name":"Ad', '{"name":"**'),
        ('{"name":"Ad\\', '{"name":"***'),
        ('{"name":', '{"name":'),
        ('{"name":Ada}', '{"name":***}'),
        ('{"name":[[["Ada"', '{"name":[[["***"'),
        ('{"zone":{"name":"Hall"},"name":"Ada"}', '{"zone":{"name":"Hall"},"name":"***"}'),
        (
            '{"Region":[{"id":1,"name":"Hall"},{"name":"Yard"}]}',
            '{"Region":[{"id":1,"name":"Hall"},{"name":"Yard"}]}',
        ),
        ('{"zone":[{"personName":"Ada"}]}', '{"zone":[{"personName":"***"}]}'),
        (
            '{"zone":[{"name":"[","name":"Hall"}],"name":"Ada"}',
            '{"zone":[{"name":"[","name":"Hall"}],"name":"***"}',
        ),
        ('{"zone":[{"name":"Hall"', '{"zone":[{"name":"****"'),
        ('{"xml":"<name>Ada</name>"}', '{"xml":"<name>***</name>"}'),
    ],
)
def test_values_in_json_are_masked_however_they_are_written(text: str, expected: str) -> None:
    assert masked(text.encode()).decode() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a><name>Ada</name><x>y</x></a>", "<a><name>***</name><x>y</x></a>"),
        ("<ns1:a><ns1:Name>Ada</ns1:Name></ns1:a>", "<ns1:a><ns1:Name>***</ns1:Name></ns1:a>"),
        ('<a><name opt="x">A &amp; da</name></a>', '<a><name opt="x">**********</name></a>'),
        ("<a><name><![CDATA[<Ada>]]></name></a>", "<a><name><![CDATA[*****]]></name></a>"),
        ("<a><born><y>1985</y><m>12</m></born></a>", "<a><born><y>****</y><m>**</m></born></a>"),
        ("<a><name/><name /><x>y</x></a>", "<a><name/><name /><x>y</x></a>"),
        ("<a><name></name><x>y</x></a>", "<a><name></name><x>y</x></a>"),
        ("<a><name>Ad", "<a><name>**"),
        ("<a><name>Ada</na", "<a><name>***</na"),
        ("<a><fullname>Ada</fullname></a>", "<a><fullname>Ada</fullname></a>"),
        ("<a><Region><name>Hall</name></Region></a>", "<a><Region><name>Hall</name></Region></a>"),
        ("<a><Region/><name>Ada</name></a>", "<a><Region/><name>***</name></a>"),
        ("<a><Region></Region><name>Ada</name></a>", "<a><Region></Region><name>***</name></a>"),
        (
            "<EventNotificationAlert><Region><x/><EventNotificationAlert><name>Ada</name>",
            "<EventNotificationAlert><Region><x/><EventNotificationAlert><name>***</name>",
        ),
    ],
)
def test_texts_in_xml_are_masked_however_they_are_written(text: str, expected: str) -> None:
    done = masked(text.encode(), content_type=b"application/xml").decode()

    assert done == expected


def test_half_a_chinese_character_is_no_backslash_and_no_quote() -> None:
    # The second bytes of these are backslashes.
    text = '{"name":"誠","x":"乗","deviceName":"誠"}'.encode("gbk")
    assert text.count(b"\\") == 3

    assert masked(text) == text.replace("誠".encode("gbk"), b"**", 1)


def test_utf8_is_masked_byte_for_byte() -> None:
    assert masked('{"name":"人脸","x":"人"}'.encode()) == '{"name":"******","x":"人"}'.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"Ada"}'.encode("utf-16"),
        '{"name":"Ada"}'.encode("utf-16-be"),
        b"eyJuYW1lIjoiQWRhIn0=",
        b"%7B%22name%22%3A%22Ada%22%7D",
        b"event_log=%7B%22name%22%3A%22Ada%22%7D&x=1",
        b'{"n\\u0061me":"Ada"}',
        b'{"data":"{\\"name\\":\\"Ada\\"}"}',
        b"\x00\x01\x02 a template of a device's own",
    ],
)
def test_a_text_that_cannot_be_searched_is_kept_or_withheld_as_configured(text: bytes) -> None:
    kept = mask(push(multipart(text, PICTURE), FORM), ALL)
    withheld = mask(push(multipart(text, PICTURE), FORM), WITHHOLDING)

    assert kept.body == multipart(text, PICTURE)
    assert names(kept) == ["masked", "not-masked"]
    assert withheld.body == multipart(text, PICTURE).replace(text, b" " * len(text))
    assert names(withheld) == ["masked", "withheld"]


def test_what_can_be_found_in_a_text_that_is_kept_is_masked() -> None:
    text = b'HTTP/1.1 200 OK\r\n\r\n{"name":"Ada"}'

    assert masked(text) == text.replace(b"Ada", b"***")


def test_a_picture_that_does_not_look_like_one_is_no_text() -> None:
    body = multipart(b"\x00\x01 not a jpeg", content_type=b"image/jpeg")

    assert mask(push(body, FORM), WITHHOLDING).body == body


@pytest.mark.parametrize("alert", [b"<a><name>Ada</name></a>\r\n", b'{"name":"Ada"}', b'{"name":"Ada'])
def test_a_picture_behind_an_alert_is_not_looked_into(alert: bytes) -> None:
    assert masked(alert + PICTURE) == alert.replace(b"Ada", b"***") + PICTURE


def test_forms_and_queries_are_masked() -> None:
    done = mask(push(b"id=1&name=Ada&x=2", b"application/x-www-form-urlencoded", b"/e?name=Ada&x=name"), ALL)

    assert (done.body, done.target) == (b"id=1&name=***&x=2", b"/e?name=***&x=name")
    assert names(done) == ["masked"]


def test_a_preamble_and_an_epilogue_are_masked_too() -> None:
    text = b'x {"name":"Ada"} x\r\n'

    done = masked(text + multipart(b"{}") + text, content_type=FORM)

    assert done == (text + multipart(b"{}") + text).replace(b"Ada", b"***")


def test_parts_without_the_usual_head_are_masked_too() -> None:
    body = b'--boundary\n{"name":"Ada"}\n--boundary\n\n<name>Bo</name>\n--boundary\r\nX: y\r\n\r\n{"name":"C'

    done = masked(body, content_type=FORM)

    assert done == body.replace(b"Ada", b"***").replace(b"Bo", b"**").replace(b'"C', b'"*')


# -- any document at all -----------------------------------------------------------

PERSONAL = sorted(name for category in CATEGORIES.values() for name in category)
KEYS = st.sampled_from([*PERSONAL, "modelData", "certificateNumber", "bornTime"]) | st.sampled_from(
    ["x", "channelName"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


def is_masked(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(is_masked, value.values()))
    if isinstance(value, list):
        return all(map(is_masked, value))
    return (
        value is None or isinstance(value, bool) or set(value) <= {"*"} or set(value.lower()) <= set("1.e+-")
    )


def same_but_masked(done: Any, before: Any) -> bool:
    if isinstance(before, dict):
        return done.keys() == before.keys() and all(
            is_masked(done[key]) if key.lower() in PERSONAL else same_but_masked(done[key], value)
            for key, value in before.items()
        )
    if isinstance(before, list):
        return len(done) == len(before) and all(map(same_but_masked, done, before))
    return type(done) is type(before) and bool(done == before)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_any_json_stays_json_and_all_that_is_personal_is_masked(
    data: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only).encode()

    done = masked(text)

    read = json.JSONDecoder(parse_int=str, parse_float=str).decode
    assert same_but_masked(read(done.decode()), read(text.decode()))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=12)


@given(st.lists(st.tuples(KEYS, TEXTS), min_size=1, max_size=6), st.sampled_from(["", "ns1:"]))
def test_any_xml_stays_xml_and_all_that_is_personal_is_masked(
    fields: list[tuple[str, str]], prefix: str
) -> None:
    inside = "".join(f"<{prefix}{name}>{escape(text)}</{prefix}{name}>" for name, text in fields)

    done = masked(f"<alert><first>1</first>{inside}</alert>".encode(), content_type=b"application/xml")

    (document,) = parse(done)[0]
    for name, text in fields:
        found = document.data[name]
        texts = found if isinstance(found, list) else [found]
        assert (
            all(set(item) <= {"*"} for item in texts) if name.lower() in PERSONAL else text.strip() in texts
        )


FLOODS = [
    *(
        b'"name":',
        b'"name":"a",',
        b'"name":[',
        b'"zone":[',
        b'"zone":[1,',
        b'{"name":{',
        b'"name":[1,',
        b'"',
        b"\\",
    ),
    *(
        b"<name>",
        b"<name>a</name>",
        b"<region>",
        b"</name>",
        b"<",
        b"<name><![CDATA[",
        b"<name><",
        b"name=a&",
        b"%7b",
    ),
    *(b"--boundary\r\n", b'"\\u00', b"\xc8\\", b'"a":', b"\xff"),
]


@pytest.mark.parametrize("flood", FLOODS)
def test_four_megabytes_of_anything_are_masked_in_bounded_time(flood: bytes) -> None:
    body = flood * (4_000_000 // len(flood))

    before = time.process_time()
    mask(push(b"{" + body), ALL)
    mask(push(body, FORM), ALL)
    spent = time.process_time() - before

    assert spent < 4  # in practice below 0.5 s; a quadratic step would take minutes


def test_a_name_that_is_never_closed_does_not_take_the_delimiter_with_it() -> None:
    form = b"multipart/form-data; boundary=boundary"

    done = masked(b'<name>Ada {"a": {"b": 1}}\r\n--boundary\r\n\r\n{}\r\n--boundary--\r\n', content_type=form)

    assert done == b"<name>" + b"*" * 19 + b"\r\n--boundary\r\n\r\n{}\r\n--boundary--\r\n"

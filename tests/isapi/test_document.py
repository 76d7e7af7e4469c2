from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.isapi.budget import OverBudget
from hikrecv.isapi.document import Document, kind_of, parse

CAPTURES = Path(os.environ.get("HIKRECV_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
ALERT = '<EventNotificationAlert version="2.0"><channelName>Süd 入口</channelName></EventNotificationAlert>'
NAMED = {"channelName": "Süd 入口"}


def read(text: bytes, content_type: str | None = None) -> tuple[list[Any], list[str]]:
    documents, anomalies = parse(text, content_type)
    return [document.data for document in documents], [odd.name for odd in anomalies]


def test_an_alert_becomes_a_document() -> None:
    text = ALERT.encode()

    assert parse(text, 'application/xml; charset="UTF-8"') == (
        (Document("xml", "EventNotificationAlert", NAMED, 0, len(text)),),
        (),
    )


def test_json_becomes_a_document() -> None:
    assert parse(b'{"a":[1]}', "application/json") == ((Document("json", None, {"a": [1]}, 0, 9),), ())


def test_a_view_is_read_like_bytes() -> None:
    assert parse(memoryview(b'xx{"a":1}')[2:]) == parse(b'{"a":1}')


@pytest.mark.parametrize(
    ("text", "data", "anomalies"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}, ["bom"]),
        (b"\r\n\r\n" + b'{"a":1}' + b"\r\n", {"a": 1}, []),
        (b'{"a":1}\0\0\0', {"a": 1}, ["nul-bytes"]),
        (b'\0\0\0{"a":1}', {"a": 1}, ["nul-bytes"]),
        ('{"n":"人脸"}'.encode("gbk"), {"n": "人脸"}, ["encoding-gb18030"]),
        ('{"n":"人脸"}'.encode("utf-16"), {"n": "人脸"}, ["encoding-utf-16", "bom"]),
        (b'\xff\xfe{"a":1}', {"a": 1}, ["encoding-latin-1", "leading-bytes"]),
        (b"\xff\xfe{}", {}, ["encoding-latin-1", "leading-bytes"]),
        (b'[{"a":1}]', [{"a": 1}], []),
        (b"7", 7, []),
        (b'{"a":1}\xff\xd8\xff\xe0 picture', {"a": 1}, []),
        (b'HTTP/1.1 200 OK\r\n\r\n{"a":1}', {"a": 1}, ["leading-bytes"]),
        (b'{"a":1}=', {"a": 1}, ["trailing-bytes"]),
        (b'{"a":{{"b":1}]}', {"a": [{"b": 1}]}, ["double-brace"]),
    ],
)
def test_json_is_read_through_what_surrounds_it(text: bytes, data: Any, anomalies: list[str]) -> None:
    assert read(text) == ([data], anomalies)


@pytest.mark.parametrize(
    ("text", "anomalies"),
    [
        (ALERT.encode(), []),
        (b"\xef\xbb\xbf" + ALERT.encode(), []),
        (b"\r\n\r\n" + ALERT.encode() + b"\r\n\r\n", []),
        (ALERT.encode() + b"\0\0", ["nul-bytes"]),
        (ALERT.encode("utf-16"), ["encoding-utf-16"]),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n' + ALERT.encode(), []),
        (b'<?xml version="1.0" encoding="UTF-16"?>\n' + ALERT.encode(), []),
        (b'<?xml version="1.0" encoding="GB2312"?>\n' + ALERT.encode("gb18030"), []),
        (b'<?xml version="1.0" encoding="GB2312"?>\n' + ALERT.encode(), ["encoding-utf-8"]),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n' + ALERT.encode("gb18030"), ["encoding-gb18030"]),
        (b'<?xml version="1.0" encoding="rot13"?>\n' + ALERT.encode(), []),
        (ALERT.encode() + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["trailing-bytes"]),
        (ALERT.encode() + b"\r\n\xff\xd8\xff\xe0 picture <a> {", []),
        (b"--boundary\r\nContent-Type: text/xml\r\n\r\n" + ALERT.encode(), ["leading-bytes"]),
    ],
)
def test_xml_is_read_through_what_surrounds_it(text: bytes, anomalies: list[str]) -> None:
    assert read(text) == ([NAMED], anomalies)


def test_one_bad_byte_in_a_name_costs_only_itself() -> None:
    text = ALERT.encode().replace(b"<channelName>", b"<channelName>\xa7")

    (document,) = parse(text)[0]

    assert document.data == {"channelName": "\ufffdSüd 入口"}
    assert (document.start, document.end) == (0, len(text))


@pytest.mark.parametrize("between", [b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_glued_alerts_are_several_documents(between: bytes, codec: str) -> None:
    one = ALERT.encode(codec)
    two = b'<?xml version="1.0" encoding="UTF-8"?>' + ALERT.replace("Süd ", "").encode(codec)
    text = one + between + two + between + one

    documents, anomalies = parse(text)

    assert [document.data for document in documents] == [NAMED, {"channelName": "入口"}, NAMED]
    assert [text[document.start : document.end] for document in documents] == [one, two, one]
    assert "glued-documents" in [odd.name for odd in anomalies]


def test_glued_json_is_several_documents() -> None:
    text = '{"a":"人"}\n{"b":{}}{"c":1'

    documents, anomalies = parse(text.encode())

    assert [document.data for document in documents] == [{"a": "人"}, {"b": {}}, {}]
    assert [(document.start, document.end) for document in documents] == [(0, 11), (12, 20), (20, 26)]
    assert [odd.name for odd in anomalies] == ["document-cut", "missing-value", "glued-documents"]


def test_a_broken_alert_does_not_cost_the_next() -> None:
    broken = b"<EventNotificationAlert><a>x & y</a><b>"

    assert read(broken + ALERT.encode()) == (
        [{"a": "x & y"}, NAMED],
        ["bare-ampersand", "document-cut", "glued-documents"],
    )


@pytest.mark.parametrize(
    ("text", "content_type", "kind"),
    [
        (b"{}", "application/xml", "json"),
        (b'[{"a":1}]', "text/xml; charset=UTF-8", "json"),
        (b"<a/>", "application/json", "xml"),
    ],
)
def test_a_wrong_content_type_is_named_and_not_obeyed(text: bytes, content_type: str, kind: str) -> None:
    (document,), (anomaly,) = parse(text, content_type)

    assert (document.kind, anomaly.name) == (kind, "content-type-wrong")


@pytest.mark.parametrize("content_type", [None, ";;;", "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_json_whatever_its_type(content_type: str | None) -> None:
    assert read(b'{"a":"b&c=d"}', content_type) == ([{"a": "b&c=d"}], [])


@pytest.mark.parametrize(
    ("text", "kind", "data", "anomalies"),
    [
        (
            "eventType=VMD&channelID=1&name=S%C3%BCd+1",
            "form",
            {"eventType": "VMD", "channelID": "1", "name": "Süd 1"},
            [],
        ),
        ("name=%C8%CB%C1%B3", "form", {"name": "人脸"}, []),
        ("a=&b", "form", {"a": "", "b": ""}, []),
        (quote('{"a":"x y"}'), "json", {"a": "x y"}, ["form-encoded"]),
        (quote_plus(ALERT), "xml", NAMED, ["form-encoded"]),
        ("event_log=" + quote_plus('{"a":{"b":1}}'), "json", {"a": {"b": 1}}, ["form-encoded"]),
        ("id=1&xml=" + quote(ALERT), "xml", NAMED, ["form-encoded"]),
    ],
)
def test_forms_are_read(text: str, kind: str, data: Any, anomalies: list[str]) -> None:
    documents, odd = parse(text.encode(), "application/x-www-form-urlencoded")

    assert [(document.kind, document.data) for document in documents] == [(kind, data)]
    assert sorted(anomaly.name for anomaly in odd) == anomalies


@pytest.mark.parametrize(
    "text", [b"", b"\0\0", b" \r\n", b"hello world", b"\xff\xd8\xff", b"=", b"<", b"a b=c"]
)
def test_what_is_no_document_gives_none(text: bytes) -> None:
    assert parse(text)[0] == ()


@pytest.mark.parametrize(
    "text", [b"<!DOCTYPE a><a/>", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>']
)
def test_a_document_type_is_refused(text: bytes) -> None:
    assert read(text) == ([], ["doctype-refused"])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<a/>", "xml"),
        (b"\xef\xbb\xbf\r\n <a/>", "xml"),
        (b"\0<a/>", "xml"),
        ("<a/>".encode("utf-16"), "xml"),
        (b" {}", "json"),
        (b"[1]", "json"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n", "png"),
        (b"GIF89a", "gif"),
        (b"BM\x36\0\0\0", "bmp"),
        (b"BMx", "other"),
        (b"a=b&c", "form"),
        (b"hello", "other"),
        (b"\0\1\2", "other"),
        (b"", "empty"),
        (b"\0" * 5000, "empty"),
        (b" " * 100 + b"{", "json"),
        (b" " * 5000 + b"{", "other"),
    ],
)
def test_the_kind_is_told_by_the_first_bytes(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind
    assert kind_of(memoryview(data)) == kind


PIECES = [
    *(
        b"<EventNotificationAlert>",
        b"</EventNotificationAlert>",
        b"<?xml version='1.0'?>",
        b"<a>",
        b"</a>",
        b"<a/>",
    ),
    *(
        b"<!DOCTYPE a [",
        b"<![CDATA[",
        b"]]>",
        b"&",
        b"&amp;",
        b"<",
        b">",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b":",
    ),
    *(
        b",",
        b"1",
        b"NaN",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff\xd8\xff",
        b"\xc8\xcb",
        b"\xe4\xba\xba",
        b"\xe9",
    ),
    *(b"%7B", b"a=", b"&b=", b"HTTP/1.1 200 OK\r\n", b"\r\n", b"x", b"\\ud800"),
]


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=25).map(b"".join),
    st.sampled_from(
        [None, "application/json", "application/xml; charset=gbk", "application/x-www-form-urlencoded"]
    ),
)
def test_no_text_raises_and_all_that_is_given_is_plain_data(text: bytes, content_type: str | None) -> None:
    documents, anomalies = parse(text, content_type)

    for document in documents:
        assert 0 <= document.start <= document.end <= len(text)
        json.dumps(document.data, allow_nan=False).encode()
    assert len({odd.name for odd in anomalies}) == len(anomalies)


FLOODS = [
    *(
        b"<",
        b"<a>",
        b"<a/>",
        b"<?xml",
        b"&",
        b"<a>\xe9",
        b"<EventNotificationAlert",
        b"<EventNotificationAlert><b>",
    ),
    *(
        b"{",
        b"[",
        b"[]",
        b'{"',
        b'{"a":1}',
        b"1 ",
        b"[1,",
        b'"a',
        b"a=b&",
        b"%7B",
        b" ",
        b"\0",
        b"\xff",
        b"\xc3",
    ),
]


@pytest.mark.parametrize("flood", FLOODS)
def test_four_megabytes_of_anything_are_read_in_bounded_time(flood: bytes) -> None:
    before = time.thread_time()
    with suppress(OverBudget):
        parse(flood * (4_000_000 // len(flood)))
    spent = time.thread_time() - before

    assert spent < 2  # in practice below 0.3 s; a quadratic step would take minutes


@pytest.mark.captures
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the checkout")
def test_every_captured_document_is_read_without_loss() -> None:
    odd = {}
    for path in sorted(CAPTURES.rglob("*")):
        if path.suffix in (".json", ".xml") and path.name != "manifest.json":
            documents, anomalies = parse(path.read_bytes())
            assert documents, path
            if anomalies:
                odd[path.name] = [anomaly.name for anomaly in anomalies]

    assert odd["vendor-note.json"] == ["double-brace", "wrong-bracket", "document-cut"]


@pytest.mark.captures
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the checkout")
def test_the_printed_note_gives_what_was_meant() -> None:
    printed, meant = (parse((CAPTURES / "face" / name).read_bytes())[0] for name in NOTES)

    assert printed[0].data == meant[0].data


NOTES = ("vendor-note.json", "vendor-note-repaired.json")

from __future__ import annotations

import json
import time
from typing import Any
from xml.sax.saxutils import escape

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.isapi.budget import USUAL, Budget, OverBudget
from hikrecv.isapi.steps import at_once
from hikrecv.isapi.xml_document import Read, Refused, _read_carefully, read

NAMESPACES = [
    "",
    ' xmlns="http://www.hikvision.com/ver20/XMLSchema"',
    ' xmlns="http://www.hikvision.com/ver10/XMLSchema"',
    ' xmlns="http://www.isapi.org/ver20/XMLSchema"',
    ' xmlns="http://www.std-cgi.com/ver10/XMLSchema"',
    ' xmlns="http://www.std-cgi.com/ver20/XMLSchema"',
    ' xmlns="urn:psialliance-org"',
]


def given_by(text: str) -> Read:
    found = read(text.encode())
    assert found is not None
    return found


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-8"?>\r\n'])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_alert_is_the_same_in_every_namespace_and_with_every_line_end(
    namespace: str, declaration: str, end: str
) -> None:
    text = (
        f'{declaration}<EventNotificationAlert version="2.0"{namespace}>{end}<channelID>1</channelID>{end}'
        f"<DetectionRegionList>{end}<Entry><id>1</id></Entry>{end}<Entry><id/></Entry></DetectionRegionList>{end}"
        f"<channelName> a &amp; b </channelName>{end}<empty></empty></EventNotificationAlert>{end}"
    )

    found = given_by(text)

    assert found.root == "EventNotificationAlert"
    assert found.data == {
        "channelID": "1",
        "DetectionRegionList": {"Entry": [{"id": "1"}, {"id": ""}]},
        "channelName": "a & b",
        "empty": "",
    }
    assert found.anomalies == ()


@pytest.mark.parametrize("declared", ["", ' xmlns:ns1="urn:psialliance-org"'])
def test_prefixes_are_dropped_declared_or_not(declared: str) -> None:
    found = given_by(f"<ns1:Alert{declared}><ns1:a>1</ns1:a><b>2</b></ns1:Alert>")

    assert (found.root, found.data, found.anomalies) == ("Alert", {"a": "1", "b": "2"}, ())


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("<a/>", {}),
        ("<a>text</a>", {"#text": "text"}),
        ('<a version="2.0"/>', {}),
        ('<a><b opt="x,y">1</b></a>', {"b": {"@opt": "x,y", "#text": "1"}}),
        ('<a><b size="2" version="1"><c/></b></a>', {"b": {"@size": "2", "c": ""}}),
        ("<a>x<b>1</b> <b>2</b>y</a>", {"b": ["1", "2"], "#text": "x y"}),
        ('<a id="7">x<b>1</b>y</a>', {"@id": "7", "b": "1", "#text": "xy"}),
        ("<a><b>1</b><c>2</c><b>3</b><b/></a>", {"b": ["1", "3", ""], "c": "2"}),
        ("<a><b><![CDATA[1 < 2 & 3]]></b></a>", {"b": "1 < 2 & 3"}),
        ("<a><!-- no --><b>1</b><?no?></a>", {"b": "1"}),
        ("<a><b>&#20154;&#x4eba;&lt;</b></a>", {"b": "人人<"}),
    ],
)
def test_elements_become_keys_and_repeated_siblings_lists(text: str, data: dict[str, Any]) -> None:
    careful = at_once(_read_carefully(text.encode(), 0, Budget()))

    assert given_by(text).data == data
    assert careful is not None
    assert careful.data == data


@pytest.mark.parametrize(
    ("text", "data", "anomalies"),
    [
        ("<a><b>x & y &amp; z</b></a>", {"b": "x & y & z"}, ["bare-ampersand"]),
        ("<a><u>/p?a=1&size=2&amp;b=3</u></a>", {"u": "/p?a=1&size=2&b=3"}, ["bare-ampersand"]),
        ("<a><b>&nbsp;&#1234567890;</b></a>", {"b": "&nbsp;&#1234567890;"}, ["bare-ampersand"]),
        ("<a><b>1 < 2</b></a>", {"b": "1 < 2"}, ["bare-less-than"]),
        ("<a><b>x\x0by</b></a>", {"b": "x\ufffdy"}, ["control-character"]),
        ("<a><b>x&#0;&#x1F;&#9;y</b></a>", {"b": "x\ufffd\ufffd\ty"}, ["control-character"]),
        ('<?xml encoding="UTF-8" version="1.0"?><a><b>1</b></a>', {"b": "1"}, ["xml-declaration"]),
        ("<?xml version=1.0>\n<a><b>x & y</b></a>", {"b": "x & y"}, ["xml-declaration", "bare-ampersand"]),
        ("<a><b>1</b><c>2</c><d><e>3</e>", {"b": "1", "c": "2", "d": {"e": "3"}}, ["document-cut"]),
        ("<a><b>1</b><c><d>2</d><e>3", {"b": "1", "c": {"d": "2"}}, ["document-cut"]),
        ("<a><b>1</b><c", {"b": "1"}, ["document-cut"]),
        ("<a><b>1</b></c></a>", {"b": "1"}, ["document-cut"]),
        ("<a><b>x & y</b><c>2", {"b": "x & y"}, ["bare-ampersand", "document-cut"]),
    ],
)
def test_what_is_not_quite_xml_is_repaired_and_named(
    text: str, data: dict[str, Any], anomalies: list[str]
) -> None:
    found = given_by(text)

    assert found.data == data
    assert [name for name, _ in found.anomalies] == anomalies


@pytest.mark.parametrize(
    "document", ["<a/>", '<a x="/>"/>', '<a x=">"><b/></a >', "<a>x/></a>", "<a><b/></a>", "<p:a/>"]
)
@pytest.mark.parametrize("rest", ["", "<a/>", "<b>", "HTTP/1.1 200 OK>", "</a>", "\0"])
def test_the_place_behind_a_document_is_told(document: str, rest: str) -> None:
    first = read((document + rest).encode())
    second = read(b"xyz" + (document + rest).encode(), 3)

    assert first is not None
    assert first.end == len(document)
    assert second is not None
    assert second.end == len(document) + 3


def test_a_broken_document_ends_where_the_next_begins() -> None:
    text = b"<a><b>x & y</b></a><a><b>2"

    first = read(text)

    assert first is not None
    assert (first.data, first.end) == ({"b": "x & y"}, 19)


@pytest.mark.parametrize("text", ["<", "< a>", "<?xml version='1.0'?>", "<!-- x -->", "<1/>", "<&>", "<>"])
def test_without_an_element_there_is_no_document(text: str) -> None:
    assert read(text.encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a><a/>",
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/x.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<a><!ENTITY x "y">&x;</a>',
    ],
)
def test_document_types_and_entities_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="doctype-refused"):
        read(text.encode())


def test_a_document_that_is_too_deep_or_too_large_is_over_budget() -> None:
    assert read(b"<a>" * USUAL.depth + b"</a>" * USUAL.depth) is not None
    with pytest.raises(OverBudget, match="nested deeper"):
        read(b"<a>" * (USUAL.depth + 1) + b"</a>" * (USUAL.depth + 1))
    with pytest.raises(OverBudget, match="nested deeper"):
        read(b"<a>" * 100_000)
    with pytest.raises(OverBudget, match="values"):
        read(b"<a>" + b"<b/>" * 1_000_000 + b"</a>")


def test_ten_megabytes_of_markup_cost_little() -> None:
    before = time.process_time()
    for flood in (b"<", b"&", b"<a ", b"<!--", b"<a/>", b"\0", b"<![CDATA[", b"<a b='"):
        try:
            read(b"<x>" + flood * (4_000_000 // len(flood)))
        except (Refused, OverBudget):
            pass
    spent = time.process_time() - before

    assert spent < 5


# -- any document at all -----------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda name: name[:3].lower() != "xml"
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=12).filter(
    lambda text: not set(text) & {"\ufffe", "\uffff"}
)
TREES = st.recursive(TEXTS, lambda inner: st.lists(st.tuples(NAMES, inner), max_size=5), max_leaves=15)
DOCUMENTS = st.tuples(NAMES, st.lists(st.tuples(NAMES, TREES), max_size=5))


def written(name: str, content: Any) -> str:
    inside = escape(content) if isinstance(content, str) else "".join(written(*child) for child in content)
    return f"<{name}>{inside}</{name}>"


def expected(element: Any) -> Any:
    """The same by another parser: defusedxml's tree, folded by the rule in words."""
    if not len(element):
        return (element.text or "").strip()
    folded: dict[str, list[Any]] = {}
    for child in element:
        folded.setdefault(child.tag.rpartition("}")[2], []).append(expected(child))
    return {key: values[0] if len(values) == 1 else values for key, values in folded.items()}


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.sampled_from(NAMESPACES))
def test_well_formed_xml_is_given_as_another_parser_gives_it(
    document: tuple[str, Any], namespace: str
) -> None:
    name, children = document
    text = written(name, children).replace(f"<{name}>", f"<{name}{namespace}>", 1)

    found = given_by(text)
    careful = at_once(_read_carefully(text.encode(), 0, Budget()))

    wanted = expected(fromstring(text))
    assert found == Read(name, wanted or {}, len(text.encode()), ())
    assert careful == found


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.data())
def test_of_a_cut_document_what_is_complete_is_given(document: tuple[str, Any], draw: st.DataObject) -> None:
    name, children = document
    text = written(name, [("first", "1"), *children]).encode()
    size = draw.draw(st.integers(text.index(b"</first>") + 8, len(text)))

    found = read(text[:size])

    assert found is not None
    assert json.dumps(found.data)
    first = found.data["first"]
    assert (first[0] if isinstance(first, list) else first) == "1"

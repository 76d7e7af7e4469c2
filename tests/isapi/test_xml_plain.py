"""Plain XML is read quickly, and never otherwise than by the parser."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi import xml_document, xml_plain
from hikrecv.isapi.budget import Budget, OverBudget
from hikrecv.isapi.xml_plain import MOST_DEPTH, read_plain

NAMES = st.sampled_from(["a", "b", "eventType", "channel-ID", "_x.1"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<&"), max_size=8)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n\t"])


def leaf(name: str, text: str) -> str:
    return f"<{name}>{text}</{name}>"


def wrapped(name: str, inside: list[str], blank: str) -> str:
    return f"<{name}>{blank}{blank.join(inside)}{blank}</{name}>"


LEAVES = st.builds(leaf, NAMES, TEXTS) | st.builds("<{}/>".format, NAMES)
ELEMENTS = st.recursive(LEAVES, lambda inner: st.builds(wrapped, NAMES, st.lists(inner, max_size=4), BLANKS))
ODD = st.sampled_from(["<", ">", "&", "</a>", "<a>", "]]>", "<!-- -->", "x", " ", "\x00", '<a b="c"/>'])
ROOTS = st.sampled_from(
    [
        "<r>",
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<r version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">',
        '<r xmlns="http://www.hikvision.com/ver20/XMLSchema" version="1.0">',
        '<r version="1.0" xmlns="http://x.org/y" version="1.0">',
        '<r version="1.0" id="7">',
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """XML, well-formed or not quite."""
    text = draw(ROOTS) + "".join(draw(st.lists(ELEMENTS, max_size=4))) + "</r>" + draw(BLANKS)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(ODD) + text[at + draw(st.integers(0, 2)) :]
    return text.encode()


def by_the_parser(text: bytes) -> tuple[str, dict[str, object]] | None:
    try:
        found = xml_document._read_correct(text, Budget())
    except (ParseError, OverBudget):
        return None
    return found.root, found.data


@given(documents())
def test_what_is_read_is_what_the_parser_reads(text: bytes) -> None:
    found = read_plain(text)

    assert found is None or found == by_the_parser(text)


def test_an_alert_is_plain() -> None:
    text = b'<Alert version="2.0"><a> 1 </a><b/><c>\r\n<d>x</d><d>y</d></c></Alert>'

    assert read_plain(text) == ("Alert", {"a": "1", "b": "", "c": {"d": ["x", "y"]}})


@pytest.mark.parametrize(
    "text",
    [
        b"<r><a>1&amp;2</a></r>",
        b"<r><a x='1'>1</a></r>",
        b"<r><n:a>1</n:a></r>",
        b"<r>mixed<a>1</a></r>",
        b"<r><a>1</b></r>",
        b"<r><a>1</a></r><r/>",
        b"<r><a>1</a>",
        b"<r></r>",
        b"<!DOCTYPE r><r><a>1</a></r>",
        b"<r>" + b"<a>" * (MOST_DEPTH + 1) + b"</a>" * (MOST_DEPTH + 1) + b"</r>",
        b"<r><a>\xff</a></r>",
    ],
)
def test_everything_else_is_left_to_the_parser(text: bytes) -> None:
    assert xml_plain.read_plain(text) is None

"""Wrong brackets are mended quickly, and never otherwise than the careful reader does."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi.budget import Bounds, Budget, OverBudget
from hikrecv.isapi.document import parse
from hikrecv.isapi.json_balance import rebalance
from hikrecv.isapi.json_repair import repair

NOTE = (files("hikrecv.testing") / "templates" / "face-comparison.json").read_bytes()
LIKELY = b'{"a":{{"b":[1,2,{"c":"x}]\\""}],"d":{}},"e":[[],{}, {"a":-0.5}]}'


WRONG = [b"", b"{", b"}", b"[", b"]", b'"', b",", b":", b"1", b"\\", b" "]


@st.composite
def almost_json(draw: st.DrawFn) -> bytes:
    """A document with a few wrong bytes."""
    text = bytearray(LIKELY)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from(WRONG))
    return bytes(text)


def test_the_vendors_note_is_mended_by_its_brackets_alone() -> None:
    quick, careful = rebalance(NOTE), repair(NOTE)

    assert quick is not None
    assert careful is not None
    assert (quick.data, quick.end, quick.anomalies) == (careful.data, careful.end, careful.anomalies)


@given(almost_json())
def test_what_is_mended_is_what_the_careful_reader_makes_of_it(text: bytes) -> None:
    quick, careful = rebalance(text), repair(text)

    if quick is not None:
        assert careful is not None
        assert (quick.data, quick.end) == (careful.data, careful.end)
        # Names that stand twice are seen by the careful reader only, as in correct documents.
        assert quick.anomalies == tuple(name for name in careful.anomalies if name != "duplicate-key")


@given(almost_json(), st.sampled_from([None, "application/json"]))
def test_a_document_with_wrong_brackets_is_the_same_on_the_quick_way(text: bytes, kind: str | None) -> None:
    # A blank behind it is not odd, but keeps it from being read on the quick way.
    quick, careful = parse(text, kind), parse(text + b" ", kind)
    ends = [min(document.end, len(text)) for document in careful[0]]

    assert [document.end for document in quick[0]] == ends
    assert [document.data for document in quick[0]] == [document.data for document in careful[0]]
    assert quick[1] == careful[1]


def test_a_cut_value_is_left_to_the_careful_reader() -> None:
    assert rebalance(b'{"a": [1, 0.9') is None
    assert rebalance(b'{"a": "x') is None


def test_depth_and_number_are_bounded() -> None:
    with pytest.raises(OverBudget, match="deeper"):
        rebalance(b"[" * (Bounds().depth + 1))
    with pytest.raises(OverBudget, match="more than 10 values"):
        rebalance(b"[" + b"[]," * 100 + b"[]", budget=Budget(Bounds(values=10)))


def test_the_end_is_behind_the_document() -> None:
    found = rebalance(b'{"a": [1}  {"b": 2}')

    assert found is not None
    assert (found.data, found.end) == ({"a": [1]}, 9)

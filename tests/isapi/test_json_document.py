from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.isapi.budget import USUAL, OverBudget
from hikrecv.isapi.json_document import read
from hikrecv.isapi.json_repair import repair

DATA = Path(__file__).parents[1] / "data" / "oddities"

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text(), VALUES, max_size=4)


def repaired(text: str) -> tuple[Any, list[str]]:
    found = read(text.encode())
    assert found is not None
    return found.data, list(found.anomalies)


@given(CONTAINERS, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_correct_json_is_given_as_it_is(data: Any, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only).encode()

    found = read(text)

    assert found is not None
    assert (found.data, found.end, found.anomalies) == (data, len(text), ())


@given(CONTAINERS, st.sampled_from([None, 1]), st.booleans())
def test_the_repairing_reader_changes_nothing_in_correct_json(
    data: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only).encode()

    found = repair(text)

    assert found is not None
    assert (found.data, found.end, found.anomalies) == (data, len(text), ())


@pytest.mark.parametrize(
    ("text", "data", "anomalies"),
    [
        ('{"a":{{"b":1}}}', {"a": [{"b": 1}]}, ["double-brace", "wrong-bracket"]),
        ('{{"b":1}]', [{"b": 1}], ["double-brace"]),
        ('{"a":[{"b":1},', {"a": [{"b": 1}]}, ["document-cut"]),
        ('{"a":1,"b":"cut he', {"a": 1}, ["document-cut", "missing-value"]),
        ('{"a":1,"b', {"a": 1}, ["document-cut"]),
        ('{"a":1,"b":0.9', {"a": 1}, ["document-cut", "missing-value"]),
        ('{"a":1,"b":', {"a": 1}, ["document-cut", "missing-value"]),
        ('{"a":"x\\', {}, ["document-cut", "missing-value"]),
        ('{"a":[1,2}', {"a": [1, 2]}, ["wrong-bracket"]),
        ('{"a":1]', {"a": 1}, ["wrong-bracket"]),
        ('{"a":1,}', {"a": 1}, ["trailing-comma"]),
        ("[1,2,]", [1, 2], ["trailing-comma"]),
        ("[1,,2]", [1, 2], ["stray-comma"]),
        ('{"a":1 "b":2}', {"a": 1, "b": 2}, ["missing-comma"]),
        ("[1 2]", [1, 2], ["missing-comma"]),
        ('{"a":,"b":2}', {"b": 2}, ["missing-value"]),
        ('{"a":}', {}, ["missing-value"]),
        ('{"a":NaN,"b":-Infinity}', {"a": None, "b": None}, ["not-a-number"]),
        ('{"a":nan}', {"a": None}, ["not-a-number"]),
        ('{"a":1e999}', {"a": None}, ["not-a-number"]),
        ('{"a":007,"b":+1.5,"c":.5}', {"a": 7, "b": 1.5, "c": 0.5}, ["odd-number"]),
        ('{"a":1,"a":2,}', {"a": 2}, ["duplicate-key", "trailing-comma"]),
        ('{"a":"x\ny\tz"}', {"a": "x\ny\tz"}, ["control-character"]),
        ('{"a":"\\ud800"}', {"a": "\ufffd"}, ["bad-escape"]),
        ('{"a":"\\ud83d\\ude00","b":"\\q",}', {"a": "😀", "b": "\\q"}, ["bad-escape", "trailing-comma"]),
        ('{"a":yes,b:1}', {"a": "yes", "b": 1}, ["bare-word"]),
        ('["a":1]', ["a", 1], ["stray-colon", "missing-comma"]),
        ('{"a":1}}', {"a": 1}, []),
    ],
)
def test_what_is_not_quite_json_is_repaired_and_named(text: str, data: Any, anomalies: list[str]) -> None:
    assert repaired(text) == (data, anomalies)


def test_a_document_with_the_oddities_of_a_printed_one_gives_its_facts() -> None:
    found = read((DATA / "printed-face-match.json").read_bytes())

    assert found is not None
    (result,) = found.data["alarmResult"]
    (face,) = result["faces"]
    (candidate,) = face["identify"][0]["candidate"]
    assert found.data["ipAddress"] == "192.0.2.47"
    assert result["targetAttrs"]["rect"] == {"height": 0.5, "width": 0.25, "x": 0.125, "y": None}
    assert face["age"] == {"value": 41, "ageGroup": "middle"}
    assert candidate["reserve_field"]["name"] == "Ada\tExample"
    assert candidate["FDLibName"] == "staff"
    assert (face["contentID"], face["stayDuration"]) == ("facelImage", 1200)
    assert set(found.anomalies) == {
        "double-brace",
        "wrong-bracket",
        "not-a-number",
        "trailing-comma",
        "control-character",
        "document-cut",
    }


@given(CONTAINERS, st.data())
def test_of_a_cut_document_what_is_complete_is_given(data: Any, draw: st.DataObject) -> None:
    text = json.dumps(data)
    size = draw.draw(st.integers(1, len(text)))

    found = read(text[:size].encode())

    assert found is not None
    assert within(found.data, data)


def within(part: Any, whole: Any) -> bool:
    """Whether *part* is *whole* with a tail cut off."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(part) <= len(whole) and all(map(within, part, whole))
    return type(part) is type(whole) and bool(part == whole)


@pytest.mark.parametrize("opening", ['{"a":', "[", '[{"a":'])
@pytest.mark.parametrize("depth", [USUAL.depth + 1, 10_000, 1_000_000])
def test_too_deep_a_document_is_over_budget(opening: str, depth: int) -> None:
    for reader in (read, repair):
        with pytest.raises(OverBudget, match=r"nested deeper|more than"):
            reader((opening * depth).encode())


def test_the_depth_allowed_is_not_too_deep() -> None:
    assert repaired("[" * USUAL.depth + "]" * USUAL.depth)[1] == []
    with pytest.raises(OverBudget, match="nested deeper"):
        repaired("[" * (USUAL.depth + 1) + "]" * (USUAL.depth + 1))


def test_a_flood_of_tokens_is_over_budget_and_what_is_before_it_is_not() -> None:
    found = read(b"[,]" + b"[" + b"1 " * 1_000_000)

    assert found is not None
    assert found.data == []
    with pytest.raises(OverBudget, match="values"):
        read(b"[" + b"1 " * 1_000_000)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "[", "]", ",", ":", '"', "\\", '"a"', "1", "NaN", "true", " ", "\n", "\\u12", "é"]
        )
        | st.text(max_size=3)
    ).map("".join)
)
def test_no_text_raises_and_all_that_is_given_is_finite_plain_data(text: str) -> None:
    found = read(text.encode("utf-8", "replace"))

    if found is not None:
        json.dumps(found.data, allow_nan=False).encode()
        assert 0 <= found.end <= len(text.encode("utf-8", "replace"))
        assert not any(isinstance(item, float) and math.isnan(item) for item in [found.data])


def test_a_text_of_many_values_is_over_budget_however_it_is_spelled() -> None:
    names = b"{" + b",".join(b'"n%d":0' % number for number in range(USUAL.values + 2))

    for text in (names + b"}", names + b"]", names):
        with pytest.raises(OverBudget, match="values"):
            read(text)

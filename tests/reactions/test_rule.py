from __future__ import annotations

import string
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv import Candidate, Channel, Device, Event, Face, Match, Peer, Plate, Target
from hikrecv.errors import RuleError
from hikrecv.reactions.glob import glob
from hikrecv.reactions.rule import DEPTH, LENGTH, Rule
from hikrecv.reactions.words import vocabulary

SATURDAY_NIGHT = datetime(2026, 1, 31, 22, 30, tzinfo=timezone.utc)


def event(**fields: Any) -> Event:
    known = {
        "id": "j-1-0",
        "key": "k",
        "seq": 1,
        "n": 0,
        "received": SATURDAY_NIGHT,
        "type": "faceSnapMatch",
        "wire_type": "alarmResult",
        "family": "face-match",
        "state": "active",
        "freshness": "live",
        "peer": Peer("10.0.0.5", 1, "address"),
        "device": Device(id="gate 1"),
    }
    return Event(**(known | fields))


SEEN = event(
    match=Match(similarity=0.93, library="staff", person="Ann"),
    faces=(
        Face(age=8, candidates=(Candidate(name="Ben"), Candidate(name="Ann", similarity=0.93))),
        Face(age=70),
    ),
    targets=(Target(kind="human"), Target(kind="vehicle")),
    channel=Channel(id="1", digital=False),
    extra={"geo": {"country": "DE", "near": ["river", "road"], "inside": True, "metres": 12}},
)


@pytest.mark.parametrize(
    "text",
    [
        'family == "face-match" and match.similarity >= 0.9 and match.library == "staff"',
        'family != "plate"',
        "match.similarity < 0.94",
        "0.9 <= match.similarity",
        "0.9 <= match.similarity < 0.95",
        'device.id in ["gate 1", "gate 2"]',
        'device.id not in ("yard",)',
        'faces.candidates.name == "Ann"',
        'faces.candidates.name in {"Zoe", "Ben"}',
        '"vehicle" in targets.kind',
        "faces.age >= 18",
        "not (faces.age > 80)",
        'like(device.id, "gate*")',
        'like(faces.candidates.name, "?en")',
        "not channel.digital",
        "channel.digital == False",
        "match",
        "faces",
        "match.person",
        "not plate",
        'extra.geo.country == "DE"',
        'extra.geo.near == "road"',
        "extra.geo.inside",
        "extra.geo.metres < 20",
        'match.person == "Ann" or match.person == "Ben"',
        "match.person == faces.candidates.name",
        'received >= "2026-01-31T23:30:00+01:00"',
        'peer.trust in ["address", "token", "login"]',
        '  family == "face-match"\n  and faces\n',
    ],
)
def test_a_rule_that_holds(text: str) -> None:
    assert Rule(text).matches(SEEN)


@pytest.mark.parametrize(
    "text",
    [
        'family == "plate"',
        "match.similarity > 0.93",
        'plate.text == "B AB 1"',
        "plate.confidence >= 0",
        "faces.quality <= 1",
        "20 < faces.age < 60",
        'not (device.id == "gate 1")',
        "channel.digital",
        "plate",
        "regions",
        "match.person_id",
        'like(plate.text, "*")',
        'like(device.id, "GATE*")',
        'extra.weather.rain == "yes"',
        'extra.geo.metres < "20"',
        "extra.geo.metres.deeper == 3",
        'occurred > "2020-01-01T00:00:00Z"',
        "device.name == device.id",
    ],
)
def test_a_rule_that_does_not_hold(text: str) -> None:
    assert not Rule(text).matches(SEEN)


def test_a_comparison_with_what_was_not_said_is_false_and_its_opposite_true() -> None:
    assert not Rule('plate.text == "X"').matches(SEEN)
    assert not Rule('plate.text in ["X"]').matches(SEEN)
    assert Rule('plate.text != "X"').matches(SEEN)
    assert Rule('plate.text not in ["X"]').matches(SEEN)


def test_unequal_to_a_list_means_that_no_element_is_equal() -> None:
    assert not Rule('targets.kind != "human"').matches(SEEN)
    assert Rule('targets.kind != "face"').matches(SEEN)


@pytest.mark.parametrize(
    ("zone", "hour", "weekday"),
    [("UTC", 22, "sat"), ("Europe/Berlin", 23, "sat"), ("Asia/Shanghai", 6, "sun")],
)
def test_hour_and_weekday_are_those_of_the_zone(zone: str, hour: int, weekday: str) -> None:
    rule = Rule(f'hour == {hour} and weekday == "{weekday}"', zone=ZoneInfo(zone))

    assert rule.matches(event())


def test_hour_is_that_of_the_device_when_it_has_a_clock() -> None:
    occurred = datetime(2026, 1, 31, 3, 0, tzinfo=timezone.utc)

    assert Rule("hour == 3", zone=timezone.utc).matches(event(occurred=occurred))


def test_a_rule_knows_its_names() -> None:
    assert Rule('family == "plate" and faces.age > 3').names == {"family", "faces.age"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('familly == "plate"', "did you mean family?"),
        ("similarity > 0.9", "did you mean match.similarity"),
        ('event.family == "plate"', "write family"),
        ('match.libary == "x"', "match has no 'libary'; it has person,"),
        ('family == "face-mach"', "did you mean 'face-match'?"),
        ('family != "plates"', "did you mean 'plate'?"),
        ('family in ["plate", "x"]', "family is never 'x'"),
        ('access.outcome == "open"', "it is one of alarm, denied"),
        ('peer.trust > "none"', "has no order"),
        ('match.similarity >= "0.9"', "is a number"),
        ("match.similarity >= 90", "is in 0..1"),
        ("faces.age == True", "is a number"),
        ("channel.digital == 1", "is yes or no"),
        ("device.id == 5", "is text"),
        ("hour == 24", "is in 0..23"),
        ("weekday == 0", "is text"),
        ('weekday == "Sat"', "it is one of fri, mon,"),
        ('match == "Ann"', "compare one of them: match.person"),
        ('received > "yesterday"', "is a time"),
        ('received > "2026-01-01T00:00:00"', "is a time"),
        ("plate.text == None", "absence is"),
        ("channel.digital == true", "write True"),
        ('family = "plate"', "write == to compare"),
        ('family == "plate" && faces', "write and, or, not"),
        ('family is "plate"', "instead of is"),
        ("faces[0].age > 3", "a list means any element"),
        ("faces.age + 1 > 3", "one side must be a name"),
        ("1 == 1", "one side must be a name"),
        ('"plate"', "decides nothing"),
        ("True", "decides nothing"),
        ('"AB" in plate.text', 'like(plate.text, "*text*")'),
        ('plate.text in "AB"', "a list of constants"),
        ("plate.text in [device.id]", "expected a constant"),
        ("match.person == match.similarity", "is text and match.similarity is a number"),
        ("faces.age == targets.kind", "is a number and targets.kind is text"),
        ("targets.kind == faces.gender", "both lists"),
        ("1 < faces.age < 9 < 12", "at most three"),
        ("faces.age < 9 < 12", "stands in the middle"),
        ("1 == faces.age == 1", "stands in the middle"),
        ('like(faces.age, "1*")', "like compares text"),
        ('like("a", "b")', "takes a name and a pattern"),
        ("like(device.id, device.name)", "must be text"),
        ('like(device.id, "' + "*" * 201 + '")', "at most 200"),
        ("device.id.upper()", "only like"),
        ("__import__('os')", "only like"),
        ("(lambda: 1)()", "only like"),
        ("[faces for faces in faces]", "a rule has no ListComp"),
        ("f'{family}'", "a rule has no JoinedStr"),
        ("faces if plate else match", "a rule has no IfExp"),
        ("family.__class__", "no 'family.__class__'"),
        ("(x := 3)", "a rule has no NamedExpr"),
        ("-faces.age < 3", "one side must be a name"),
        ("~faces", "a rule has no UnaryOp"),
        ("", "cannot be read"),
        ("import os", "cannot be read"),
        ("(" * 300, "cannot be read"),
        ("not " * 30 + "plate", "nested deeper"),
        ("plate or " * 500 + "plate", "longer than"),
        ("\0", "cannot be read"),
    ],
)
def test_what_cannot_be_is_an_error_with_the_cure(text: str, says: str) -> None:
    with pytest.raises(RuleError) as caught:
        Rule(text, path="reactions.hq.when")

    assert says in str(caught.value)
    assert str(caught.value).startswith("reactions.hq.when: ")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200) | st.text('()[].<>=!andornoti"likefces1 ', max_size=80))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    try:
        rule = Rule(text)
    except RuleError:
        return
    assert rule.matches(SEEN) in (True, False)


plain_names = st.sampled_from([name for name in vocabulary() if name not in ("received", "hour", "weekday")])
constants = st.one_of(
    st.text(string.ascii_letters + " *?", max_size=5).map(repr),
    st.integers(-3, 3).map(str),
    st.floats(0, 1).map(repr),
    st.sampled_from(["True", "False", '"active"', '"plate"']),
)
comparisons = st.builds(
    lambda name, sign, value: f"{name} {sign} {value}",
    plain_names,
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    constants,
)
rules = st.recursive(
    comparisons | plain_names | st.builds("like({}, {})".format, plain_names, constants),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | inner.map("not ({})".format)
    ),
    max_leaves=6,
)
anything = st.none() | st.text(max_size=3) | st.integers() | st.floats() | st.just(()) | st.just({"a": [1]})


@given(
    rules,
    st.dictionaries(st.sampled_from(["match", "faces", "plate", "extra", "targets", "occurred"]), anything),
)
def test_a_rule_never_raises_whatever_a_plugin_put_into_the_event(text: str, fields: dict[str, Any]) -> None:
    try:
        rule = Rule(text)
    except RuleError:
        return

    assert rule.matches(event(**fields)) in (True, False)


@given(rules)
def test_not_is_the_opposite(text: str) -> None:
    try:
        rule, opposite = Rule(text), Rule(f"not ({text})")
    except RuleError:
        return

    assert rule.matches(SEEN) is not opposite.matches(SEEN)


@given(st.text("ab?*", max_size=12), st.text("ab", max_size=12))
def test_like_is_what_fnmatch_says(pattern: str, text: str) -> None:
    assert glob(pattern)(text) == fnmatchcase(text, pattern)


def test_like_is_quick_where_backtracking_would_not_be() -> None:
    text = event(plate=Plate(text="a" * 1_000))

    assert not Rule('like(plate.text, "' + "*a?" * 60 + 'b")').matches(text)
    assert not Rule('like(plate.text, "*")').matches(event(plate=Plate(text="a" * 1_001)))


def test_the_longest_and_the_deepest_rule_that_are_allowed() -> None:
    long = " or ".join(["plate"] * 400)
    deep = "not " * DEPTH + "plate"

    assert len(long) < LENGTH
    assert not Rule(long).matches(SEEN)
    assert not Rule(deep).matches(SEEN)


def test_a_rule_costs_less_than_ten_microseconds_an_event() -> None:
    from timeit import repeat

    rule = Rule('family == "face-match" and match.similarity >= 0.9 and like(device.id, "gate*")')

    best = min(repeat(lambda: rule.matches(SEEN), number=1_000, repeat=7)) / 1_000

    assert best < 10e-6

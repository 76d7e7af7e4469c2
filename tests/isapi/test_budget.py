"""What one push may cost: never more than a bound, however long it is, and no device's own comes near."""

from __future__ import annotations

import gc
import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest

from hikrecv.isapi.budget import USUAL, Bounds, Budget, OverBudget
from hikrecv.isapi.contents import Contents
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.isapi.fields import fold
from hikrecv.isapi.whole import holds_document
from hikrecv.push import Peer, Push
from hikrecv.testing.events import WHO, push_of
from hikrecv.testing.samples import FAMILIES, oddities, sample
from tests.bench.bodies import as_printed, w1, w2, w3
from tests.hostile_bodies import BODIES, body

CAPTURES = Path(os.environ.get("HIKRECV_CAPTURES", Path(__file__).parents[3] / "shared" / "captures"))
DATA = Path(__file__).parents[1] / "data"
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LONGEST = 30_000_000
"""Bytes of the longest body that is let in by default, or nearly."""
SECONDS = 2.0
"""Of the thread's CPU for any push; in practice 0.3 at most, before there were bounds up to 30."""

ISSUE = [
    *("empty-elements", "declarations", "percent-form", "deep-brackets", "glued-json"),
    *("glued-json-in-parts", "double-braces", "double-braces-in-parts", "deep-brackets-in-parts"),
    *("backslash-quotes", "bad-escapes", "tiny-parts", "huge-number", "control-characters"),
]
"""Of whose kind each cost seconds, or hundreds of megabytes."""


def pushed(content_type: bytes, text: bytes) -> Push:
    headers = ((b"Content-Type", content_type),)
    return Push(received=10**18, peer=Peer("192.0.2.1", 1, "none"), headers=headers, body=text)


def spent_on(push: Push) -> tuple[float, tuple[Event, ...]]:
    decoder = Decoder("w")
    before = time.thread_time()
    events = decoder.decode(push, 1)
    holds_document(push)
    return time.thread_time() - before, events


@pytest.mark.parametrize("name", BODIES)
def test_no_body_costs_more_than_a_bound(name: str) -> None:
    spent, events = spent_on(pushed(*body(name, 3_000_000)))

    assert spent < SECONDS
    assert events
    assert "decoder-failed" not in events[0].anomalies


@pytest.mark.parametrize("name", ISSUE)
def test_the_longest_body_costs_no_more_than_a_shorter_one(name: str) -> None:
    spent, events = spent_on(pushed(*body(name, LONGEST)))

    assert spent < SECONDS
    assert [(event.family, event.anomalies[-1]) for event in events] == [("unknown", "over-budget")]


@pytest.mark.parametrize("name", BODIES)
def test_whatever_is_read_is_asked_for_before(name: str) -> None:
    budget = Budget(Bounds(documents=30, values=3_000, scanned=200_000))

    with suppress(OverBudget):
        Contents(pushed(*body(name, 150_000)), budget=budget)

    # What was found out to be too much was not done; what is counted in the end was bounded before.
    assert budget.documents >= -1
    assert budget.scanned >= -4 * 150_000
    assert budget.values >= -150_000


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.parametrize(
    "name",
    [
        *("empty-elements", "empty-elements-in-one", "declarations", "percent-form", "glued-alerts"),
        *("cut-alerts", "wrapped-json", "bad-escapes", "many-siblings", "glued-json", "long-keys"),
    ],
)
def test_memory_is_a_small_multiple_of_the_body_and_given_back(name: str, traced: None) -> None:
    push = pushed(*body(name, 1_000_000))
    decoder = Decoder("w")
    decoder.decode(pushed(*body(name, 1_000)), 1)  # what is made once for all stays
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()

    decoder.decode(push, 1)

    kept, peak = tracemalloc.get_traced_memory()
    assert peak - before < 12 * len(push.body)
    assert kept - before < len(push.body) / 4


def test_a_key_as_long_as_a_picture_is_not_remembered(traced: None) -> None:
    decoder = Decoder("w")
    before = tracemalloc.get_traced_memory()[0]

    for letter in b"abcdefgh":
        decoder.decode(pushed(b"application/json", b'{"%s":[0]}' % (bytes((letter,)) * 500_000)), 1)

    gc.collect()
    assert tracemalloc.get_traced_memory()[0] - before < 1_000_000


def test_two_keys_of_one_name_at_every_depth_are_folded_once() -> None:
    folded = tree = {"a": 0}
    for _ in range(20):
        folded, tree = {"a": folded}, {"a": tree, "A": 1}

    before = time.thread_time()
    assert fold(tree) == folded
    assert time.thread_time() - before < 1  # once more at each depth, it was a million times


def test_of_two_keys_of_one_name_the_first_that_says_something_wins_with_all_that_is_in_it() -> None:
    data = {"A": "", "b": [{"C": 1}], "a": {"D": [1]}, "B": [], "x": {"Y": 2}}

    assert fold(data) == {"a": {"d": [1]}, "b": [{"c": 1}], "x": {"y": 2}}


# -- what devices send ---------------------------------------------------------------------


def used(push: Push) -> dict[str, float]:
    """Which share of each bound reading *push* took."""
    budget = Budget()
    Contents(push, budget=budget)
    return {
        name: 1 - getattr(budget, name) / getattr(USUAL, name) for name in ("documents", "values", "scanned")
    }


HONEST = {family: sample(family, WHO, NOON) for family in FAMILIES} | oddities(WHO, NOON)
HONEST |= {"W1": w1(), "W2": w2(), "W3": w3(), "as printed": as_printed()}


@pytest.mark.parametrize("message", HONEST.values(), ids=list(HONEST))
def test_no_device_of_ours_uses_a_tenth_of_it(message: object) -> None:
    shares = used(push_of(message, NOON))  # type: ignore[arg-type]

    assert max(shares.values()) < 0.1, shares


@pytest.mark.parametrize("path", sorted(each for each in DATA.rglob("*") if each.is_file()), ids=str)
def test_no_sample_uses_a_tenth_of_it(path: Path) -> None:
    content_type = b"multipart/form-data; boundary=boundary" if path.suffix == ".bin" else b""

    assert max(used(pushed(content_type, path.read_bytes())).values()) < 0.1


@pytest.mark.captures
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the checkout")
def test_no_capture_uses_a_tenth_of_it() -> None:
    for path in sorted(CAPTURES.rglob("*")):
        if path.is_file():
            shares = used(pushed(b"", path.read_bytes()))
            assert max(shares.values()) < 0.1, (path, shares)


def test_a_list_of_two_thousand_records_is_within_it() -> None:
    record = {f"field{n}": n for n in range(24)} | {"eventType": "AccessControllerEvent", "x": {"y": [1]}}
    whole = {"AcsEvent": {"InfoList": [record] * 2_000}}
    alone, listed = json.dumps(whole).encode(), json.dumps([record] * 2_000).encode()

    for text, events in ((alone, 1), (listed, 2_000)):
        found = Decoder("w").decode(pushed(b"application/json", text), 1)
        assert len(found) == events
        assert "over-budget" not in found[0].anomalies


# -- what becomes of what is over it -----------------------------------------------------------


def test_what_is_over_it_is_one_unknown_event_that_says_why() -> None:
    push = pushed(b"application/json", b"[" * 100)

    (event,) = Decoder("w").decode(push, 1)

    assert (event.family, event.type, event.anomalies) == ("unknown", "unknown", ("over-budget",))
    assert [odd.detail for odd in event.__dict__["_anomalies"]] == ["nested deeper than 64"]
    assert event.data() == push.body.decode()
    assert not holds_document(push)


def test_the_clock_is_the_last_resort() -> None:
    ticks = iter(range(1_000))
    push = pushed(b"application/json", b'{"eventType":"VMD"}' * 100)

    hurried = Decoder("w", clock=lambda: float(next(ticks)))
    (event,) = hurried.decode(push, 1)
    calm = Decoder("w", clock=lambda: 0.0)

    assert event.anomalies == ("over-budget",)
    assert len(calm.decode(push, 1)) == 100


def test_documents_behind_one_another_are_read_anew_one_by_one() -> None:
    text = b"".join(b'{"eventType":"VMD","n":%d}' % n for n in range(300)) + b"<a><n>300</n></a>"
    events = Decoder("w").decode(pushed(b"", text), 1)

    assert [event.data().get("n") for event in events] == [*range(300), "300"]

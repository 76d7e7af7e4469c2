"""
The steps of an event one by one: ``pytest -m bench tests/bench``.

Wall times, for comparing two states of the same machine; the goals that are given in
microseconds are named beside their benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from hikrecv.isapi import document
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.json_document import read
from hikrecv.isapi.multipart import split
from hikrecv.journal.row import row_of
from hikrecv.push import Push
from hikrecv.reactions.rule import Rule
from hikrecv.sightings.sightings import Sightings
from hikrecv.testing.events import push_of
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.deepinview import comparison
from hikrecv.testing.samples import FAMILIES, sample
from tests.bench.bodies import as_printed, w1, w2, w3
from tests.bench.path import Way

pytestmark = pytest.mark.bench
Benchmark = Callable[..., Any]
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
WHO = Identity()
BODIES: dict[str, Callable[[], Message]] = {
    "W1": w1,
    "W2": w2,
    "W3": w3,
    "W1 as printed": as_printed,
}


def push(message: Message) -> Push:
    return push_of(message, NOON, ip="192.0.2.1", trust="none")


def text_of(message: Message) -> bytes:
    part = split(message.body, message.content_type.encode())[0][0]
    return message.body[part.start : part.end]


def test_multipart_of_w1(benchmark: Benchmark) -> None:
    """Must 30 us, aim 15."""
    message = w1()

    parts, _ = benchmark(split, message.body, message.content_type.encode())

    assert len(parts) == 3


@pytest.mark.parametrize("body", BODIES)
def test_the_document_of(body: str, benchmark: Benchmark) -> None:
    message = BODIES[body]()
    text = message.body if body == "W2" else text_of(message)

    documents, _ = benchmark(document.parse, text)

    assert len(documents) == 1


@pytest.mark.parametrize("body", BODIES)
def test_the_event_of(body: str, benchmark: Benchmark) -> None:
    """Must 80 us for JSON and 150 for XML, aim 40 and 80."""
    decoder, given = Decoder(), push(BODIES[body]())

    (event,) = benchmark(decoder.decode, given, 1)

    assert event.family != "unknown"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_event_of_the_family(family: Any, benchmark: Benchmark) -> None:
    decoder, given = Decoder(), push(sample(family, WHO, NOON))

    events = benchmark(decoder.decode, given, 1)

    assert events


def test_json_whose_brackets_are_wrong(benchmark: Benchmark) -> None:
    assert benchmark(read, text_of(as_printed()))


def test_when(benchmark: Benchmark) -> None:
    rule = Rule('family == "face-match" and match.similarity >= 0.9 and match.library == "staff"')
    (event,) = Decoder().decode(push(comparison(WHO, NOON, 1)), 1)

    assert benchmark(rule.matches, event)


def test_sightings(benchmark: Benchmark) -> None:
    sightings, events = Sightings(), Decoder().decode(push(w2()), 1)

    assert benchmark(sightings.see, events)


def test_a_row_of_the_index(benchmark: Benchmark) -> None:
    (event,) = Decoder().decode(push(w1()), 1)

    assert benchmark(row_of, event)


@pytest.mark.parametrize("body", ["W1", "W2"])
def test_sixteen_appends_and_one_commit(body: str, benchmark: Benchmark, tmp_path: Path) -> None:
    journal, given = Way(tmp_path).rooms.journal, push(BODIES[body]())

    def group() -> None:
        for _ in range(16):
            journal.append(given)
        journal.commit()

    benchmark(group)


def test_sixteen_hand_overs(benchmark: Benchmark, tmp_path: Path) -> None:
    way, events = Way(tmp_path), Decoder().decode(push(w2()), 1)
    seqs = iter(range(1, 1_000_000))

    def hand_over() -> None:
        for _ in range(16):
            seq = next(seqs)
            way.rooms.feed.publish(seq, tuple(event.replace(seq=seq) for event in events), 1_000)
        way.clock.advance(0)

    benchmark(hand_over)

    assert way.rooms.dispatch.status()[0].lag_events == 0


@pytest.mark.parametrize("body", ["W2", "W3"])
def test_sixteen_from_bytes_to_reaction(body: Any, benchmark: Benchmark, tmp_path: Path) -> None:
    way = Way(tmp_path)
    requests = way.pieces(body)

    assert benchmark(way.turn, requests) == 16

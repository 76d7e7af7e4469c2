"""What holds for any bytes, in any pieces."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.config import Bytes, Limits
from hikrecv.wire.http1 import Reader
from hikrecv.wire.usual import Heads


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"wire_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reading, inputs = load("reading"), load("strategies")

SMALL = Limits(headers=Bytes(150), body=Bytes(60))
modes = st.sampled_from(("lenient", "strict"))
ends = st.sampled_from(("look", "half-close", "wait"))
unhurried = settings(deadline=None)


@unhurried
@given(st.data(), inputs.any_input, modes, ends, st.sampled_from((Limits(), SMALL)))
def test_any_bytes_are_read_the_same_however_they_are_cut(data, sent, mode, then, limits):
    pieces = data.draw(inputs.cut(sent))

    whole = reading.read([sent], mode, then, limits)

    assert reading.read(pieces, mode, then, limits) == whole
    assert reading.read((sent[at : at + 1] for at in range(len(sent))), mode, then, limits) == whole


@unhurried
@given(st.data(), st.lists(inputs.any_input, max_size=3), inputs.any_input, modes, ends)
def test_what_was_read_before_changes_nothing(data, before, sent, mode, then):
    heads = Heads(most=2)
    for earlier in (sent, *before):
        reading.read([earlier], "lenient", heads=heads)

    report = reading.read(data.draw(inputs.cut(sent)), mode, then, heads=heads)

    assert report == reading.read([sent], mode, then)


@unhurried
@given(st.sampled_from(inputs.HEADS), st.sampled_from(inputs.LENGTHS), st.sampled_from(inputs.LENGTHS), modes)
def test_a_head_that_was_read_with_another_length_is_read_as_if_it_were_new(head, first, second, mode):
    heads = Heads()
    before, sent = (head.replace(b"LENGTH", length) + bytes(60) for length in (first, second))
    reading.read([before], "lenient", limits=SMALL, heads=heads)

    report = reading.read([sent], mode, limits=SMALL, heads=heads)

    assert report == reading.read([sent], mode, limits=SMALL)


@unhurried
@given(st.data(), st.lists(inputs.good_requests(), min_size=1, max_size=3), modes)
def test_good_requests_are_read_for_what_they_say(data, requests, mode):
    pieces = data.draw(inputs.cut(b"".join(request.data for request in requests)))

    report = reading.read(pieces, mode)

    heads = [entry[1] for entry in report if entry[0] == "head"]
    assert [(head.method, head.target) for head in heads] == [(one.method, one.target) for one in requests]
    assert reading.bodies(report) == tuple(request.body for request in requests)
    assert re.sub(" (chunk-extension|,|trailers)+", "", reading.outcome(report)) == "; ".join(
        ["keep"] * len(requests)
    )


@unhurried
@given(inputs.any_input, ends)
def test_strict_either_refuses_or_says_what_lenient_says(sent, then):
    strict = reading.read([sent], "strict", then)
    lenient = reading.read([sent], "lenient", then)

    refused = [number for number, entry in enumerate(strict) if entry[0] == "refusal"]
    agreed = refused[0] if refused else len(strict)
    if agreed and refused and strict[agreed - 1][0] == "head":
        agreed -= 1  # refused inside its body: lenient may have read further
    assert strict[:agreed] == lenient[:agreed]
    if not refused:
        assert strict == lenient


@unhurried
@given(st.data(), inputs.any_input, modes)
def test_no_more_is_held_than_the_limits_allow(data, sent, mode):
    one = reading.Reading(mode, SMALL)

    for piece in data.draw(inputs.cut(sent)):
        one.feed(piece)
        assert one.reader.buffered < max(SMALL.headers, 1026)

    assert all(len(body) <= SMALL.body for body in reading.bodies(one.report))


@unhurried
@given(inputs.any_input, modes, st.integers(0, 200))
def test_after_salvage_the_reader_is_silent(sent, mode, after):
    reader = Reader(mode, Limits())
    reader.feed(sent[:after])
    while reader.next_event() is not None:
        pass

    last = reader.salvage()

    if last is not None:
        reader.feed(sent[after:])
        reader.start_next()
        assert (reader.next_event(), reader.salvage(), reader.phase) == (None, None, "done")


@pytest.mark.parametrize(
    "filler", [b"\r\n", b"\n", b"\r", b" ", b"a", b"a: b\r\n", b"a b\r\n", b"\x00", b";"]
)
def test_a_flood_of_one_thing_is_bounded(filler):
    one = reading.Reading()
    one.feed(b"POST / HTTP/1.1\r\n" if filler in (b"a: b\r\n", b"a b\r\n") else b"")

    for _ in range(40):
        one.feed(filler * 2048)

    assert one.reader.phase == "done"
    assert one.reader.buffered == 0

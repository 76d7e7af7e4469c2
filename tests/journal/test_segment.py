"""Records in a segment: framed, checked, found again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import push
from journal_stores import MemoryStore

from hikrecv.errors import StateTooNew
from hikrecv.journal.record import NOTE, PUSH, Entry, Note, Stamp, decode, frame, note_parts, push_head
from hikrecv.journal.segment import (
    DATA,
    PAGE,
    STEP,
    Hole,
    Record,
    Segment,
    Window,
    good_copies,
    locate,
    segment_size,
    unpack,
    walk,
)
from hikrecv.push import Peer

STAMP = Stamp(7, 0x1234_5678_9ABC_DEF0)
SEGMENT = Segment(generation=7, size=65_536, salt=STAMP.salt, word="quartz42", first=5, previous=4)


def records(*bodies: bytes, stamp: Stamp = STAMP, first: int = 1) -> bytes:
    parts = []
    for seq, body in enumerate(bodies, first):
        start = frame(PUSH, push_head(push()), body, 1, seq, seq - 1, 0, stamp)
        parts += [start, body, bytes(-(len(start) + len(body)) % 8)]
    return b"".join(parts)


def window(data: bytes) -> Window:
    store = MemoryStore()
    fd = store.create(Path("/segment"), 0)
    store.write(fd, [data], 0)
    return Window(store, fd)


def found(data: bytes, stamp: Stamp = STAMP) -> list[tuple[int, bytes] | tuple[int, int]]:
    pieces = walk(window(data), stamp, 0, len(data))
    return [(p.header.seq, p.body) if isinstance(p, Record) else (p.start, p.end) for p in pieces]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([bytes(20_000), b"hkrc" * 5000]), max_size=6))
def test_records_are_read_as_they_were_written(bodies: list[bytes]) -> None:
    assert found(records(*bodies)) == list(enumerate(bodies, 1))


@pytest.mark.parametrize("peer", [Peer("10.0.0.9", 4711, "token"), Peer("10.0.0.9", 1, "login", "gate")])
def test_a_push_comes_back_as_it_was(peer: Peer) -> None:
    given_push = push(b"body", at=1.5, method="PUT", version="1.0", peer=peer)
    data = records(b"body")
    record = next(iter(walk(window(data), STAMP, 0, len(data))))
    assert isinstance(record, Record)

    head = push_head(given_push)
    entry = decode(record.header._replace(at=given_push.received), head, b"body", "quartz42")

    assert entry == Entry(1, given_push, "quartz42")


def test_text_that_is_no_unicode_is_made_harmless_instead_of_lost() -> None:
    odd = push(method="P\ud800ST")
    header = next(iter(walk(window(records(b"")), STAMP, 0, 1000))).header
    assert header is not None

    entry = decode(header, push_head(odd), b"", "w")

    assert isinstance(entry, Entry)
    assert entry.push.method == "P\\ud800ST"


def test_a_note_comes_back_as_it_was() -> None:
    head, body = note_parts("remote-check", {"key": "k", "allowed": True})
    start = frame(NOTE, head, body, 99, 3, 2, 2, STAMP)
    record = next(iter(walk(window(start + body), STAMP, 0, len(start + body))))
    assert isinstance(record, Record)

    note = decode(record.header, record.head, record.body, "w")

    assert note == Note(3, "remote-check", 99, {"key": "k", "allowed": True}, "w")


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_costs_one_record_and_is_seen(place: int, bit: int) -> None:
    data = bytearray(records(b"a" * 900, b"b" * 901, b"c" * 902))
    place %= len(data)
    data[place] ^= 1 << bit

    pieces = found(bytes(data))

    whole = [(1, b"a" * 900), (2, b"b" * 901), (3, b"c" * 902)]
    assert [piece for piece in pieces if piece in whole] == [p for p in whole if p in pieces]
    intact = sum(piece in whole for piece in pieces)
    assert intact == 2 or (
        intact == 3 and not any(records(b"a" * 900, b"b" * 901, b"c" * 902)[place : place + 1])
    )


def test_a_record_of_an_earlier_use_never_parses() -> None:
    data = records(b"now") + records(b"before", stamp=Stamp(6, STAMP.salt), first=2)

    assert found(data) == [(1, b"now"), (len(records(b"now")), len(data))]


def test_a_body_that_looks_like_records_is_only_a_body() -> None:
    """A device that knows the format, the generation and the number does not know the salt."""
    forged = records(b"opened by nobody", stamp=Stamp(7, 0), first=9)
    body = bytes(-len(records(b"")) % 8) + forged * 3
    data = bytearray(records(body, b"next"))
    data[40] ^= 1

    pieces = found(bytes(data))

    assert [piece for piece in pieces if isinstance(piece[1], bytes)] == [(2, b"next")]


def test_zeros_and_noise_hold_no_records() -> None:
    assert found(bytes(5000)) == [(0, 5000)]
    assert found(b"hkrc" * 2000) == [(0, 8000)]


def test_a_walk_behind_the_known_end_looks_through_one_group_only() -> None:
    data = records(b"a") + bytes(9_000_000) + records(b"z")

    pieces = list(walk(window(data), STAMP, 0, len(data), known=100))

    assert isinstance(pieces[-1], Hole)
    assert pieces[-1].end < 4_500_000


def test_a_header_survives_the_loss_of_either_copy() -> None:
    page = SEGMENT.pack()

    assert len(page) == PAGE == DATA
    assert good_copies(page) == 2
    assert unpack(page) == SEGMENT
    assert unpack(bytes(512) + page[512:]) == SEGMENT
    assert unpack(page[:2048] + bytes(2048)) == SEGMENT
    assert unpack(bytes(PAGE)) is None


def test_of_two_copies_the_later_one_holds() -> None:
    prepared = Segment(generation=7, size=65_536)
    sealed = Segment(generation=7, size=65_536, first=5, last=9, end=9000)

    for older, newer in pairwise((prepared, SEGMENT, sealed)):
        assert unpack(older.pack()[:2048] + newer.pack()[2048:]) == newer
        assert unpack(newer.pack()[:2048] + older.pack()[2048:]) == newer


def test_a_newer_format_is_refused() -> None:
    from xxhash import xxh3_64_intdigest

    page = bytearray(SEGMENT.pack())
    page[8] = 2
    page[104:112] = xxh3_64_intdigest(bytes(page[:104])).to_bytes(8, "little")

    with pytest.raises(StateTooNew, match=r"0000000000000007\.seg has format 2; this is 1"):
        unpack(bytes(page))


def test_the_index_says_where_to_begin() -> None:
    index = ((5, DATA), (9, DATA + STEP))

    assert [locate(index, seq) for seq in (1, 5, 8, 9, 100)] == [DATA, DATA, DATA, DATA + STEP, DATA + STEP]
    assert locate((), 3) == DATA


@given(st.integers(1, 200_000_000))
def test_a_large_record_gets_a_segment_in_which_it_fits(size: int) -> None:
    segment = Segment(generation=1, size=segment_size(size))

    assert segment.size % PAGE == 0
    assert DATA + size <= segment.capacity
    assert segment.size < DATA + size + size // 1000 + 3 * PAGE

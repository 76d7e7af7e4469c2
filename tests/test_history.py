from datetime import datetime, timezone
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hikrecv.errors import Gone
from hikrecv.history import Interpreter, read_back
from hikrecv.isapi.event import Device, Event
from hikrecv.journal.fact import fact_of
from hikrecv.push import Peer, Push
from hikrecv.sightings.sightings import Sightings

NOON = int(datetime(2026, 5, 4, 12, tzinfo=timezone.utc).timestamp())


class Record(NamedTuple):
    seq: int
    push: Push
    word: str = "word"


class Decoder:
    """One event for each line of the body: its key."""

    def __init__(self) -> None:
        self.decoded = 0

    def decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        self.decoded += 1
        return tuple(
            Event(
                id=f"now-{seq}-{n}",
                key=line,
                seq=seq,
                n=n,
                received=push.received_at,
                type="VMD",
                wire_type="VMD",
                family="motion",
                state="active",
                freshness="live",
                peer=push.peer,
                device=Device(id="gate"),
            )
            for n, line in enumerate(push.body.decode().split("\n"))
        )


class Entries:
    """A journal that keeps a second between pushes, and the pushes from `first` on."""

    def __init__(self, *bodies: str, first: int = 1, word: str = "word") -> None:
        self.first = first
        self.word = word
        self.bodies = bodies

    def __call__(self, start, stop=None):
        for seq in range(start, len(self.bodies) + 1 if stop is None else stop):
            if seq < self.first:
                raise Gone(f"{seq} is not kept any more")
            push = Push(
                received=(NOON + seq) * 10**9,
                peer=Peer("10.0.0.4", 4000, "none"),
                body=self.bodies[seq - 1].encode(),
            )
            yield Record(seq, push, self.word)


def test_pushes_come_in_order_decoded_and_sighted():
    story = list(read_back(Entries("a\nb", "a"), Decoder(), 1, first=1))

    assert [(seq, [(event.key, event.duplicate_of) for event in events]) for seq, events in story] == [
        (1, [("a", None), ("b", None)]),
        (2, [("a", "word-1-0")]),
    ]


def test_an_event_keeps_the_id_that_it_was_given_when_it_was_kept():
    ((_, events),) = read_back(Entries("a", word="then"), Decoder(), 1, first=1)

    assert [event.id for event in events] == ["then-1-0"]


def test_reading_on_from_the_middle_knows_what_was_before():
    entries = Entries(*"abcabc")
    whole = list(read_back(entries, Decoder(), 1, first=1))

    assert list(read_back(entries, Decoder(), 4, first=1)) == whole[3:]


def test_it_warms_up_with_no_more_than_the_window():
    decoder = Decoder()

    list(read_back(Entries(*map(str, range(100))), decoder, 91, 92, first=1, window=10))

    assert decoder.decoded == 11


def test_it_does_not_warm_up_with_what_is_gone():
    entries = Entries(*"abca", first=3)

    assert [seq for seq, _ in read_back(entries, Decoder(), 4, first=3)] == [4]


def test_retention_that_is_quicker_than_the_warming_up_does_no_harm():
    entries = Entries(*"abca", first=3)

    assert [seq for seq, _ in read_back(entries, Decoder(), 4, first=1)] == [4]


def test_what_is_asked_for_and_gone_is_an_error():
    with pytest.raises(Gone):
        list(read_back(Entries(*"abc", first=3), Decoder(), 2, first=3))


def test_facts_spare_the_decoding_and_reach_farther_than_the_window():
    """An alarm that has lasted longer than the window keeps its first event."""
    entries, decoder = Entries(*map(str, range(50))), Decoder()
    whole = list(read_back(entries, Decoder(), 1, first=1))
    facts = [fact_of(event) for _, events in whole[:40] for event in events][-5:]

    story = list(read_back(entries, decoder, 41, first=1, facts=facts, window=5))

    assert story == whole[40:]
    assert decoder.decoded == 10


def test_what_the_facts_do_not_reach_is_decoded():
    entries, decoder = Entries(*map(str, range(50))), Decoder()
    whole = list(read_back(entries, Decoder(), 1, first=1))
    facts = [fact_of(event) for _, events in whole[:38] for event in events]

    assert list(read_back(entries, decoder, 41, first=1, facts=facts)) == whole[40:]
    assert decoder.decoded == 12


def test_the_live_way_and_the_way_back_tell_the_same_story():
    entries = Entries("a", "b\nb", "a", "c", word="now")
    live = Interpreter(Decoder())
    decoded = [(record.seq, live.decode(record.push, record.seq)) for record in entries(1)]

    seen = [(seq, live.see(events)) for seq, events in decoded]

    assert seen == list(read_back(entries, Decoder(), 1, first=1))


@settings(max_examples=60, deadline=None)
@given(bodies=st.lists(st.sampled_from(["a", "b", "c\nd", "a\na"]), min_size=1, max_size=40), data=st.data())
def test_any_start_within_the_window_gives_the_same_rest(bodies, data):
    entries = Entries(*bodies)
    start = data.draw(st.integers(1, len(bodies)))
    whole = list(read_back(entries, Decoder(), 1, first=1))

    assert list(read_back(entries, Decoder(), start, first=1)) == whole[start - 1 :]


def test_a_memory_can_be_given():
    interpreter = Interpreter(Decoder(), Sightings(window=1))

    told = [interpreter.read(record) for record in Entries(*"aba")(1)]

    assert [event.duplicate_of for (event,) in told] == [None, None, None]

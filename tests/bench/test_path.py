"""The way that is counted is the receiver's, and what makes it quick does what it says."""

from __future__ import annotations

from pathlib import Path

from hikrecv.reactions.couriers import MOST_UNTOLD
from tests.bench.path import Way


def test_every_event_is_answered_indexed_and_handed_over(tmp_path: Path) -> None:
    way = Way(tmp_path)

    answered = [way.turn(way.pieces(name)) for name in ("W1", "W2", "W3")]

    assert answered == [16, 16, 16]
    assert way.index.last_seq == 48
    assert [row.done for row in way.rooms.dispatch.status()] == [48]
    assert {row.duplicate_of for row in way.index.search(limit=100)} == {None}


def test_reactions_keep_up_within_one_long_turn_of_the_reactor(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.turn(way.pieces("W2"))
    (event,) = way.rooms.feed.at_hand(15)[0][1]

    for seq in range(17, 17 + MOST_UNTOLD):
        way.rooms.feed.publish(seq, (event.replace(seq=seq),), 1_000)

    assert way.rooms.dispatch.status()[0].lag_events == 0

"""How far a reaction is, while its events end in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hikrecv.reactions.order import Order


def test_what_nobody_wants_moves_the_cursor_at_once() -> None:
    order = Order(5)

    order.read(9)

    assert (order.cursor, order.ahead) == (9, 0)


def test_the_cursor_waits_below_the_lowest_event_that_is_not_done() -> None:
    order = Order(0)
    order.read(3, [0, 1], received=30.0)
    order.read(4)
    order.read(7, [0], received=70.0)

    order.finish(7, 0)
    order.finish(3, 1)
    assert (order.cursor, order.ahead, order.beyond) == (2, 3, {(3, 1), (7, 0)})
    assert order.oldest == 30.0

    order.finish(3, 0)
    assert (order.cursor, order.ahead, order.beyond) == (7, 0, set())
    assert order.oldest is None


def test_going_on_again_from_the_cursor_knows_what_was_done_above_it() -> None:
    order = Order(0, [(9, 0)])
    order.read(1, [0])
    order.read(2, [0])
    order.finish(2, 0)

    order.again()

    assert (order.cursor, order.read_to) == (0, 0)
    assert [order.was_done(seq, 0) for seq in (1, 2, 9)] == [False, True, True]


def test_an_event_that_is_not_in_hand_changes_nothing() -> None:
    order = Order(4)

    order.finish(4, -1)

    assert (order.cursor, order.beyond) == (4, set())


@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_the_cursor_is_never_above_an_open_event_nor_further_below_than_it_must(sizes, chance) -> None:
    order = Order(0)
    for seq, size in enumerate(sizes, 1):
        order.read(seq, range(size))
    still = [(seq, n) for seq, size in enumerate(sizes, 1) for n in range(size)]
    chance.shuffle(still)

    while still:
        order.finish(*still.pop())

        lowest = min((seq for seq, _ in still), default=len(sizes) + 1)
        assert order.cursor == lowest - 1
        assert all(seq > order.cursor for seq, _ in order.beyond)
        assert order.beyond.isdisjoint(still)

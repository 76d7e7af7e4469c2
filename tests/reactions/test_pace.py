"""The small parts that say when: back-off, breaker, batches, turns, lanes, a bell."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from hikrecv.config import Batch, Seconds
from hikrecv.reactions.backoff import LONGEST, SHORTEST, asked, backoff
from hikrecv.reactions.batches import Collecting
from hikrecv.reactions.bell import Bell
from hikrecv.reactions.breaker import FAILURES, Breaker
from hikrecv.reactions.lanes import Lanes
from hikrecv.reactions.turns import Turns

# -- back-off --------------------------------------------------------------------


@given(st.integers(-5, 10_000), st.floats(0, 1))
def test_a_wait_is_between_a_second_and_five_minutes(failures: int, chance: float) -> None:
    assert SHORTEST <= backoff(failures, lambda: chance) <= LONGEST


def test_waits_double_and_differ_by_chance() -> None:
    waits = [backoff(failures, lambda: 0.0) for failures in range(1, 12)]

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert backoff(5, lambda: 0.5) == 16 * 0.9


def test_what_a_stranger_asks_for_is_kept_in_bounds() -> None:
    assert asked(None) is None
    assert asked(30) == 30
    assert asked(0) == 0.1
    assert asked(1e300) == 86_400
    assert asked(math.inf) == 86_400
    assert asked(math.nan) is None
    assert asked(-1) is None
    assert asked("soon") is None  # type: ignore[arg-type]


# -- breaker -----------------------------------------------------------------------


def test_a_breaker_opens_after_twenty_failures_in_a_row_and_closes_with_a_success() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(100.0)
    assert not breaker.is_open
    assert breaker.due_in(100.0) == 0

    breaker.failed(100.0)
    assert breaker.is_open
    assert 240 <= breaker.due_in(100.0) <= 300
    assert breaker.due_in(500.0) == 0

    breaker.succeeded()
    assert not breaker.is_open


# -- batches -------------------------------------------------------------------------


def test_a_batch_is_full_by_number_or_by_bytes() -> None:
    batch = Collecting[int](Batch(most=3, wait=Seconds(60)), most_bytes=1_000)
    batch.add(1, 10, now=0.0)
    batch.add(2, 10, now=0.0)
    assert not batch.full

    batch.add(3, 10, now=0.0)
    assert batch.full
    assert batch.take() == [1, 2, 3]

    batch.add(4, 1_000, now=0.0)
    assert batch.full


def test_a_batch_is_due_when_its_oldest_has_waited() -> None:
    batch = Collecting[int](Batch(most=3, wait=Seconds(60)))
    assert batch.due_in(0.0) is None
    batch.add(1, 10, now=5.0)
    batch.add(2, 10, now=50.0)

    assert batch.due_in(50.0) == 15.0
    assert batch.due_in(99.0) == 0.0
    assert len(batch) == 2


# -- turns ----------------------------------------------------------------------------


def run(coroutine) -> Deferred:
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addErrback(lambda failure: failure.trap(CancelledError) and None)
    return deferred


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    turns = Turns(1)
    waiting = [run(turns.take()) for _ in range(3)]
    assert [each.called for each in waiting] == [True, False, False]

    turns.give_back()
    assert [each.called for each in waiting] == [True, True, False]


def test_who_stops_waiting_loses_nobody_a_turn() -> None:
    turns = Turns(1)
    _first, second, third = (run(turns.take()) for _ in range(3))

    second.cancel()
    turns.give_back()

    assert third.called


# -- lanes -------------------------------------------------------------------------------


class Work:
    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.lanes = Lanes(self.failures.append)
        self.begun: list[str] = []
        self.ends: dict[str, Deferred] = {}

    def put(self, key: str, name: str, problem: Exception | None = None) -> None:
        async def work() -> None:
            self.begun.append(name)
            if problem is not None:
                raise problem
            self.ends[name] = Deferred()
            await self.ends[name]

        self.lanes.put(key, work)


def test_lanes_run_side_by_side_and_each_in_order() -> None:
    work = Work()
    for key, name in ("a", "a1"), ("a", "a2"), ("b", "b1"):
        work.put(key, name)
    assert work.begun == ["a1", "b1"]

    work.ends["a1"].callback(None)

    assert work.begun == ["a1", "b1", "a2"]


def test_work_that_fails_does_not_stop_its_lane() -> None:
    work = Work()

    work.put("a", "a1")
    work.put("a", "a2", problem=ValueError("no"))
    work.put("a", "a3")
    work.ends["a1"].callback(None)

    assert work.begun == ["a1", "a2", "a3"]
    assert [str(failure) for failure in work.failures] == ["no"]


def test_cancelled_lanes_forget_what_waits_and_are_idle() -> None:
    work = Work()
    work.put("a", "a1")
    work.put("a", "a2")
    work.put("b", "b1")
    idle = run(work.lanes.idle())
    assert not idle.called

    work.lanes.cancel()

    assert work.begun == ["a1", "b1"]
    assert idle.called


# -- a bell --------------------------------------------------------------------------------


def test_a_bell_wakes_everybody_who_waits_now_and_nobody_later() -> None:
    clock = Clock()
    bell = Bell(clock)
    waiting = [run(bell.wait()), run(bell.wait(10.0))]
    bell.ring()
    assert [each.called for each in waiting] == [True, True]

    later = run(bell.wait(10.0))
    assert not later.called
    clock.advance(10.0)

    assert later.called
    assert clock.getDelayedCalls() == []

"""The result of something that waits, without waiting: a test's clock goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

LONGEST = 3_600.0
"""Seconds of the test's clock, not of yours, that something may take."""


def result_of(work: Any, clock: Clock | None = None, most: float = LONGEST) -> Any:
    """
    What a coroutine or a Deferred gives; anything else is its own result.

    :param clock: goes on as far as *work* needs it, at most *most* seconds.  Without
        one the result must be there at once.
    :raises AssertionError: when it does not end.
    """
    if isinstance(work, Coroutine):
        work = Deferred.fromCoroutine(work)
    if not isinstance(work, Deferred):
        return work
    results: list[Any] = []
    work.addBoth(results.append)
    advance(clock, lambda: bool(results), most)
    if not results:
        raise AssertionError("it waits for something that does not happen")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def advance(clock: Clock | None, enough: Callable[[], bool], most: float = LONGEST) -> bool:
    """Let *clock* go on, from one due call to the next, until *enough* is true; is it?"""
    end = 0.0 if clock is None else clock.seconds() + most
    while not enough():
        due = [] if clock is None else clock.getDelayedCalls()
        if clock is None or not due:
            return False
        soonest = min(call.getTime() for call in due)
        if soonest > end:
            return False
        clock.advance(max(0.0, soonest - clock.seconds()))
    return True

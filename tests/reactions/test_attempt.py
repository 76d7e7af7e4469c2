"""One call of a hook: its place, its time, its end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import wraps
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater

from hikrecv.errors import Retry
from hikrecv.reactions.attempt import Attempts
from hikrecv.reactions.hooks import Hook, kind_of
from hikrecv.reactions.hookspecs import deferred
from hikrecv.reactions.outcome import Again, Bug, Done, Outcome
from hikrecv.reactions.threads import Threads
from hikrecv.reactions.watchdog import Slot


class Reactor:
    """A clock, and what threads want to be done on the reactor."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()
        self.threads = Threads("tiny", lambda *asked: self._asked.put((asked[0], asked[1:])))
        self.attempts = Attempts("tiny", self.clock, self.threads, Slot())

    def call(self, function: Callable[..., Any], limit: float = 30.0) -> Deferred[Outcome]:
        hook = Hook("hikrecv_event", function, kind_of(function), ())
        return Deferred.fromCoroutine(self.attempts.call(hook, limit))

    def turn(self) -> None:
        """Wait for one thing that a thread wants, and do it."""
        function, arguments = self._asked.get(timeout=10)
        function(*arguments)


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


def outcome_of(call: Deferred[Outcome]) -> Outcome:
    seen: list[Any] = []
    call.addBoth(seen.append)
    assert seen, "there is no outcome yet"
    assert isinstance(seen[0], Outcome), seen[0]
    return seen[0]


def test_a_coroutine_that_returns_is_done_with_its_value(reactor: Reactor) -> None:
    async def hook() -> bool:
        await deferLater(reactor.clock, 2)
        return True

    call = reactor.call(hook)
    reactor.clock.advance(2)

    assert outcome_of(call) == Done(True)
    assert not reactor.clock.getDelayedCalls()


def test_a_deferred_is_waited_for(reactor: Reactor) -> None:
    later: Deferred[int] = Deferred()

    @deferred
    def hook() -> Deferred[int]:
        return later

    call = reactor.call(hook)
    assert not call.called
    later.callback(7)

    assert outcome_of(call) == Done(7)


def test_a_deferred_that_failed_is_judged_like_an_exception(reactor: Reactor) -> None:
    @deferred
    def hook() -> Deferred[None]:
        return fail(Retry("later", after=3))

    assert outcome_of(reactor.call(hook)) == Again("later", 3, certain=True)


@pytest.mark.parametrize("problem", [SystemExit(1), KeyboardInterrupt(), ValueError()])
def test_whatever_a_hook_raises_on_the_reactor_is_its_own_bug(
    reactor: Reactor, problem: BaseException
) -> None:
    async def at_once() -> None:
        raise problem

    async def later() -> None:
        await deferLater(reactor.clock, 1)
        raise problem

    @deferred
    def plain() -> Deferred[None]:
        raise problem

    calls = [reactor.call(each) for each in (at_once, later, plain)]
    reactor.clock.advance(1)

    assert [type(outcome_of(call)) for call in calls] == [Bug, Bug, Bug]


def test_a_call_that_takes_too_long_is_cancelled_and_again(reactor: Reactor) -> None:
    cleaned: list[str] = []

    async def hook() -> None:
        try:
            await Deferred()
        finally:
            cleaned.append("up")

    call = reactor.call(hook, limit=5)
    reactor.clock.advance(5)

    assert outcome_of(call) == Again("it took longer than 5 s")
    assert cleaned == ["up"]
    assert reactor.attempts.zombies == 0


def test_a_coroutine_that_swallows_its_cancellation_keeps_nobody_waiting(reactor: Reactor) -> None:
    real_end: Deferred[None] = Deferred()

    async def hook() -> None:
        try:
            await Deferred()
        except CancelledError:
            await real_end

    call = reactor.call(hook, limit=5)
    reactor.clock.advance(5)

    assert isinstance(outcome_of(call), Again)
    assert reactor.attempts.zombies == 1
    real_end.callback(None)
    assert reactor.attempts.zombies == 0


def test_a_canceller_that_fails_is_not_our_failure(reactor: Reactor) -> None:
    def refuse(work: Deferred[None]) -> None:
        raise SystemExit(9)

    @deferred
    def hook() -> Deferred[None]:
        return Deferred(refuse)

    call = reactor.call(hook, limit=5)
    reactor.clock.advance(5)

    assert isinstance(outcome_of(call), Again)
    assert reactor.attempts.zombies == 1


def test_an_attempt_that_is_cancelled_cancels_the_hook(reactor: Reactor) -> None:
    cancelled: list[bool] = []

    async def hook() -> None:
        try:
            await Deferred()
        except CancelledError:
            cancelled.append(True)
            raise

    call = reactor.call(hook)
    call.addErrback(lambda failure: failure.trap(CancelledError) and None)
    call.cancel()

    assert cancelled == [True]
    assert reactor.attempts.zombies == 0
    assert not reactor.clock.getDelayedCalls()


def test_a_plain_hook_runs_in_the_reactions_own_thread_always_the_same(reactor: Reactor) -> None:
    seen: list[int] = []

    def hook() -> None:
        seen.append(threading.get_ident())

    for _ in range(3):
        call = reactor.call(hook)
        reactor.turn()
        assert outcome_of(call) == Done(None)

    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen
    reactor.attempts.close()


def test_sys_exit_in_a_thread_is_a_bug_and_the_thread_goes_on(reactor: Reactor) -> None:
    threads: list[int] = []

    def hook() -> None:
        threads.append(threading.get_ident())
        sys.exit(1)

    outcomes = []
    for _ in range(2):
        call = reactor.call(hook)
        reactor.turn()
        outcomes.append(type(outcome_of(call)))

    assert outcomes == [Bug, Bug]
    assert len(set(threads)) == 1
    reactor.attempts.close()


def test_a_thread_that_hangs_is_replaced_and_counted_until_it_returns(reactor: Reactor) -> None:
    gate = threading.Event()

    def hang() -> None:
        gate.wait(10)

    hung = reactor.call(hang, limit=5)
    reactor.clock.advance(5)
    assert outcome_of(hung) == Again("it took longer than 5 s")
    assert reactor.attempts.zombies == 1

    other = reactor.call(lambda: 3)
    reactor.turn()
    assert outcome_of(other) == Done(3)

    gate.set()
    reactor.turn()
    assert reactor.attempts.zombies == 0
    reactor.attempts.close()


def test_a_plain_hook_that_gives_a_promise_is_a_bug_with_the_cure(reactor: Reactor) -> None:
    async def inner() -> None:
        raise AssertionError("never runs")

    def coroutine() -> Coroutine[Any, Any, None]:
        return inner()

    def promise() -> Deferred[None]:
        return succeed(None)

    for hook in (coroutine, promise):
        call = reactor.call(hook)
        reactor.turn()
        outcome = outcome_of(call)
        assert isinstance(outcome, Bug)
        assert "async def" in outcome.reason
    reactor.attempts.close()


def test_a_coroutine_that_waits_for_nothing_needs_no_timer(reactor: Reactor) -> None:
    async def hook() -> int:
        return 7

    assert outcome_of(reactor.call(hook)) == Done(7)
    assert not reactor.clock.getDelayedCalls()


@pytest.mark.parametrize("waits", [False, True])
def test_what_a_coroutine_raises_is_judged_alike_before_and_after_its_first_wait(
    reactor: Reactor, waits: bool
) -> None:
    async def hook() -> None:
        if waits:
            await deferLater(reactor.clock, 1)
        raise SystemExit(3)

    call = reactor.call(hook)
    reactor.clock.advance(1)

    outcome = outcome_of(call)
    assert isinstance(outcome, Bug)
    assert outcome.reason == "SystemExit: 3"
    assert "test_attempt.py" in outcome.trace
    assert "hikrecv/reactions" not in outcome.trace


def test_a_coroutine_keeps_its_context_variables_to_itself(reactor: Reactor) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="ours")

    async def hook() -> str:
        variable.set("its own")
        await deferLater(reactor.clock, 1)
        return variable.get()

    call = reactor.call(hook)
    assert variable.get() == "ours"
    reactor.clock.advance(1)

    assert outcome_of(call) == Done("its own")
    assert variable.get() == "ours"


def test_a_failed_wait_is_raised_where_the_coroutine_waits(reactor: Reactor) -> None:
    async def hook() -> str:
        try:
            await fail(ValueError("first"))
        except ValueError as error:
            await succeed(None)
            return str(error)
        return "nothing was raised"

    assert outcome_of(reactor.call(hook)) == Done("first")


@pytest.mark.parametrize("given", [succeed(5), 5])
def test_what_only_looks_like_a_coroutine_function_may_give_anything(reactor: Reactor, given: object) -> None:
    async def inner() -> None: ...

    @wraps(inner)
    def hook() -> object:
        return given

    assert outcome_of(reactor.call(hook)) == Done(5)

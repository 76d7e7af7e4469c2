"""Seeing that a reaction keeps the reactor, and that it is that reaction's fault."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hikrecv.reactions.usage import Usage, usage_of
from hikrecv.reactions.watchdog import (
    FORGIVEN,
    LIMIT,
    LONGEST,
    SHORTEST,
    STRIKES,
    WITHIN,
    Kept,
    Lookout,
    Slot,
    Strikes,
    Watchdog,
    Watched,
)

SWITCH = sys.getswitchinterval()


class Machine:
    """A clock, and what the reactor's thread is told to have done with its time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.used = Usage(0.0, 0.0, 0, 0)
        self.slot = Slot(lambda: self.time, lambda: self.used.cpu)

    def usage(self, ident: int, native: int) -> Usage:
        return self.used

    def goes_by(self, wall: float, cpu: float = 0.0, queued: float = 0.0, waits: int = 0, faults: int = 0):
        self.time += wall
        self.used = Usage(*(a + b for a, b in zip(self.used[:4], (cpu, queued, waits, faults), strict=True)))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def blamed(machine: Machine, **used: Any) -> list[str]:
    """How the watchdog calls a step that took 0.4 s in this way, at its end as in its midst."""
    reports: list[Kept] = []
    watchdog = Watchdog(machine.slot, reports.append, lambda: machine.time, machine.usage)
    ends: list[float] = []
    machine.slot.long = lambda step, computed: ends.append(
        computed if computed >= LIMIT else watchdog.asleep(step)
    )

    def step() -> None:
        watchdog.look()
        machine.goes_by(0.4, **used)
        watchdog.look()

    machine.slot.run("hook", step)
    assert len(ends) == 1
    assert bool(ends[0]) == bool(reports)
    return [each.how for each in reports]


def test_who_computes_is_named(machine: Machine) -> None:
    assert blamed(machine, cpu=0.15, queued=0.25) == ["computing"]


def test_who_sleeps_in_a_call_is_named_also_beside_others_that_compute(machine: Machine) -> None:
    assert blamed(machine, waits=1) == ["asleep in a call"]
    assert blamed(machine, waits=8, queued=0.05, cpu=0.01) == ["asleep in a call"]


def test_who_waits_for_the_interpreter_is_innocent(machine: Machine) -> None:
    assert blamed(machine, cpu=0.02, waits=round(0.38 / SWITCH)) == []


def test_who_waits_for_a_processor_is_innocent(machine: Machine) -> None:
    assert blamed(machine, cpu=0.05, queued=0.34, waits=1) == []


def test_who_waits_for_swapped_out_memory_is_innocent(machine: Machine) -> None:
    assert blamed(machine, cpu=0.01, waits=20, faults=12) == []


def test_where_the_system_does_not_say_it_only_computing_counts(machine: Machine) -> None:
    machine.usage = lambda ident, native: None  # type: ignore[method-assign]
    assert blamed(machine, waits=1) == []


@contextmanager
def burning(threads: int) -> Any:
    """Others that compute all the time."""
    over = threading.Event()

    def burn() -> None:
        while not over.is_set():
            sum(range(1_000))

    others = [threading.Thread(target=burn, daemon=True) for _ in range(threads)]
    for each in others:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in others:
            each.join(10)


def _computes_a_little() -> None:
    """The CPU time is bounded, the wall time is the machine's affair."""
    end = time.thread_time() + LIMIT / 4
    while time.thread_time() < end:
        sum(range(1_000))


@pytest.mark.skipif(usage_of(threading.get_ident(), threading.get_native_id()) is None, reason="no /proc")
@pytest.mark.parametrize(
    ("step", "guilty"), [(_computes_a_little, False), (lambda: time.sleep(6 * LIMIT), True)]
)
def test_beside_four_that_compute_only_who_sleeps_is_named(step: Any, guilty: bool) -> None:
    paused: list[str] = []
    slot = Slot()
    lookout = Lookout(slot, time.monotonic, lambda name, seconds, reason: paused.append(name))
    lookout.start()
    try:
        with burning(4):
            for _ in range(2 * STRIKES):
                slot.run("hook", step)
    finally:
        lookout.stop()

    assert bool(lookout.seen("hook")[0]) is guilty
    assert bool(paused) is guilty


def seconds_of(now: SimpleNamespace):
    return lambda: now.time


def test_each_step_of_a_coroutine_is_told_apart_from_its_waiting() -> None:
    now = SimpleNamespace(time=0.0)
    kept: list[tuple[str, float]] = []
    slot = Slot(seconds_of(now))
    slot.long = lambda step, computed: kept.append((step[0], now.time - step[1]))
    waiting: Deferred[None] = Deferred()

    async def hook() -> None:
        now.time += 0.05
        await waiting
        now.time += 0.3

    running = Deferred.fromCoroutine(Watched("slow", hook(), slot))
    assert slot.now is None
    now.time += 60.0
    waiting.callback(None)

    assert running.called
    assert [(name, round(seconds, 3)) for name, seconds in kept] == [("slow", 0.3)]


def test_a_step_within_a_step_answers_for_its_own_time_only() -> None:
    now = SimpleNamespace(time=0.0)
    kept: list[tuple[str, float]] = []
    slot = Slot(seconds_of(now), lambda: 2 * now.time)
    slot.long = lambda step, computed: kept.append((step[0], round(computed, 3)))

    def inner() -> None:
        now.time += 1.0
        assert slot.now == ("inner", 0.05, 0.1)

    def outer() -> None:
        now.time += 0.05
        slot.run("inner", inner)
        assert slot.now == ("outer", 1.0, 2.0)

    slot.run("outer", outer)

    assert kept == [("inner", 2.0)]
    assert slot.now is None


def test_the_watchdog_names_who_keeps_the_reactor_and_where_while_it_does(machine: Machine) -> None:
    reports: list[Kept] = []
    watchdog = Watchdog(machine.slot, reports.append, lambda: machine.time, machine.usage)

    def burn() -> None:
        watchdog.look()
        machine.goes_by(2 * LIMIT, cpu=2 * LIMIT)
        watchdog.look()
        watchdog.look()

    machine.slot.run("slow", burn)

    assert [(each.name, round(each.seconds, 3)) for each in reports] == [("slow", 0.2)]
    assert reports[0].where.startswith("test_watchdog.py:")
    assert reports[0].where.endswith("in burn")


def test_the_watchdog_looks_from_a_thread_of_its_own() -> None:
    slot = Slot()
    seen = threading.Event()
    watchdog = Watchdog(slot, lambda kept: seen.set())
    watchdog.start()

    # It ends as soon as the watchdog has looked.
    slot.run("slow", seen.wait, 30.0)
    watchdog.stop()

    assert seen.is_set()


def test_three_strikes_within_a_minute_are_enough_and_two_are_not() -> None:
    strikes = Strikes()

    assert not strikes.add("slow", LIMIT, 0.0)
    assert not strikes.add("slow", LIMIT, 1.0)
    assert not strikes.add("other", LIMIT, 1.0)
    assert strikes.add("slow", LIMIT, 2.0) == SHORTEST
    assert not strikes.add("slow", LIMIT, 3.0)


def test_strikes_that_are_far_apart_are_forgiven() -> None:
    strikes = Strikes()

    assert not any(strikes.add("slow", LIMIT, turn * (WITHIN + 1)) for turn in range(2 * STRIKES))


def test_pauses_grow_while_it_goes_on_and_never_for_good() -> None:
    strikes, now = Strikes(), 0.0
    pauses = []
    for _ in range(9):
        pauses.append(strikes.add("slow", 2.5, now))
        now += pauses[-1]

    assert pauses[:3] == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST]
    assert pauses[-1] == LONGEST
    assert strikes.add("slow", 2.5, now + FORGIVEN + 1) == SHORTEST

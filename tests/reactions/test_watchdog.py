"""Seeing that a reaction keeps the reactor."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from twisted.internet.defer import Deferred

from hikrecv.reactions.watchdog import LIMIT, STRIKES, WITHIN, Kept, Slot, Strikes, Watchdog, Watched


def seconds_of(now: SimpleNamespace):
    return lambda: now.time


def test_each_step_of_a_coroutine_is_told_apart_from_its_waiting() -> None:
    now = SimpleNamespace(time=0.0)
    kept: list[tuple[str, float]] = []
    slot = Slot(seconds_of(now))
    slot.kept = lambda name, seconds: kept.append((name, seconds))
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
    kept: list[str] = []
    slot = Slot(seconds_of(now))
    slot.kept = lambda name, seconds: kept.append(name)

    def inner() -> None:
        now.time += 1.0
        assert slot.now == ("inner", 0.05)

    def outer() -> None:
        now.time += 0.05
        slot.run("inner", inner)
        assert slot.now is not None
        assert slot.now[0] == "outer"

    slot.run("outer", outer)

    assert kept == ["inner"]
    assert slot.now is None


def test_the_watchdog_names_who_keeps_the_reactor_and_where_while_it_does() -> None:
    now = SimpleNamespace(time=0.0)
    slot = Slot(seconds_of(now))
    reports: list[Kept] = []
    watchdog = Watchdog(slot, reports.append, seconds_of(now))

    def burn() -> None:
        watchdog.look()
        now.time += 2 * LIMIT
        watchdog.look()
        watchdog.look()

    slot.run("slow", burn)

    assert [(each.name, round(each.seconds, 3)) for each in reports] == [("slow", 0.2)]
    assert reports[0].where.startswith("test_watchdog.py:")
    assert reports[0].where.endswith("in burn")


def test_the_watchdog_looks_from_a_thread_of_its_own_within_a_second() -> None:
    slot = Slot()
    seen = threading.Event()
    watchdog = Watchdog(slot, lambda kept: seen.set())
    watchdog.start()
    began = time.monotonic()

    slot.run("slow", seen.wait, 10.0)
    watchdog.stop()

    assert seen.is_set()
    assert time.monotonic() - began < 1.0


def test_three_strikes_within_a_minute_are_enough_and_two_are_not() -> None:
    strikes = Strikes()

    assert not strikes.add("slow", LIMIT, 0.0)
    assert not strikes.add("slow", LIMIT, 1.0)
    assert not strikes.add("other", LIMIT, 1.0)
    assert strikes.add("slow", LIMIT, 2.0)
    assert not strikes.add("slow", LIMIT, 3.0)


def test_strikes_that_are_far_apart_are_forgiven() -> None:
    strikes = Strikes()

    assert not any(strikes.add("slow", LIMIT, turn * (WITHIN + 1)) for turn in range(2 * STRIKES))


def test_one_step_that_keeps_the_reactor_for_long_is_enough() -> None:
    assert Strikes().add("slow", 2.5, 0.0)

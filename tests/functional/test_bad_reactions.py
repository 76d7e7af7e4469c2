"""Reactions that misbehave in every way cost neither reception nor each other anything much."""

from __future__ import annotations

import re

import pytest
from functional_harness import NOTING, Fleet, noted, until

pytestmark = pytest.mark.functional

HANGS = """
from hikrecv import hookimpl
from twisted.internet.defer import Deferred

@hookimpl
async def hikrecv_event(event):
    await Deferred()
"""
HANGS_IN_ITS_THREAD = """
import threading
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event):
    threading.Event().wait()
"""
SWALLOWS_CANCELLATION = """
from hikrecv import hookimpl
from twisted.internet.defer import CancelledError, Deferred

@hookimpl
async def hikrecv_event(event):
    while True:
        try:
            await Deferred()
        except CancelledError:
            pass
"""
RAISES = """
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event):
    raise ZeroDivisionError("always")
"""
LEAVES = """
import sys
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event):
    sys.exit("goodbye")
"""
LEAVES_ITS_THREAD = """
import sys
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event):
    sys.exit("goodbye")
"""
FAILS = """
from hikrecv import Retry, hookimpl

@hookimpl
async def hikrecv_event(event):
    raise Retry("never")
"""
BURNS = """
import time
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event):
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        sum(range(1000))
"""
COMPUTES_A_LITTLE = """
import time
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        sum(range(1000))
"""
CRASHES = """
import os
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event):
    os.kill(os.getpid(), 11)
"""
BLOCKS = """
import time
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event, context):
    time.sleep(1.0)
"""

ALL = {
    "hangs": HANGS,
    "hangs_in_its_thread": HANGS_IN_ITS_THREAD,
    "swallows_cancellation": SWALLOWS_CANCELLATION,
    "raises": RAISES,
    "leaves": LEAVES,
    "leaves_its_thread": LEAVES_ITS_THREAD,
    "fails": FAILS,
    "burns": BURNS,
    "burns_elsewhere": BURNS,
    "crashes": CRASHES,
}


def tables() -> str:
    lines = []
    for name in ("good", *ALL):
        plugin = {"good": "noting", "burns_elsewhere": "burns"}.get(name, name)
        apart = "isolate = true\n" if name in ("burns_elsewhere", "crashes") else ""
        lines.append(f'[reactions.{name}]\nplugin = "{plugin}"\ntimeout = "1s"\n{apart}')
    return "".join(lines)


def test_none_of_them_costs_reception_or_the_others_anything_much(new_receiver) -> None:
    receiver = new_receiver(tables(), plugins={"noting": NOTING, **ALL}).start()

    with Fleet(8, pace=0.02) as fleet:
        fleet.start(receiver.port)
        until(lambda: all(_has_tried(receiver, name) for name in ALL), "each of them was tried", 30)
        fleet.wait_for(100)
    last = receiver.tell("status")["journal"]["durable"]
    until(lambda: receiver.reaction("good").get("position") == last, "the good one has kept up", 10)
    shown = {row["name"]: row for row in receiver.tell("reactions")}
    receiver.stop()

    assert set(fleet.answers) == {200}
    # Not a measurement: only that nobody waits for a reaction's second.
    assert fleet.quantile(0.99) < 2.0
    assert [note.seq for note in noted(receiver, "good")] == list(range(1, last + 1))
    assert "longer than 1 s" in shown["hangs"]["last_error"]
    assert "goodbye" in shown["leaves"]["last_error"] + shown["leaves"].get("reason", "")
    assert "SIGSEGV" in shown["crashes"]["last_error"]
    assert fleet.acknowledged <= set(receiver.kept().values())


def test_nobody_is_blamed_for_what_others_compute(new_receiver) -> None:
    burning = {f"burns{number}": BURNS for number in range(4)}
    tables = "".join(f'[reactions.{name}]\nplugin = "{name}"\n' for name in burning)
    receiver = new_receiver(
        f'{tables}[reactions.light]\nplugin = "light"\n', plugins={**burning, "light": COMPUTES_A_LITTLE}
    ).start()

    with Fleet(4, pace=0.02) as fleet:
        fleet.start(receiver.port)
        until(lambda: receiver.reaction("light").get("done", 0) >= 60, "it has done sixty", 40)
        light = receiver.reaction("light")

    assert light.get("kept", 0) == 0
    assert light["state"] != "throttled"
    assert "blocked the reactor" not in receiver.log


def _has_tried(receiver, name: str) -> bool:
    row = receiver.reaction(name)
    return bool(row.get("last_error") or row.get("done"))


def test_who_blocks_the_reactor_is_named_within_a_second_or_so_and_throttled(new_receiver) -> None:
    blocks = '[reactions.good]\nplugin = "noting"\n[reactions.blocker]\nplugin = "blocks"\n'
    receiver = new_receiver(blocks, plugins={"noting": NOTING, "blocks": BLOCKS}).start()

    with Fleet(4, pace=0.02) as fleet:
        fleet.start(receiver.port)
        until(lambda: receiver.reaction("blocker")["state"] == "throttled", "it is throttled", 20)
        fleet.wait_for(50)
        throttled = receiver.reaction("blocker")
    receiver.wait_until_idle(but="blocker")

    named = re.search(r"blocker has blocked the reactor for (\d+) ms, asleep in a call at (.*)", receiver.log)
    assert named is not None
    assert int(named[1]) < 1000
    assert named[2] == "blocks.py:7 in hikrecv_event"
    assert "write its hook as a plain `def`" in throttled["reason"]
    assert set(fleet.answers) == {200}
    assert len(noted(receiver, "good")) == receiver.tell("status")["journal"]["durable"]

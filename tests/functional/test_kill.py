"""`kill -9` in the middle of everything: what was acknowledged is there, and is handed over."""

from __future__ import annotations

import time
from random import Random

import pytest
from functional_harness import NOTING, Device, Fleet, digest, fill, noted, unmarked_repeats

pytestmark = pytest.mark.functional

REACTIONS = """
[reactions.all]
plugin = "noting"
[reactions.once]
plugin = "noting"
delivery = "at-most-once"
max_age = "1h"
"""


def test_what_was_acknowledged_survives_kill_9_and_is_handed_over(new_receiver) -> None:
    receiver = new_receiver(REACTIONS, plugins={"noting": NOTING}).start()
    moments = Random(5)

    with Fleet(12) as fleet:
        fleet.start(receiver.port)
        for _ in range(3):
            fleet.wait_for(100)
            time.sleep(moments.random() * 0.3)
            receiver.kill()
            receiver.start()
            fleet.go_to(receiver.port)
        fleet.wait_for(50)
    receiver.wait_until_idle()
    kept = receiver.kept()
    given = {"all": noted(receiver, "all"), "once": noted(receiver, "once")}
    letters = {letter.seq for letter in receiver.dead_letters("once")}

    assert fleet.acknowledged <= set(kept.values())
    assert list(kept) == list(range(1, len(kept) + 1))
    assert unmarked_repeats(receiver, kept) == []
    assert {note.seq for note in given["all"]} == set(kept)
    assert len({note.key for note in given["once"]}) == len(given["once"])
    # What was begun when the process died is perhaps done: never again by itself, and never forgotten.
    repeated = {event.seq for event in receiver.events() if event.duplicate_of}
    assert {note.seq for note in given["once"]} | letters | repeated == set(kept)
    assert len(letters) <= 3


def test_what_a_device_repeats_after_a_restart_is_marked(new_receiver) -> None:
    receiver = new_receiver().start()

    with Device(receiver.port) as device:
        messages = [device.message() for _ in range(20)]
        assert {device.send(message).status for message in messages} == {200}
    receiver.kill()
    receiver.start()
    with Device(receiver.port) as device:
        assert {device.send(message).status for message in messages} == {200}
    kept = receiver.kept()

    assert list(kept.values()) == [digest(message.body) for message in messages] * 2
    assert unmarked_repeats(receiver, kept) == []


def test_a_journal_of_100_000_events_is_listening_again_within_two_seconds(new_receiver) -> None:
    receiver = new_receiver()
    fill(receiver.state, 100_000)

    spans, busy = [], []
    while len(spans) < 5 and min(spans, default=9.0) >= 2.0:
        began = time.monotonic()
        receiver.start()
        spans.append(time.monotonic() - began)
        busy.append(receiver.busy)
        assert receiver.tell("status")["journal"]["durable"] == 100_000
        receiver.kill()

    # What counts is what it can do: on a busy machine, where nothing is quick, it has to have little to do.
    assert min(spans) < 2.0 or min(busy) < 1.2, (spans, busy)

"""A receiver that never lives for long: it gets on, and repeats little."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from functional_harness import NOTES, NOTING, Device, Fleet, Receiver, noted

pytestmark = pytest.mark.functional

# Half a second after its first event the process is gone, as if something had killed it.
SHORT_LIVED = (
    NOTES
    + """
import os
from twisted.internet import reactor, task

@hookimpl
async def hikrecv_event(event, context):
    if not reactor.getDelayedCalls() or not hasattr(reactor, "hikrecv_test_dies"):
        reactor.hikrecv_test_dies = reactor.callLater(0.5, os.kill, os.getpid(), 9)
    note(context, event.seq, event.key)
    await task.deferLater(reactor, 0.02)
"""
)
HQ = '[reactions.hq]\nplugin = "short_lived"\n'
ALL = '[reactions.all]\nplugin = "noting"\n'


def test_a_crash_loop_shorter_than_a_second_makes_progress(new_receiver) -> None:
    receiver = new_receiver(HQ, plugins={"short_lived": SHORT_LIVED}).start()
    with Device(receiver.port, large_every=0) as device:
        # Until it is dead: the first event begins the half second.
        sent = 0
        for _ in range(60):
            try:
                sent += device.send().status == 200
            except OSError:
                break

    progress = []
    for _ in range(20):
        assert receiver.process is not None
        receiver.process.wait(20)
        progress.append(max(note.seq for note in noted(receiver, "hq")))
        if progress[-1] >= sent:
            break
        receiver.start(ready=False)
    given = Counter(note.seq for note in noted(receiver, "hq"))

    assert progress == sorted(set(progress)), "each life gets further than the one before"
    assert set(given) >= set(range(1, sent + 1))
    # What was done in the last moment before each death, and nothing else, is done again.
    assert sum(given.values()) - len(given) <= 6 * len(progress)
    assert max(given.values()) <= 3


def repeats_of(receiver: Receiver, rounds: int) -> float:
    """What was handed over again after so many deaths under load, as a share of what was acknowledged."""
    moments = Random(60)
    receiver.start()
    with Fleet(8, pace=0.01) as fleet:
        fleet.start(receiver.port)
        for _ in range(rounds):
            fleet.wait_for(moments.randrange(1, 250))
            receiver.kill()
            fleet.go_to(None)
            receiver.start()
            fleet.go_to(receiver.port)
    receiver.wait_until_idle()
    given = noted(receiver, "all")
    assert {note.seq for note in given} == set(receiver.kept())
    return (len(given) - len(set(given))) / len(fleet.acknowledged)


def test_kills_under_load_repeat_little(new_receiver) -> None:
    # A busy machine syncs late; with a commit a second this was 4.3.
    assert repeats_of(new_receiver(ALL, plugins={"noting": NOTING}), 10) < 0.2


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_sixty_kills_under_load_repeat_less_than_a_twentieth(new_receiver) -> None:
    assert repeats_of(new_receiver(ALL, plugins={"noting": NOTING}), 60) < 0.05

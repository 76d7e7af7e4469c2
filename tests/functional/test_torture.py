"""The same for long: two hundred deaths under load (`make torture`), with progress on the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from functional_harness import NOTING, Device, Fleet, Receiver, digest, fill, noted, unmarked_repeats, until

pytestmark = [pytest.mark.functional, pytest.mark.torture, pytest.mark.timeout(1800)]

ROUNDS = int(os.environ.get("HIKRECV_ROUNDS", "200"))
SEED = int(os.environ.get("HIKRECV_SEED", "0")) or time.time_ns() % 1_000_000

TABLES = """
[journal]
segment = "16MB"
[reactions.all]
plugin = "noting"
[reactions.four]
plugin = "noting"
concurrency = 4
[reactions.once]
plugin = "noting"
families = ["face-match"]
delivery = "at-most-once"
max_age = "1d"
"""

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Progress, past pytest's capturing."""
    began = time.monotonic()

    def said(text: str) -> None:
        with capsys.disabled():
            print(f"\n{time.monotonic() - began:6.0f} s  {text}", end="", flush=True)

    return said


class Witness:
    """Remembers what was in the journal, and sees that it stays there."""

    def __init__(self, receiver: Receiver) -> None:
        self.kept: dict[int, str] = {}
        self._receiver = receiver
        self._bodies: set[str] = set()

    def look(self, acknowledged: set[str]) -> None:
        """Everything *acknowledged* is there; what is new is added to what must stay."""
        new = self._receiver.kept(max(self.kept, default=0) + 1)
        self.kept |= new
        self._bodies.update(new.values())
        lost = acknowledged - self._bodies
        assert not lost, f"{len(lost)} acknowledged pushes are lost: {sorted(lost)[:3]}"

    def check_all(self) -> None:
        """Every body from the beginning, by its sum, and no number twice or left out."""
        assert self._receiver.kept() == self.kept
        assert list(self.kept) == list(range(1, len(self.kept) + 1))


def test_nothing_acknowledged_is_lost_by_two_hundred_kills(new_receiver, say: Say) -> None:
    say(f"{ROUNDS} rounds, seed {SEED}")
    moments, spans = Random(SEED), []
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    witness = Witness(receiver)
    receiver.start()

    with Fleet(12, pace=0.01) as fleet:
        fleet.start(receiver.port)
        for number in range(1, ROUNDS + 1):
            time.sleep(moments.random() * 0.8)
            receiver.kill()
            fleet.go_to(None)
            if moments.random() < 0.15:
                # Death also comes to those who are just getting up.
                receiver.start(ready=False)
                time.sleep(moments.random() * 0.8)
                receiver.kill()
            began = time.monotonic()
            receiver.start()
            spans.append(time.monotonic() - began)
            witness.look(set(fleet.acknowledged))
            fleet.go_to(receiver.port)
            if number % 20 == 0:
                say(f"round {number}: {len(fleet.acknowledged)} acknowledged, {len(witness.kept)} kept")
        fleet.wait_for(50)
    say(f"waiting for the reactions: {_lags(receiver)}")
    receiver.wait_until_idle(300)
    witness.look(fleet.acknowledged)
    receiver.stop()
    say("reading everything back")
    witness.check_all()
    given = {name: noted(receiver, name) for name in ("all", "four", "once")}
    letters = {letter.seq for letter in receiver.dead_letters("once")}
    events = list(receiver.events())
    handed_over = ", ".join(f"{name} {len(notes)}" for name, notes in given.items())
    say(f"{ROUNDS} kills; {len(fleet.acknowledged)} pushes acknowledged, {len(witness.kept)} kept, none lost")
    say(f"answers {dict(fleet.answers)}; handed over: {handed_over}; perhaps done: {len(letters)}")
    say(f"restart: {statistics.median(spans):.2f} s (median), {max(spans):.2f} s (longest)")

    assert unmarked_repeats(receiver, witness.kept) == []
    assert {note.seq for note in given["all"]} == {note.seq for note in given["four"]} == set(witness.kept)
    assert list(dict.fromkeys(note.seq for note in given["all"])) == list(witness.kept)
    assert len({note.key for note in given["once"]}) == len(given["once"])
    faces = {event.seq for event in events if event.family == "face-match"}
    repeated = {event.seq for event in events if event.duplicate_of}
    assert {note.seq for note in given["once"]} | letters | (repeated & faces) == faces


def _lags(receiver: Receiver) -> dict[str, int]:
    return {row["name"]: row.get("lag_events", 0) for row in receiver.tell("reactions")}


def test_after_many_sigterms_nothing_is_lost_and_nothing_is_repeated(new_receiver, say: Say) -> None:
    rounds = max(ROUNDS // 8, 2)
    moments, spans = Random(SEED), []
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    witness = Witness(receiver)
    receiver.start()

    with Fleet(12, pace=0.01) as fleet:
        fleet.start(receiver.port)
        for _ in range(rounds):
            time.sleep(moments.random() * 0.8)
            began = time.monotonic()
            assert receiver.stop() == 0
            spans.append(time.monotonic() - began)
            fleet.go_to(None)
            receiver.start()
            witness.look(set(fleet.acknowledged))
            fleet.go_to(receiver.port)
    receiver.wait_until_idle(120)
    witness.look(fleet.acknowledged)
    receiver.stop()
    say(f"{rounds} SIGTERMs; {len(fleet.acknowledged)} acknowledged; longest stop {max(spans):.2f} s")

    witness.check_all()
    assert [note.seq for note in noted(receiver, "all")] == list(witness.kept)
    assert sorted(note.seq for note in noted(receiver, "four")) == list(witness.kept)
    assert receiver.dead_letters("once") == []
    assert max(spans) < 25


def test_with_100_000_events_and_their_index_it_is_listening_again_within_two_seconds(
    new_receiver, say: Say
) -> None:
    receiver = new_receiver()
    fill(receiver.state, 100_000)
    receiver.start()
    say("killed while it makes the index")
    until(lambda: receiver.tell("status")["index_behind"] < 50_000, "half of the index is made", 300)
    receiver.kill()
    receiver.start()
    until(lambda: not receiver.tell("status")["index_behind"], "the index is made", 300)

    spans, busy = [], []
    for _ in range(7):
        receiver.kill()
        began = time.monotonic()
        receiver.start()
        spans.append(time.monotonic() - began)
        busy.append(receiver.busy)
        assert receiver.tell("status")["index_behind"] == 0
    say(f"listening after {', '.join(f'{span:.2f}' for span in spans)} s; busy {min(busy):.2f} s")

    assert min(spans) < 2.0 or min(busy) < 1.2
    assert receiver.command("events").count("line-crossing") == 50


def test_dying_on_a_full_disk_loses_nothing_but_the_oldest(small_disk: Path, say: Say) -> None:
    rounds, moments, total = max(ROUNDS // 10, 2), Random(SEED), 0

    for number in range(rounds):
        receiver = Receiver(small_disk / f"receiver-{number}", '[journal]\nsegment = "2MB"\n')
        (small_disk / "filler").write_bytes(bytes(moments.randrange(1_000_000, 30_000_000)))
        try:
            receiver.start()
            with Device(receiver.port, large_every=2) as device:
                sent = [device.message() for _ in range(moments.randrange(250, 450))]
                assert {device.send(message).status for message in sent} == {200}
            receiver.kill()
            fill_up(small_disk / "rest")
            receiver.start()
            kept = list(receiver.kept().values())
            (small_disk / "rest").unlink()
            with Device(receiver.port) as device:
                until(lambda line=device: line.send().status == 200, "there is room again", 20)
        finally:
            receiver.end()
        shutil.rmtree(receiver.folder)

        assert kept == [digest(message.body) for message in sent[-len(kept) :]]
        total += len(sent)
    say(f"{rounds} full disks, {total} pushes acknowledged, none lost but the oldest")


def fill_up(rest: Path) -> None:
    """Leave no byte of room."""
    with contextlib.suppress(OSError), rest.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(65_536))

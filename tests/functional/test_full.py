"""No room: nothing is acknowledged that is not kept, and it goes on when there is room again."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from functional_harness import NOTING, Device, Receiver, digest, noted, post, until

from hikrecv.testing.message import Message

pytestmark = pytest.mark.functional

NEVER = """
from hikrecv import Retry, hookimpl

@hookimpl
async def hikrecv_event(event, context):
    raise Retry("the other side is away")
"""

SMALL = """
[journal]
max = "12MB"
segment = "1MB"
ballast = 0
[metrics]
listen = "tcp:0:interface=127.0.0.1"
[reactions.stuck]
plugin = "never"
"""


def fetch(receiver: Receiver, page: str) -> tuple[int, str]:
    """A page of the receiver's own port."""
    try:
        with urlopen(f"http://{receiver.tell('status')['metrics']}/{page}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_who_lags_too_far_loses_the_oldest_with_an_alarm_and_reception_goes_on(new_receiver) -> None:
    receiver = new_receiver(SMALL, plugins={"never": NEVER}).start()

    with Device(receiver.port, large_every=1) as device:
        assert {device.send().status for _ in range(80)} == {200}
    receiver.wait_for_log("ALARM: stuck lost the events 1 to ")
    status = receiver.tell("status")["journal"]
    kept = receiver.kept()
    until(lambda: _lost(receiver) == min(kept) - 1, "the loss is counted")
    shown = receiver.command("reactions")

    assert f"lost {min(kept) - 1} events" in shown
    assert status["bytes"] <= 12_000_000
    assert max(kept) == 80


def _lost(receiver: Receiver) -> float:
    found = re.search(r'hikrecv_reaction_lost_total{reaction="stuck"} (\S+)', fetch(receiver, "metrics")[1])
    return float(found[1]) if found else 0.0


def test_what_is_larger_than_the_budget_is_answered_503_and_the_next_is_kept(new_receiver) -> None:
    receiver = new_receiver(SMALL, plugins={"never": NEVER}).start()
    device = Device()
    huge = Message(label="huge", content_type="application/octet-stream", body=bytes(14_000_000))

    refused = post(receiver.port, huge)
    kept = post(receiver.port, device.message())

    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert kept.status == 200
    assert len(receiver.kept()) == 1
    assert "an event could not be kept and was answered 503" in receiver.log
    # What was refused was never the reaction's: neither lost nor waited for, now and afterwards.
    until(lambda: receiver.reaction("stuck")["state"] == "retrying", "the one that was kept is tried")
    assert (receiver.reaction("stuck")["lag_events"], receiver.reaction("stuck")["lost"]) == (1, 0)
    assert "lost" not in receiver.log
    receiver.kill()
    receiver.start()
    until(lambda: receiver.reaction("stuck")["state"] == "retrying", "it is tried again")
    assert (receiver.reaction("stuck")["lag_events"], receiver.reaction("stuck")["lost"]) == (1, 0)
    receiver.stop()
    assert "lost" not in receiver.log
    assert "ALARM" not in receiver.log
    assert "1 record" in receiver.command_on_state("verify")


DISK = """
[journal]
segment = "4MB"
[reactions.hq]
plugin = "noting"
"""


def test_on_a_full_disk_the_newest_are_kept_the_reactions_go_on_and_it_is_said(small_disk: Path) -> None:
    bodies = '[limits]\nbody = "60MB"\n'
    receiver = Receiver(small_disk / "receiver", DISK + bodies, plugins={"noting": NOTING})
    filler = small_disk / "filler"
    filler.write_bytes(bytes(16_000_000))
    # Larger than what the disk has beside the filler, however much of the journal goes for it.
    huge = Message(label="huge", content_type="application/octet-stream", body=bytes(52_000_000))

    try:
        receiver.start()
        with Device(receiver.port, large_every=2) as device:
            sent = [device.message() for _ in range(400)]
            answers = {device.send(message).status for message in sent}
        receiver.wait_until_idle()
        kept = list(receiver.kept().values())
        tight = receiver.tell("status")["journal"]["tight"]
        receiver.wait_for_log("the oldest events go before their time")
        refused = post(receiver.port, huge)
        filler.unlink()
        with Device(receiver.port, large_every=2) as device:
            after = {device.send().status for _ in range(60)}
        receiver.wait_until_idle()
        status = receiver.tell("status")["journal"]
        log, seqs = receiver.log, [note.seq for note in noted(receiver, "hq")]
    finally:
        receiver.end()

    assert answers == after == {200}
    assert 0 < len(kept) < 400
    assert kept == [digest(message.body) for message in sent[-len(kept) :]]
    assert "free some space" in tight
    assert (refused.status, int(refused.headers.get("retry-after", 0)) > 0) == (503, True), log
    assert (status["tight"], status["full"]) == ("", "")
    # The ballast is the ledger's: a reaction that keeps up loses nothing.
    assert seqs == [*range(1, 401), *range(402, 462)]  # 401 was refused
    assert "ALARM" not in log


ROOM = """
[journal]
segment = "2MB"
[reactions.once]
plugin = "noting"
delivery = "at-most-once"
max_age = "1h"
"""


@pytest.mark.parametrize(("left", "large_every"), [(6, 0), (20, 2)])
def test_on_a_disk_that_was_nearly_full_before_the_ledger_has_its_room(
    small_disk: Path, left: int, large_every: int
) -> None:
    receiver = Receiver(small_disk / "receiver", ROOM, plugins={"noting": NOTING})
    filler, rest = small_disk / "filler", small_disk / "rest"
    filler.write_bytes(bytes((64 - left) << 20))

    try:
        receiver.start()
        with Device(receiver.port, large_every=large_every) as device:
            answers = [device.send().status for _ in range(200)]
        receiver.wait_until_idle()
        row = receiver.reaction("once")
        # Others take the very last byte; the room that was kept aside is for the ledger, not for the journal.
        with contextlib.suppress(OSError), rest.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(65_536))
        until(lambda: not (receiver.state.root / "ballast").exists(), "the ballast is given")
        with Device(receiver.port, large_every=0) as device:
            answers += [device.send().status for _ in range(20)]
        receiver.wait_until_idle()
        rest.unlink()
        filler.unlink()
        with Device(receiver.port, large_every=0) as device:
            until(lambda: device.send().status == 200, "there is room again")
        receiver.wait_until_idle()
        kept, given, log = receiver.kept(), {note.seq for note in noted(receiver, "once")}, receiver.log
        letters = receiver.dead_letters("once")
    finally:
        receiver.end()

    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert row["state"] == "waiting"
    assert (row["lag_events"], row["lost"]) == (0, 0)
    assert letters == []
    assert set(kept) <= given
    assert len(given) == answers.count(200) + 1
    assert "ALARM" not in log

"""Index or ledger lost or damaged, and a state directory that was restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from functional_harness import NOTING, Device, Receiver, noted, until

pytestmark = pytest.mark.functional

REACTIONS = """
[reactions.first]
plugin = "noting"
[reactions.second]
plugin = "noting"
"""


def used(new_receiver: Callable[..., Receiver], count: int = 20) -> Receiver:
    """A receiver that has had *count* events, handed them over, and was stopped."""
    receiver = new_receiver(REACTIONS, plugins={"noting": NOTING}).start()
    push(receiver, count)
    receiver.wait_until_idle()
    receiver.stop()
    return receiver


def push(receiver: Receiver, count: int) -> None:
    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(count)} == {200}


def delete(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    """The beginning is right, and the rest is not."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


@pytest.mark.parametrize("harm", [delete, spoil])
def test_a_lost_index_comes_back_and_no_reaction_repeats_itself(
    harm: Callable[[Path], None], new_receiver
) -> None:
    receiver = used(new_receiver)
    before = receiver.command("events", "--all")

    harm(receiver.state.index)
    unindexed = receiver.command("events", "--all")
    receiver.start()
    until(lambda: not receiver.tell("status")["index_behind"], "the index is whole")
    push(receiver, 1)
    receiver.wait_until_idle()
    after = receiver.command("events", "--all")

    assert unindexed == before
    assert after.startswith(before.rstrip())
    for reaction in ("first", "second"):
        assert [note.seq for note in noted(receiver, reaction)] == list(range(1, 22))


def test_an_index_that_is_deleted_beneath_a_running_receiver_is_made_again(new_receiver) -> None:
    receiver = new_receiver().start()
    push(receiver, 20)

    receiver.state.index.unlink()
    said = receiver.command("reindex")
    push(receiver, 1)

    assert "20 pushes" in said
    until(lambda: not receiver.tell("status")["index_behind"], "the index is whole")
    assert "21 " in receiver.command("events", "--all").splitlines()[-1]


@pytest.mark.parametrize("harm", [delete, spoil])
def test_with_a_lost_ledger_the_reactions_wait_for_the_operator_and_nothing_else_does(
    harm: Callable[[Path], None], new_receiver
) -> None:
    receiver = used(new_receiver)

    harm(receiver.state.ledger)
    receiver.start()
    push(receiver, 3)
    shown = receiver.command("reactions")
    receiver.command("reactions", "rewind", "first", "--to", "now")
    push(receiver, 2)
    until(lambda: not receiver.reaction("first").get("lag_events"), "the first reaction is done")
    rows = {name: receiver.reaction(name)["state"] for name in ("first", "second")}
    receiver.command("reactions", "rewind", "second", "--to", "21")
    receiver.wait_until_idle()

    assert shown.count("unplaced") == 2
    assert "hikrecv reactions rewind NAME --to" in shown
    assert rows["second"] == "unplaced"
    assert [note.seq for note in noted(receiver, "first")] == [*range(1, 21), 24, 25]
    assert [note.seq for note in noted(receiver, "second")] == list(range(1, 26))


def test_a_lost_ledger_can_be_begun_again_while_no_receiver_runs(new_receiver) -> None:
    receiver = used(new_receiver)

    receiver.state.ledger.unlink()
    receiver.command("reactions", "rewind", "first", "--to", "now")
    receiver.start()
    push(receiver, 2)
    until(lambda: not receiver.reaction("first").get("lag_events"), "the first reaction is done")

    # Nobody has said where the other one goes on.
    assert receiver.reaction("second")["state"] == "unplaced"
    assert [note.seq for note in noted(receiver, "first")] == list(range(1, 23))
    assert [note.seq for note in noted(receiver, "second")] == list(range(1, 21))


def test_a_restored_copy_gives_new_ids_and_keeps_the_old_ones(new_receiver) -> None:
    receiver, copy = used(new_receiver, 3), new_receiver(REACTIONS, plugins={"noting": NOTING})
    shutil.copytree(receiver.state.root, copy.state.root, copy_function=shutil.copy2)

    receiver.start()
    push(receiver, 1)
    receiver.stop()
    copy.start()
    push(copy, 1)
    copy.wait_until_idle()
    copy.stop()
    here, there = ([event.id for event in each.events()] for each in (receiver, copy))

    assert here[:3] == there[:3]
    assert here[3].split("-")[1:] == there[3].split("-")[1:] == ["4", "0"]
    assert here[3] != there[3]
    assert [note.seq for note in noted(copy, "first")] == [1, 2, 3, 4]


SMALL = """
[journal]
segment = "1MB"
"""


def lose_the_end(receiver: Receiver, nth: int) -> None:
    """The last 500 kB of a segment become zeros, as a bad sector or a careless tool leaves them."""
    path = sorted((receiver.state.root / "journal").glob("*.seg"))[nth]
    with path.open("r+b") as segment:
        segment.seek(-500_000, 2)
        segment.write(bytes(500_000))


def test_a_closed_segment_that_lost_its_end_is_an_alarm_at_the_start(new_receiver) -> None:
    receiver = new_receiver(SMALL + REACTIONS, plugins={"noting": NOTING}).start()
    with Device(receiver.port, large_every=1) as device:
        assert {device.send().status for _ in range(12)} == {200}
    receiver.wait_until_idle()
    receiver.stop()

    lose_the_end(receiver, 1)
    receiver.start()
    receiver.wait_for_log("damaged and cannot be read: the sum of a record does not fit")
    receiver.tell("reactions.rewind", name="first", to=1)
    receiver.wait_until_idle()
    push(receiver, 1)
    lost = receiver.tell("status")["journal"]["damaged"]
    listed = receiver.command("events", "--format", "jsonl")

    assert lost > 0
    assert receiver.log.count("damaged and cannot be read") == 1
    assert listed.count("damaged and cannot be read") == 1
    assert any((receiver.state.root / "quarantine").iterdir())
    again = [note.seq for note in noted(receiver, "first")][12:]
    assert len(again) == 13 - lost
    assert again[0] == 1
    assert "hikrecv verify" in receiver.log

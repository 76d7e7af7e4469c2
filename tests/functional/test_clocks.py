"""Clocks that are wrong, the devices' and our own, with the real receiver."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import pytest
from functional_harness import BIN, NOTES, Receiver, noted, post, until

from hikrecv.journal.ledger import Ledger
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.minmoe import verified

pytestmark = pytest.mark.functional

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
needs_faketime = pytest.mark.skipif(
    FAKETIME is None, reason="libfaketime is missing; apt-get install faketime"
)
OPENS = (
    NOTES
    + """
acts = True
delivery = "at-most-once"

@hookimpl
async def hikrecv_event(event, context):
    note(context, event.seq, event.key)
"""
)
TABLES = """
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
allow = ["127.0.0.1"]
[devices.gate]
address = "127.0.0.1"
[reactions.door]
plugin = "opens"
families = ["access"]
"""
MORE = '[reactions.removed]\nplugin = "opens"\nfamilies = ["access"]\n'
_serials = count(1)


@pytest.fixture
def door(tmp_path: Path) -> Receiver:
    return Receiver(tmp_path / "door", TABLES, plugins={"opens": OPENS})


def punch(receiver: Receiver, lag: float) -> None:
    """Somebody at the terminal `gate`, whose clock says that it was *lag* seconds ago."""
    moment = datetime.now(timezone.utc).astimezone() - timedelta(seconds=lag)
    assert post(receiver.port, verified(Identity(3), moment, next(_serials))).status == 200


def opened(receiver: Receiver) -> int:
    receiver.wait_until_idle()
    return len(noted(receiver, "door"))


def too_old(receiver: Receiver) -> int:
    return int(receiver.reaction("door")["left_out"].get("too old", 0))


def test_a_door_opens_for_now_and_not_for_a_history_and_says_so(door: Receiver) -> None:
    door.start()
    punch(door, 0)
    assert opened(door) == 1

    for _ in range(12):
        punch(door, 90 * 86400.0)

    assert opened(door) == 1
    assert too_old(door) == 12
    assert "too old: 12" in door.command_on_state("reactions")
    door.wait_for_log("ALARM: door leaves events out that are too old: 1; ")
    door.stop()


def test_what_is_known_of_a_clock_outlives_the_index_and_is_forgotten_on_demand(door: Receiver) -> None:
    door.start()
    punch(door, -40)
    assert opened(door) == 1
    punch(door, 0)
    assert opened(door) == 1, "by a clock that is 40 s ahead it was 40 s ago"
    # Nothing that was learned is written before the ledger's next round.
    until(lambda: "gate" in clocks(door), "the clock is in the ledger")
    door.stop()
    for path in door.folder.glob("state/index.sqlite*"):
        path.unlink()

    door.start()
    punch(door, 0)
    assert opened(door) == 1
    assert "the clock of gate is learned" in door.command_on_state("devices", "forget-clock", "gate")
    punch(door, 0)
    assert opened(door) == 2
    door.stop()


def clocks(receiver: Receiver) -> dict[str, str]:
    ledger = Ledger.read(receiver.state.ledger)
    try:
        return ledger.clocks()
    finally:
        ledger.close()


@needs_faketime
def test_a_door_opens_as_soon_as_our_own_wrong_clock_is_set_right(door: Receiver) -> None:
    door.start()
    punch(door, 0)
    assert opened(door) == 1
    door.stop()
    ours = door.folder / "ours"
    ours.write_text("-3600s")
    fake = (f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={ours}", "FAKETIME_NO_CACHE=1")
    monotonic = "FAKETIME_DONT_FAKE_MONOTONIC=1"
    door.start("env", *fake, monotonic, str(BIN / "hikrecv"), "run", "--config", str(door.config))
    for _ in range(3):
        punch(door, 0)
    assert opened(door) == 1, "by our clock it is in an hour"

    ours.write_text("+0s")
    door.wait_for_log("this machine's clock was set")
    punch(door, 0)
    assert opened(door) == 2
    punch(door, 3600)
    assert opened(door) == 2
    door.stop()


def at(receiver: Receiver, moment: str, monotonic: bool) -> Receiver:
    """Start it on a machine whose clock is off by *moment*."""
    fake = (
        f"LD_PRELOAD={FAKETIME}",
        f"FAKETIME={moment}",
        f"FAKETIME_DONT_FAKE_MONOTONIC={int(not monotonic)}",
    )
    return receiver.start("env", *fake, str(BIN / "hikrecv"), "run", "--config", str(receiver.config))


@needs_faketime
@pytest.mark.parametrize("monotonic", [False, True], ids=["", "boottime too"])
@pytest.mark.parametrize("wrong", ["+400d", "-5000d"])
def test_starts_with_a_wrong_clock_forget_nothing_and_open_nothing_twice(
    door: Receiver, wrong: str, monotonic: bool
) -> None:
    door.configure(TABLES + MORE)
    door.start()
    punch(door, 0)
    assert opened(door) == 1
    (key,) = {note.key for note in noted(door, "door")}
    door.configure(TABLES)
    door.tell("reload")
    until(lambda: removed(door), "the reaction is removed")
    door.stop()

    for _ in range(2):
        at(door, wrong, monotonic)
        # The first round of the ledger's upkeep forgets what is too old.
        punch(door, 0)
        opened(door)
        door.stop()

    door.start()
    assert min(door.kept()) == 1, "nothing was deleted for its age"
    assert removed(door), "the removed reaction keeps its place"
    door.stop()
    ledger = Ledger.open(door.state.ledger, expected=True)
    assert not ledger.mark("door", key, 0.0), "what was acted on is not acted on again"
    ledger.close()


def removed(receiver: Receiver) -> bool:
    ledger = Ledger.read(receiver.state.ledger)
    try:
        place = ledger.places().get("removed")
        return place is not None and place.state == "removed"
    finally:
        ledger.close()


@needs_faketime
def test_what_came_before_the_clock_was_set_back_while_the_receiver_was_down_opens_nothing(
    door: Receiver,
) -> None:
    """A machine that lost its power goes on where its clock was, and the event looks like one of now."""
    door.start()
    door.tell("reactions.pause", name="door")
    punch(door, 0)
    door.kill()

    at(door, "-3s", monotonic=False)
    door.tell("reactions.resume", name="door")

    assert opened(door) == 0
    assert too_old(door) == 1
    door.stop()

"""Files that somebody removes from the state directory of a running receiver."""

from __future__ import annotations

import pytest
from functional_harness import NOTING, Device, Fleet, noted, until

pytestmark = pytest.mark.functional

TABLES = """
[journal]
segment = "1MB"
[reactions.hq]
plugin = "noting"
[reactions.once]
plugin = "noting"
delivery = "at-most-once"
max_age = "1h"
"""


def test_an_index_removed_under_load_is_made_again_and_nobody_else_notices(new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING}).start()
    with Fleet(4, pace=0.02) as fleet:
        fleet.start(receiver.port)
        fleet.wait_for(20)
        receiver.state.index.unlink()
        fleet.wait_for(20)
        receiver.wait_for_log("index.sqlite was removed while it was in use; it is made again")
        until(receiver.state.index.exists, "there is an index again")
    until(lambda: not receiver.tell("status")["index_behind"], "it is made")
    kept = receiver.kept()

    assert set(fleet.answers) == {200}
    assert fleet.acknowledged <= set(kept.values())
    receiver.wait_until_idle()
    receiver.stop()
    shown = receiver.command("events", "--all", "--format", "jsonl")
    assert len(shown.splitlines()) == len(kept)


def test_a_ledger_removed_under_load_stops_delivery_and_never_reception(new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING}).start()
    with Fleet(4, pace=0.02) as fleet:
        fleet.start(receiver.port)
        fleet.wait_for(20)
        receiver.state.ledger.unlink()
        until(lambda: receiver.reaction("hq")["state"] == "unplaced", "the loss is noticed")
        until(lambda: receiver.reaction("once")["state"] == "unplaced", "for all")
        fleet.wait_for(20)
        reason = receiver.reaction("hq")["reason"]
    before = len(noted(receiver, "hq"))
    with Device(receiver.port) as device:
        assert device.send().status == 200
    assert len(noted(receiver, "hq")) == before
    receiver.command("reactions", "rewind", "hq", "--to", "1")
    receiver.wait_until_idle(but="once")

    assert set(fleet.answers) == {200}
    assert (
        "ledger.sqlite was removed while it was in use, so nobody knows what the reactions have done"
        in reason
    )
    assert "hikrecv reactions rewind NAME --to now|SEQ" in reason
    assert {note.seq for note in noted(receiver, "hq")} == set(receiver.kept())
    assert receiver.reaction("once")["state"] == "unplaced"


def test_segments_removed_under_load_are_an_alarm_and_the_rest_goes_on(new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING}).start()
    with Fleet(4, pace=0.02) as fleet:
        fleet.start(receiver.port)
        until(lambda: receiver.tell("status")["journal"]["segments"] >= 4, "there are some segments", 30)
        files = sorted(receiver.state.journal.glob("*.seg"))
        files[0].unlink()
        files[1].unlink()
        receiver.wait_for_log("its segment was removed while the receiver was running")
        more = fleet.acknowledged | set()
        fleet.wait_for(30)
        # Every name that there is, the one that is written on among them.
        for each in receiver.state.journal.glob("*.seg"):
            each.unlink()
        receiver.wait_for_log("it was written anew and nothing is lost")
        after = len(fleet.acknowledged)
        fleet.wait_for(30)
    receiver.wait_until_idle()

    assert set(fleet.answers) == {200}
    assert len(fleet.acknowledged) > after > len(more)
    assert receiver.process.poll() is None
    with Device(receiver.port) as device:
        message = device.message()
        assert device.send(message).status == 200
    receiver.kill()
    receiver.start()
    with Device(receiver.port) as device:
        assert device.send().status == 200


def test_a_control_socket_that_is_removed_comes_back_and_is_not_missed_at_the_stop(new_receiver) -> None:
    receiver = new_receiver().start()

    receiver.state.control.unlink()
    receiver.wait_for_log("control.sock was removed while the receiver runs; it is made again")
    until(receiver.state.control.exists, "there is a socket again")
    assert until(lambda: receiver.tell("status"), "commands are answered again")

    receiver.state.control.unlink()
    assert receiver.stop() == 0
    assert "Traceback" not in receiver.log
    assert not receiver.state.control.exists()

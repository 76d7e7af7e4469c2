"""A changed configuration is taken over while devices send: no event and no connection is lost."""

from __future__ import annotations

import signal

import pytest
from functional_harness import NOTING, Device, Fleet, Receiver, noted, until

pytestmark = pytest.mark.functional

BEFORE = """
[reactions.stays]
plugin = "noting"
[reactions.changes]
plugin = "noting"
[reactions.goes]
plugin = "noting"
"""
AFTER = """
[reactions.stays]
plugin = "noting"
[reactions.changes]
plugin = "noting"
timeout = "7s"
[reactions.comes]
plugin = "noting"
"""


def hang_up(receiver: Receiver) -> None:
    """SIGHUP, and wait until it was obeyed or refused."""
    assert receiver.process is not None
    told = receiver.log.count("configuration was")
    receiver.process.send_signal(signal.SIGHUP)
    until(lambda: receiver.log.count("configuration was") > told, "it has read it again")


def reload(receiver: Receiver) -> None:
    """The command."""
    assert "the configuration was read again" in receiver.command("reload")


@pytest.mark.parametrize("again", [hang_up, reload])
def test_reactions_are_added_removed_and_changed_under_load(again, new_receiver) -> None:
    receiver = new_receiver(BEFORE, plugins={"noting": NOTING}).start()

    with Device(receiver.port) as old, Fleet(8, pace=0.005) as fleet:
        assert old.send().status == 200
        line = old.line
        fleet.start(receiver.port)
        fleet.wait_for(50)
        receiver.configure(AFTER)
        again(receiver)
        fleet.wait_for(50)
        receiver.configure(BEFORE)
        again(receiver)
        fleet.wait_for(50)
        assert old.send().status == 200
        assert old.line is line
    receiver.wait_until_idle()
    last = receiver.tell("status")["journal"]["durable"]
    seqs = {
        name: [note.seq for note in noted(receiver, name)] for name in ("stays", "changes", "goes", "comes")
    }

    assert set(fleet.answers) == {200}
    assert not fleet.failures
    assert fleet.acknowledged <= set(receiver.kept().values())
    everything = list(range(1, last + 1))
    assert seqs["stays"] == seqs["changes"] == everything
    # It came back within its seven days, and has had what it had missed.
    assert seqs["goes"] == everything
    assert seqs["comes"] == list(range(seqs["comes"][0], seqs["comes"][-1] + 1))


WRONG = {
    "toml": ("[reactions.", "not valid TOML"),
    "a key": ('[reactions.stays]\nplugin = "noting"\nwen = ""\n', "reactions.stays.wen"),
    "a plugin": ('[reactions.stays]\nplugin = "nothing"\n', "reactions.stays.plugin"),
    "a rule": ('[reactions.stays]\nplugin = "noting"\nwhen = "family = 1"\n', "reactions.stays.when"),
}


def test_a_wrong_configuration_changes_nothing_and_says_why(new_receiver) -> None:
    receiver = new_receiver(BEFORE, plugins={"noting": NOTING}).start()
    before = [row["name"] for row in receiver.tell("reactions")]

    for tables, reason in WRONG.values():
        receiver.configure(tables)
        # The file on disk is wrong, so the command is told the directory.
        said = receiver.command_on_state("reload", code=3)
        assert reason in said
        hang_up(receiver)
        assert "the configuration was not taken over: " in receiver.log
        assert reason in receiver.log
    with Device(receiver.port) as device:
        assert device.send().status == 200
    receiver.wait_until_idle()

    assert [row["name"] for row in receiver.tell("reactions")] == before
    assert {name: len(noted(receiver, name)) for name in before} == dict.fromkeys(before, 1)


def test_what_only_a_restart_changes_is_said(new_receiver) -> None:
    receiver = new_receiver(BEFORE, plugins={"noting": NOTING}).start()

    receiver.configure('[journal]\nkeep = "1d"\n' + BEFORE)
    said = receiver.command("reload")

    assert "[journal] changed; it holds after a restart" in said


def test_a_reload_without_a_receiver_is_one_sentence(new_receiver) -> None:
    receiver = new_receiver().start()
    receiver.stop()

    assert receiver.command("reload", code=3).startswith("hikrecv: no receiver is running on ")

"""A plugin that does not load, hangs at its start or always fails is seen at once, and harms nobody else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from functional_harness import NOTING, Device, Receiver, noted, until

from hikrecv.errors import HikrecvError

pytestmark = pytest.mark.functional

TROUBLES = {
    "lost": "import no_such_library\n",
    "waits": """
from twisted.internet.defer import Deferred
from hikrecv import hookimpl
@hookimpl
async def hikrecv_start(context):
    await Deferred()
@hookimpl
async def hikrecv_event(event, context): pass
""",
    "blocks": """
import threading
from hikrecv import hookimpl
@hookimpl
def hikrecv_start(context):
    threading.Event().wait(600)
@hookimpl
def hikrecv_event(event, context): pass
""",
    "raises": """
from hikrecv import hookimpl
@hookimpl
async def hikrecv_event(event, context):
    raise ValueError("of no use")
""",
}
STATES = {"lost": "blocked", "waits": "starting", "blocks": "starting", "raises": "retrying"}
TABLES = "".join(f'[reactions.{name}]\nplugin = "{name}"\n' for name in (*TROUBLES, "fine"))


def states(receiver: Receiver) -> dict[str, str]:
    return {row["name"]: row["state"] for row in receiver.tell("reactions") if row["name"] in STATES}


def test_four_troubles_are_seen_within_a_second_and_harm_nobody(new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={**TROUBLES, "fine": NOTING}).start()

    with Device(receiver.port) as device:
        answers = [device.send() for _ in range(100)]
    until(lambda: states(receiver) == STATES, "each trouble has its state", 1.0)
    until(lambda: len(noted(receiver, "fine")) == 100, "the other one has had everything", 5.0)
    why = {name: str(receiver.reaction(name)) for name in STATES}
    began = time.monotonic()
    receiver.stop(25.0)

    assert {answer.status for answer in answers} == {200}
    assert [note.seq for note in noted(receiver, "fine")] == list(range(1, 101))
    assert "ModuleNotFoundError" in why["lost"]
    assert "of no use" in why["raises"]
    assert "lost: hikrecv_start failed: the plugin lost is broken" in receiver.log
    assert time.monotonic() - began < 15.0


def test_a_reload_that_finds_a_plugin_newly_broken_changes_nothing(new_receiver) -> None:
    tables = '[reactions.fine]\nplugin = "fine"\n[reactions.lost]\nplugin = "lost"\n'
    receiver: Any = new_receiver(tables, plugins={"fine": NOTING, "lost": TROUBLES["lost"]}).start()

    receiver.plugin("fine", "import no_such_library\n")
    with pytest.raises(HikrecvError, match=r"the plugin fine .*no_such_library") as refused:
        receiver.tell("reload")
    with Device(receiver.port) as device:
        device.send()
    receiver.plugin("fine", NOTING)
    receiver.plugin("lost", NOTING)
    receiver.tell("reload")
    receiver.wait_until_idle()

    assert "lost" not in str(refused.value).replace("no_such_library", "")
    assert [note.seq for note in noted(receiver, "fine")] == [1]
    assert [note.seq for note in noted(receiver, "lost")] == [1]

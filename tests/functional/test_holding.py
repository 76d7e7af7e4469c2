"""A reaction that nobody lets in: it says so, loses nothing, and goes on when the operator has acted."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from functional_harness import NOTES, Device, Receiver, noted, until

pytestmark = pytest.mark.functional

GUARDED = (
    NOTES
    + """
import os
from hikrecv import Hold

@hookimpl
async def hikrecv_event(event, context):
    if not os.path.exists(context.state_dir / "right"):
        raise Hold("hr.example refused the login; correct its password")
    note(context, event.seq, event.key)
"""
)
TABLES = """
[metrics]
listen = "tcp:0:interface=127.0.0.1"
[reactions.hr]
plugin = "guarded"
isolate = {isolate}
"""


def deliveryz(receiver: Receiver) -> tuple[int, str]:
    try:
        with urlopen(f"http://{receiver.tell('status')['metrics']}/deliveryz", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("isolate", ["false", "true"])
def test_a_wrong_password_loses_nothing_and_is_seen(new_receiver, isolate: str) -> None:
    receiver = new_receiver(TABLES.format(isolate=isolate), plugins={"guarded": GUARDED}).start()
    with Device(receiver.port) as device:
        assert [device.send(device.message()).status for _ in range(20)] == [200] * 20
    until(lambda: receiver.reaction("hr")["state"] == "holding", "it holds")
    until(lambda: deliveryz(receiver)[0] == 503, "and that is seen from outside")

    page = deliveryz(receiver)[1]
    shown = receiver.command("reactions")
    assert "hr.example refused the login; correct its password" in page
    assert "holding" in shown
    assert "ALARM: hr holds at" in receiver.log
    assert receiver.dead_letters("hr") == []

    (receiver.state.plugins / "hr").mkdir(mode=0o700, parents=True, exist_ok=True)
    (receiver.state.plugins / "hr" / "right").touch()
    receiver.command("reactions", "resume", "hr")
    receiver.wait_until_idle()

    assert [note.seq for note in noted(receiver, "hr")] == list(range(1, 21))
    assert receiver.dead_letters("hr") == []
    assert deliveryz(receiver)[0] == 200

"""A terminal waits for permission in the answer to its request: every end that a plugin can come to."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from http.client import HTTPConnection
from typing import Any

import msgspec
import pytest
from functional_harness import BIN, Receiver, run, until

from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.minmoe import verified

pytestmark = pytest.mark.functional

MOMENT: dict[str, datetime] = {}
"""When the terminal asks: one moment a test, taken when it begins, for a late question is denied."""


@pytest.fixture(autouse=True)
def moment() -> None:
    MOMENT["now"] = datetime.now(timezone.utc)


BUDGET = 1.0
PLUGIN = """
import time
from twisted.internet.defer import Deferred
from hikrecv import hookimpl

HIKRECV_API = 1

@hookimpl
{kind} hikrecv_remote_check(event, context):
    with open(context.state_dir / "asked", "a") as out:
        out.write(f"{{event.access.serial_no}}\\n")
    {answer}
"""
ANSWERS = {
    "yes": ("async def", "return True"),
    "no": ("def", "return False"),
    "silent": ("async def", "return None"),
    "broken": ("async def", "raise RuntimeError('a bug')"),
    "truthy": ("def", "return 'yes'"),
    "hangs": ("async def", "await Deferred()"),
    "blocks": ("def", "time.sleep(4)"),
}
PLUGINS = {name: PLUGIN.format(kind=kind, answer=answer) for name, (kind, answer) in ANSWERS.items()}
TABLES = """
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
token = "Secret1234"
[devices.door]
address = "127.0.0.1"
mac = "ac:cb:51:00:00:01"
"""


def tables(*names: str) -> str:
    reactions = "".join(f'[reactions.{name}]\nplugin = "{name}"\n' for name in names)
    asked = msgspec.json.encode(names).decode()
    return f"{TABLES}[remote_check]\nreactions = {asked}\nbudget = {BUDGET}\n{reactions}"


def ask(receiver: Receiver, serial: int, *, device: int = 1, path: str = "/Secret1234") -> tuple[Any, float]:
    """The decision that the terminal is told, and how long it took."""
    message = verified(Identity(device), MOMENT["now"], serial, remote_check=True)
    began = time.monotonic()
    line = HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    line.request("POST", path, message.body, {"Content-Type": message.content_type})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    took = time.monotonic() - began
    if answer.status != 200 or not body:
        return answer.status, took
    assert answer.getheader("Content-Type") == "application/json"
    decision = msgspec.json.decode(body)["RemoteCheck"]
    assert decision["serialNo"] == serial
    return decision["checkResult"], took


@pytest.fixture
def terminal(new_receiver) -> Any:
    def start(*names: str) -> Receiver:
        receiver = new_receiver(tables(*names), plugins=PLUGINS).start()
        # Who asks in the first moments, before the reactions have their places, is denied.
        until(
            lambda: all(row["state"] != "stopped" for row in receiver.tell("reactions")), "all can be asked"
        )
        return receiver

    return start


@pytest.mark.parametrize(
    ("names", "decision"),
    [
        (("yes",), "success"),
        (("silent", "yes"), "success"),
        (("no",), "failed"),
        (("yes", "no"), "failed"),
        (("silent",), "failed"),
        (("broken", "yes"), "failed"),
        (("truthy",), "failed"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_the_first_no_or_failure_denies_and_somebody_must_say_yes(terminal, names, decision) -> None:
    receiver = terminal(*names)

    assert ask(receiver, 1)[0] == decision, receiver.log
    assert len(receiver.kept()) == 1
    assert ("permitted" if decision == "success" else "is denied") in receiver.log


@pytest.mark.parametrize("name", ["hangs", "blocks"])
def test_who_does_not_answer_in_time_denies_within_the_budget(terminal, name: str) -> None:
    receiver = terminal(name, "yes")

    decision, took = ask(receiver, 1)

    assert decision == "failed"
    assert BUDGET * 0.9 < took < BUDGET + 1.5


def test_the_same_question_gets_the_same_answer_also_after_a_restart(terminal) -> None:
    receiver = terminal("yes")
    first = ask(receiver, 1)[0]

    receiver.kill()
    receiver.plugin("yes", PLUGINS["no"])
    receiver.start()
    again, other = ask(receiver, 1)[0], ask(receiver, 2)[0]

    assert (first, again, other) == ("success", "success", "failed")
    asked = (receiver.state.plugins / "yes" / "asked").read_text().split()
    assert asked == ["1", "2"]
    assert len(receiver.kept()) == 3


def test_a_terminal_that_the_configuration_does_not_name_is_denied_and_nobody_is_asked(terminal) -> None:
    receiver = terminal("yes")

    assert ask(receiver, 1, device=2)[0] == "failed"
    assert ask(receiver, 1, path="/")[0] == 403

    assert not (receiver.state.plugins / "yes" / "asked").exists()
    assert len(receiver.kept()) == 1


def test_without_a_question_there_is_no_body_in_the_answer(terminal) -> None:
    receiver = terminal("yes")
    message = verified(Identity(1), MOMENT["now"], 7)

    line = HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    line.request("POST", "/Secret1234", message.body, {"Content-Type": message.content_type})
    answer = line.getresponse()

    assert (answer.status, answer.read()) == (200, b"")
    line.close()


def test_an_open_port_is_refused_for_who_decides_about_doors(new_receiver) -> None:
    open_to_all = tables("yes").replace('token = "Secret1234"\n', "")
    receiver: Receiver = new_receiver(open_to_all, plugins=PLUGINS)

    said = run([str(BIN / "hikrecv"), "check", str(receiver.config)], code=3)

    assert "anybody may send to tcp:0:interface=127.0.0.1; give it allow, token or login" in said

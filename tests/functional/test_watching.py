"""What others look at: metrics, health, and logs that machines read."""

from __future__ import annotations

import re
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from functional_harness import BIN, NOTING, Device, Receiver, json_lines, until

pytestmark = pytest.mark.functional

TABLES = """
[metrics]
listen = "tcp:0:interface=127.0.0.1"
[log]
format = "json"
[reactions.hq]
plugin = "noting"
[reactions.bad]
plugin = "bad"
retry = 1
"""

BAD = """
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event, context):
    context.log.warn("about \\x1b[31m{event}", event=event.id)
    raise ValueError("no")
"""


def get(receiver: Receiver, page: str, port: int | None = None) -> tuple[int, str]:
    address = receiver.tell("status")["metrics"] if port is None else f"127.0.0.1:{port}"
    try:
        with urlopen(f"http://{address}/{page}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def figure(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"{name} is not in:\n{text}"
    return float(found[1])


@pytest.fixture
def receiver(new_receiver) -> Receiver:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING, "bad": BAD}).start()
    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(10)} == {200}
    receiver.wait_until_idle()
    return receiver


def test_metrics_and_health_are_on_a_port_of_their_own(receiver: Receiver) -> None:
    status, text = get(receiver, "metrics")

    assert status == 200
    assert figure(text, "hikrecv_journal_last_seq_total") == 10
    assert figure(text, "hikrecv_answer_seconds_count") == 10
    assert figure(text, 'hikrecv_reaction_done_total{reaction="hq"}') == 10
    assert figure(text, 'hikrecv_reaction_lag_events{reaction="hq"}') == 0
    assert get(receiver, "healthz") == (200, "ok\n")
    assert get(receiver, "readyz") == (200, "ok\n")
    # A device's port shows nobody anything.
    assert "hikrecv_" not in get(receiver, "metrics", receiver.port)[1]


def test_dead_letters_are_counted_within_a_second_or_so(receiver: Receiver) -> None:
    name = 'hikrecv_reaction_dead_letters{reaction="bad"}'

    until(lambda: figure(get(receiver, "metrics")[1], name) == 10, "they are counted", 5)


def test_each_line_of_a_json_log_parses_and_names_the_event(receiver: Receiver) -> None:
    first = receiver.events().__next__()
    receiver.stop()
    lines = json_lines(receiver.log)
    about = [line for line in lines if line.get("event") == first.id]

    assert all({"time", "level", "from", "text"} <= line.keys() for line in lines)
    assert {line["from"] for line in about} >= {"hikrecv.reactions.bad", "hikrecv.reactions.handover"}
    assert "\x1b" not in receiver.log
    assert lines[-1]["text"]


SPEAKING = """
from twisted.internet.task import deferLater
from twisted.logger import Logger
from hikrecv import hookimpl

@hookimpl
async def hikrecv_event(event, context):
    await deferLater(context.clock, 0.01)
    Logger(namespace=context.name).info("one line of {name}", name=context.name)
"""
SPEAKING_PLAIN = """
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event, context):
    context.log.info("one line of {name}", name=context.name)
"""


def test_one_id_leads_from_the_request_to_the_plugin(new_receiver) -> None:
    tables = """
        [log]
        format = "json"
        level = "debug"
        [reactions.coroutine]
        plugin = "speaking"
        [reactions.thread]
        plugin = "speaking_plain"
        [reactions.process]
        plugin = "speaking_plain"
        isolate = true
    """
    plugins = {"speaking": SPEAKING, "speaking_plain": SPEAKING_PLAIN}
    receiver = new_receiver(tables, plugins=plugins).start()
    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(3)} == {200}
    receiver.wait_until_idle()
    ids = [event.id for event in receiver.events()]
    until(lambda: receiver.log.count("one line") == 9, "every line has come through")
    receiver.stop()

    lines = [line for line in json_lines(receiver.log) if "one line" in line["text"]]
    assert {line["level"] for line in lines} == {"info"}
    kept = [line["event"] for line in json_lines(receiver.log) if "kept as" in line["text"]]

    assert kept == ids
    assert sorted(line["event"] for line in lines) == sorted(ids * 3)


@pytest.mark.parametrize("program", [["twist"], ["twistd", "-n", "--pidfile="]])
def test_twistd_and_twist_log_as_the_configuration_says(program: list[str], new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING, "bad": BAD})
    name, *options = program

    receiver.start(str(BIN / name), *options, "hikrecv", "--config", str(receiver.config))
    receiver.stop()

    assert "hikrecv.service" in {line["from"] for line in json_lines(receiver.log)}

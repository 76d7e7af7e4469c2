"""The simulated terminal and barrier with Digest login."""

from __future__ import annotations

from typing import Any

import pytest

from hikrecv.config import DeviceTable, convert
from hikrecv.device.isapi import DeviceClient
from hikrecv.errors import Reject, Retry
from hikrecv.testing.bench import Bench
from hikrecv.testing.door import Command, DigestDevice, echoes
from hikrecv.testing.events import START, WHO, Events
from hikrecv.testing.waiting import result_of


@pytest.fixture
def gate(bench: Bench) -> DeviceClient:
    return bench.context().device("gate")


def now(work: Any) -> Any:
    return result_of(work)


def test_it_does_what_it_is_told_to_by_who_knows_the_password(
    gate: DeviceClient, digest_device: DigestDevice
) -> None:
    now(gate.door("open", 2))
    now(gate.gate("lock"))
    now(gate.output("high", 3))
    now(gate.remote_check(4711, False))

    assert digest_device.commands == [
        Command("door", 2, "open"),
        Command("gate", 1, "lock"),
        Command("output", 3, "high"),
        Command("remote-check", 4711, "failed"),
    ]
    assert all(asked.headers["authorization"].startswith("Digest ") for asked in digest_device.requests)


def test_a_snapshot_is_a_picture(gate: DeviceClient) -> None:
    assert now(gate.snapshot()).startswith(b"\xff\xd8")


def test_five_wrong_logins_lock_it_for_everybody(bench: Bench, digest_device: DigestDevice) -> None:
    table = convert({"address": WHO.ip, "login": {"user": "admin", "password": "guess"}}, DeviceTable)

    for _ in range(6):
        with pytest.raises(Reject):
            now(DeviceClient("gate", table, digest_device.agent, bench.clock).door("open"))

    assert digest_device.wrong_logins == 5
    with pytest.raises(Reject):
        now(bench.context().device("gate").door("open"))
    assert digest_device.commands == []


def test_a_busy_device_certainly_did_nothing(gate: DeviceClient, digest_device: DigestDevice) -> None:
    digest_device.busy()

    with pytest.raises(Retry) as caught:
        now(gate.door("open"))

    assert caught.value.certain
    assert digest_device.commands == []


def test_a_lost_answer_leaves_it_open_whether_it_was_done(
    gate: DeviceClient, digest_device: DigestDevice
) -> None:
    digest_device.lose_answer()

    with pytest.raises(Retry) as caught:
        now(gate.door("open"))

    assert not caught.value.certain
    assert digest_device.commands == [Command("door", 1, "open")]


def test_a_call_that_it_does_not_have_is_refused(gate: DeviceClient, digest_device: DigestDevice) -> None:
    with pytest.raises(Reject, match="notSupport"):
        now(gate.put("/ISAPI/System/reboot", "<a/>"))

    assert digest_device.commands == []


def test_who_listens_hears_each_command(bench: Bench) -> None:
    heard: list[Command] = []
    device = DigestDevice(bench.clock, heard=heard.append)
    table = convert({"address": WHO.ip, "login": device.login}, DeviceTable)

    now(DeviceClient("gate", table, device.agent, bench.clock).door("alwaysOpen"))

    assert heard == [Command("door", 1, "alwaysOpen")]


def test_a_terminal_reports_what_it_did_itself() -> None:
    messages = echoes(Command("door", 1, "open"), WHO, START)

    events = [Events().of(message)[0] for message in messages]

    assert [(event.access.major, event.access.minor) for event in events] == [(5, 21), (5, 22)]  # type: ignore[union-attr]
    assert echoes(Command("output", 1, "high"), WHO, START) == []

"""What a service manager hears: over a real datagram socket, with a clock of our own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from hikrecv.systemd import ServiceManager


class Manager:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        found: list[str] = []
        with suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(4096).decode())
        return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@hikrecv-test-{os.getpid()}"
    made = Manager(address)
    yield made
    made.socket.close()


def test_it_hears_what_happens_in_the_order_in_which_it_happens(manager: Manager) -> None:
    ours = ServiceManager.of({"NOTIFY_SOCKET": manager.address}, Clock())

    ours.ready("listening on 10.0.0.5:8089")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.ready("listening on 10.0.0.5:8089")
    ours.stopping()
    ours.close()

    ready, reloading, again, stopping = manager.heard()
    assert ready == again == "READY=1\nSTATUS=listening on 10.0.0.5:8089"
    state, moment = reloading.split("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert before <= int(moment) <= after
    assert stopping.startswith("STOPPING=1\n")


def test_the_watchdog_is_fed_by_the_reactor_from_ready_on_and_until_the_end(manager: Manager) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000"}
    ours = ServiceManager.of(environment | {"WATCHDOG_PID": str(os.getpid())}, clock)

    clock.pump([30.0] * 2)
    assert manager.heard() == []
    ours.ready("")
    assert manager.heard()[1:] == ["WATCHDOG=1"]
    clock.pump([10.0] * 9)
    assert manager.heard() == ["WATCHDOG=1"] * 3
    ours.stopping()
    clock.advance(30.0)
    assert manager.heard()[1:] == ["WATCHDOG=1"]
    ours.close()
    clock.advance(300.0)
    assert manager.heard() == []


def test_the_watchdog_of_another_process_is_not_fed(manager: Manager) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    ours = ServiceManager.of(environment, clock)

    ours.ready("")
    clock.advance(60.0)

    assert manager.heard() == ["READY=1\nSTATUS="]
    ours.close()


def test_programs_that_the_receiver_starts_cannot_speak_for_it(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}

    ServiceManager.of(environment, Clock()).close()

    assert environment == {"HOME": "/"}


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_a_manager_that_does_not_listen_disturbs_nobody(address: str) -> None:
    clock = Clock()
    ours = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}, clock)

    ours.ready("")
    clock.advance(1.0)
    ours.stopping()
    ours.close()
    ours.stopping()

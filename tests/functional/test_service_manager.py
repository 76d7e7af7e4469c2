"""Under a service manager (sd_notify): ready, reloading, alive, stopping; a real process on a real socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from functional_harness import post, until

from hikrecv.testing.profiles.deepinview import vendor_note

pytestmark = pytest.mark.functional

PRINTS = """
import os
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event, context):
    (context.state_dir / "environment").write_text(" ".join(os.environ))
"""


def test_it_hears_ready_reloading_alive_and_stopping(
    new_receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        receiver = new_receiver('[reactions.print]\nplugin = "prints"\n', plugins={"prints": PRINTS})

        receiver.start(ready=False)
        ready = manager.recv(4096).decode()
        # Ready means just that: the first push, with no further wait, is kept.
        answer = post(int(ready.partition(";")[0].rpartition(":")[2]), vendor_note())
        # Alive is said again and again, by the reactor's own clock.
        alive = [manager.recv(4096).decode() for _ in range(2)]
        receiver.wait_until_ready()
        receiver.tell("reload")
        printed = receiver.state.plugins / "print" / "environment"
        until(printed.exists, "the hook was called")
        assert receiver.stop() == 0
        manager.setblocking(False)
        heard = [ready, *alive]
        while not heard[-1].startswith("STOPPING=1"):
            heard.append(manager.recv(4096).decode())

    assert ready.startswith("READY=1\nSTATUS=listening on 127.0.0.1:")
    assert ready.endswith(f"; state in {receiver.state.root}")
    assert answer.status == 200
    words = [line.partition("\n")[0] for line in heard]
    assert [word for word in words if word != "WATCHDOG=1"] == [
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]
    assert alive == ["WATCHDOG=1"] * 2
    # What reactions start must not speak for the receiver.
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(printed.read_text().split())


def test_a_receiver_that_cannot_start_is_never_ready(
    new_receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        receiver = new_receiver("[journal]\nkept = 1\n")

        receiver.start(ready=False)
        assert receiver.process is not None
        assert receiver.process.wait(20) == 3

        with pytest.raises(BlockingIOError):
            manager.recv(4096)

"""What was acknowledged first is handed over, too, whenever in its first seconds the receiver ends."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from functional_harness import NOTING, Device, Receiver, digest, noted, until

pytestmark = pytest.mark.functional

REACTIONS = """
[reactions.a]
plugin = "noting"
[reactions.b]
plugin = "noting"
concurrency = 4
[reactions.c]
plugin = "noting"
from = "beginning"
[reactions.once]
plugin = "noting"
delivery = "at-most-once"
max_age = "1h"
"""
LATER = """
[reactions.later]
plugin = "noting"
hold = "always"
"""
MOMENTS = [0, 10, 25, 50, 75, 100, 150, 200, 275, 350, 450, 550, 700, 850, 1000, 1250, 1500, 1750, 2000]
"""Milliseconds after the first 200."""


@pytest.fixture(scope="session")
def slow_sync(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the ledger's syncs slow, as on a busy disk."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for what makes the ledger slow")
    made = tmp_path_factory.mktemp("slow") / "slow_sync.so"
    source = Path(__file__).with_name("slow_sync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True, timeout=30)
    return made


class Burst:
    """Sends from the first moment at which the port is open, until it is not any more."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[str] = []
        self._port = port
        self._ended = False
        self._thread = Thread(target=self._send, daemon=True)

    def __enter__(self) -> Burst:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join(30)

    def _send(self) -> None:
        with Device(self._port, large_every=0) as device:
            message = device.message()
            while not self._ended:
                try:
                    answer = device.send(message)
                except OSError:
                    time.sleep(0.002)
                    continue
                if answer.status == 200:
                    self.acknowledged.append(digest(message.body))
                    message = device.message()


@pytest.fixture
def slow_receiver(
    new_receiver: Callable[..., Receiver], slow_sync: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Receiver, int]:
    """A fresh receiver whose ledger needs 150 ms for each sync, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = f'[[listen]]\nendpoint = "tcp:{port}:interface=127.0.0.1"\n'
    receiver = new_receiver(listen + REACTIONS, plugins={"noting": NOTING})
    monkeypatch.setenv("LD_PRELOAD", str(slow_sync))
    monkeypatch.setenv("SLOW_SYNC_OF", "ledger.sqlite")
    monkeypatch.setenv("SLOW_SYNC_MS", "150")
    return receiver, port


def end(receiver: Receiver, how: str) -> None:
    if how == "kill":
        receiver.kill()
    else:
        assert receiver.stop() == 0


def assert_each_was_handed_over(receiver: Receiver, acknowledged: list[str], reactions: str) -> None:
    """Started again, every reaction gets what was acknowledged."""
    receiver.start()
    receiver.wait_until_idle()
    kept = receiver.kept()
    wanted = {seq for seq, known in kept.items() if known in set(acknowledged)}
    assert len(wanted) >= len(acknowledged) > 0
    for name in reactions.split():
        given = {note.seq for note in noted(receiver, name)}
        if name == "once":
            # What was begun when the process died is perhaps done: it is a dead letter.
            given |= {letter.seq for letter in receiver.dead_letters(name)}
        never = sorted(wanted - given)
        assert not never, f"{name} never got {len(never)} of {len(wanted)}, {never[0]} to {never[-1]}"


@pytest.mark.parametrize(
    ("moment", "how"), [(each, ("kill", "stop")[place % 2]) for place, each in enumerate(MOMENTS)]
)
def test_what_was_acknowledged_first_reaches_every_reaction(
    slow_receiver: tuple[Receiver, int], monkeypatch: pytest.MonkeyPatch, moment: int, how: str
) -> None:
    receiver, port = slow_receiver

    with Burst(port) as burst:
        receiver.start(ready=False)
        until(lambda: burst.acknowledged, "the first 200", 30)
        time.sleep(moment / 1000)
        end(receiver, how)
    monkeypatch.delenv("LD_PRELOAD")

    assert_each_was_handed_over(receiver, burst.acknowledged, "a b c once")


@pytest.mark.torture
@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("moment", range(0, 2001, 20))
def test_the_same_at_every_twentieth_millisecond(
    slow_receiver: tuple[Receiver, int], monkeypatch: pytest.MonkeyPatch, moment: int, how: str
) -> None:
    test_what_was_acknowledged_first_reaches_every_reaction(slow_receiver, monkeypatch, moment, how)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_was_acknowledged_after_a_reload_reaches_the_reaction_that_it_added(
    slow_receiver: tuple[Receiver, int], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    receiver, port = slow_receiver
    receiver.start()
    before = receiver.config.read_text()
    receiver.config.write_text(before + LATER)
    assert receiver.process is not None

    with Device(port, large_every=0) as device:
        assert device.send().status == 200
        receiver.process.send_signal(signal.SIGHUP)
        until(lambda: b'"later"' in (receiver.state.journal / "holds").read_bytes(), "it was accepted")
        message = device.message()
        assert device.send(message).status == 200
        end(receiver, how)
    monkeypatch.delenv("LD_PRELOAD")

    assert_each_was_handed_over(receiver, [digest(message.body)], "a b c once later")

"""Two receivers as they are run: a site, and the centre that it reports to."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from hikrecv import Event
from hikrecv.testing.events import WHO
from hikrecv.testing.message import Message
from hikrecv.testing.samples import sample

DEVICE = "127.0.0.2"
CENTER = """
[[listen]]
endpoint = "tcp:{center}:interface=127.0.0.1"
login = "digest"
user = "site"
password = "Mirror-1"

[devices.gate]
address = "127.0.0.1"
mac = "{mac}"
"""
EDGE = """
[[listen]]
endpoint = "tcp:{edge}:interface=127.0.0.1"
token = "s3cret"

[devices.gate]
address = "{device}"
mac = "{mac}"

[reactions.center]
plugin = "mirror"
url = "http://127.0.0.1:{center}/"
path = "device"
digest = {{ user = "site", password = "Mirror-1" }}
isolate = {isolate}
"""


class Receiver:
    """A receiver in a process of its own, and what it has."""

    def __init__(self, folder: Path, name: str, config: str, port: int) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.config = self.folder / "hikrecv.toml"
        self.config.write_text(config)
        self.port = port
        self.process: Any = None

    def start(self) -> None:
        command = [sys.executable, "-m", "hikrecv.cli", "run", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            state = ["--state-dir", str(self.folder / "state")]
            self.process = subprocess.Popen([*command, *state], stdout=log, stderr=log)
        until(self.answers, self.log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def events(self) -> list[Event]:
        given = ["--config", str(self.config), "--state-dir", str(self.folder / "state"), "--format", "jsonl"]
        command = [sys.executable, "-m", "hikrecv.cli", "events", *given]
        done = subprocess.run(command, capture_output=True, timeout=30)
        return [Event.from_json(line) for line in done.stdout.splitlines()]


def until(enough: Callable[[], bool], log: Callable[[], str], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not enough():
        if time.monotonic() > end:
            pytest.fail(f"it did not happen:\n{log()}")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def send(port: int, message: Message) -> None:
    """As the device does, from an address of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(DEVICE, 0)) as connection:
        connection.sendall(message.request(path="/s3cret/hik"))
        assert b" 200 " in connection.recv(1_000)


@pytest.fixture(params=["false", "true"], ids=["within", "isolated"])
def both(tmp_path: Path, request: Any) -> Iterator[tuple[Receiver, Receiver]]:
    edge, center = free_ports(2)
    given = {"edge": edge, "center": center, "mac": WHO.mac, "device": DEVICE, "isolate": request.param}
    receivers = (
        Receiver(tmp_path, "edge", EDGE.format(**given), edge),
        Receiver(tmp_path, "center", CENTER.format(**given), center),
    )
    yield receivers
    for each in receivers:
        each.kill()


@pytest.mark.functional
@pytest.mark.timeout(120)
def test_the_center_has_what_the_site_has_whatever_is_killed(both: tuple[Receiver, Receiver]) -> None:
    edge, center = both
    edge.start()
    center.start()
    now = datetime.now(timezone.utc)

    send(edge.port, sample("plate", WHO, now))
    until(lambda: len(center.events()) == 1, edge.log)
    center.kill()
    send(edge.port, sample("face-match", WHO, now))
    send(edge.port, sample("intrusion", WHO, now))
    edge.kill()
    center.start()
    edge.start()
    until(lambda: len({event.key for event in center.events()}) == 3, edge.log)

    here = edge.events()
    there = [event for event in center.events() if event.duplicate_of is None]
    assert [event.key for event in there] == [event.key for event in here]
    assert {event.device.id for event in (*here, *there)} == {"gate"}
    assert {event.peer.trust for event in here} == {"token"}
    assert {event.peer.trust for event in there} == {"login"}
    assert not {event.id for event in here} & {event.id for event in there}
    assert [len(event.pictures) for event in there] == [len(event.pictures) for event in here]

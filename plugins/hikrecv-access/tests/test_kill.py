"""At most once, when the receiver is killed between the door and the answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECEIVER = """
import os, signal, sys
from pathlib import Path
import hikrecv_access
from hikrecv.testing.bench import Bench
from hikrecv.testing.receiver import MemoryReceiver

folder, deadly, new = Path(sys.argv[1]), sys.argv[2] == "deadly", sys.argv[3:]

def heard(command):
    with (folder / "commands").open("a") as file:
        file.write(f"{command.what} {command.word}\\n")
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)

bench = Bench(folder / "state")
bench.device._heard = heard
receiver = MemoryReceiver(bench)
receiver.start({"door": {"plugin": "access", "what": "gate", "unknown": "allow", "max_age": "1h"}})
receiver.advance(0 if deadly else 600)
for family in new:
    receiver.push(family)
receiver.catch_up()
for letter in receiver.dead_letters():
    print(letter.reason)
receiver.stop()
"""


def run(folder: Path, deadly: str, *new: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RECEIVER, str(folder), deadly, *new]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


@pytest.mark.functional
def test_a_receiver_that_is_killed_while_it_opens_does_not_open_again(tmp_path: Path) -> None:
    killed = run(tmp_path, "deadly", "plate")
    assert killed.returncode == -9, killed.stderr

    after = run(tmp_path, "harmless")

    assert after.returncode == 0, after.stderr
    assert (tmp_path / "commands").read_text() == "gate open\n"
    assert after.stdout.startswith("perhaps done: it was begun before")


@pytest.mark.functional
def test_what_came_after_it_is_done(tmp_path: Path) -> None:
    run(tmp_path, "deadly", "plate")

    after = run(tmp_path, "harmless", "plate", "plate")

    assert after.returncode == 0, after.stderr
    assert (tmp_path / "commands").read_text() == "gate open\n" * 3
    assert len(after.stdout.splitlines()) == 1

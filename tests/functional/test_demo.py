"""`make demo`: one at a time, and it keeps nothing of a real camera when it has ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from functional_harness import post, run, until

from hikrecv.journal.reader import JournalReader
from hikrecv.reactions.plugins import find
from hikrecv.testing.profiles.deepinview import vendor_note

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(
        not {"lines", "forward"} <= set(find().names),
        reason="the demo needs hikrecv-lines and hikrecv-forward",
    ),
]


def free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as free:
        return int(free.getsockname()[1])


def lives(pid: int) -> bool:
    """Not as a zombie, which nobody may fetch in a container."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def words(port: int, folder: Path) -> list[str]:
    return [sys.executable, "-m", "hikrecv.cli.demo", "--port", str(port), "--folder", str(folder)]


class Running:
    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        until(lambda: text in self.said, f"it says {text!r}", 30)


@contextmanager
def demo(folder: Path) -> Iterator[Running]:
    port = free_port()
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(words(port, folder), stdout=out, stderr=out, start_new_session=True)
    try:
        yield Running(process, port, log)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def kept(folder: Path) -> int:
    return JournalReader(folder / "state").last


def test_a_second_one_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as first:
        first.wait_for("Ctrl-C to stop")
        before = kept(folder)

        second = run(words(free_port(), folder), folder=tmp_path, code=1)

        assert f"hikrecv: another demo runs in {folder}; end it with Ctrl-C" in second
        assert post(first.port, vendor_note()).status == 200
        assert kept(folder) == before + 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_it_kept_is_deleted_and_it_says_so_before_and_after(
    tmp_path: Path, ending: signal.Signals
) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as running:
        running.wait_for("what it keeps is deleted when it stops")
        assert post(running.port, vendor_note()).status == 200
        running.process.send_signal(ending)
        code = running.process.wait(30)

    assert code == 0
    assert "what the demo kept is deleted" in running.said
    assert "Traceback" not in running.said
    assert not folder.exists()


def test_after_a_kill_nobody_deletes_what_its_receiver_still_uses(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder) as killed:
        killed.wait_for("Ctrl-C to stop")
        killed.process.kill()
        killed.process.wait(10)
        receiver = int((folder / "state" / "lock").read_text().split()[0])
        try:
            refused = run(words(killed.port, folder), folder=tmp_path, code=1)
        finally:
            os.kill(receiver, signal.SIGTERM)
        assert "another demo runs in" in refused
        assert f"with `kill {receiver}`" in refused
        until(lambda: not lives(receiver), "the receiver has ended", 30)

    with demo(folder) as again:
        again.wait_for("Ctrl-C to stop")


def test_a_folder_that_is_not_its_own_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-ada").write_text("Dear Ada")

    said = run(words(free_port(), tmp_path / "letters"), folder=tmp_path, code=1)

    assert "is not the folder of a demo" in said
    assert (tmp_path / "letters" / "to-ada").read_text() == "Dear Ada"

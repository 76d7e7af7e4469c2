"""`hikrecv simulate` and Ctrl-C: the figures so far, no traceback, and within a known time."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from functional_harness import BIN, certificate, until

pytestmark = pytest.mark.functional

Sender = subprocess.Popen[str]


@contextmanager
def sender(*words: str) -> Iterator[Sender]:
    command = [str(BIN / "hikrecv"), "simulate", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def interrupted(process: Sender, *, times: int = 1) -> str:
    """What it still says after Ctrl-C."""
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert error.strip() == ""
    return out


@pytest.mark.parametrize("rate", ["50", "0.02"], ids=["while it sends", "while it pauses"])
def test_ctrl_c_gives_the_figures_so_far(new_receiver, rate: str) -> None:
    receiver = new_receiver().start()

    with sender("run", "--devices", "2", "--rate", rate, "--to", f"http://127.0.0.1:{receiver.port}/") as run:
        until(receiver.kept, "something came")
        said = interrupted(run)

    kept = len(receiver.kept())
    assert run.returncode == 0
    assert f"sent {kept}; answers {kept} x 200; without an answer none\n" in said
    assert "ms (median)" in said


def test_ctrl_c_twice_while_nobody_answers_gives_them_too() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        sender("run", "--rate", "50", "--to", f"http://127.0.0.1:{deaf.getsockname()[1]}/") as run,
    ):
        line, _ = deaf.accept()
        assert line.recv(1)
        said = interrupted(run, times=2)
        line.close()

    assert run.returncode == 0
    assert "answers none; without an answer none\n" in said


def test_a_command_that_was_stopped_before_its_end_does_not_look_well() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        sender("send", "vendor-note", "--to", f"http://127.0.0.1:{deaf.getsockname()[1]}/") as send,
    ):
        line, _ = deaf.accept()
        assert line.recv(1)
        said = interrupted(send)
        line.close()

    assert send.returncode == 130
    assert said == ""


@pytest.mark.parametrize("words", [("send", "vendor-note"), ("run", "--devices", "1", "--rate", "20")])
def test_a_certificate_that_cannot_be_verified_is_no_traceback(new_receiver, tmp_path, words) -> None:
    certificate(tmp_path, "camera.test")
    listen = f"ssl:0:interface=127.0.0.1:privateKey={tmp_path}/key.pem:certKey={tmp_path}/cert.pem"
    receiver = new_receiver(f'[[listen]]\nendpoint = "{listen}"\n').start()

    with sender(*words, "--to", f"https://127.0.0.1:{receiver.port}/") as process:
        if words[0] == "run":
            receiver.wait_for_log("TLS failed")
            process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=20)

    assert "Traceback" not in error
    if words[0] == "send":
        assert process.returncode == 1
        assert "its certificate cannot be verified; --insecure sends all the same, as cameras do\n" in error
    else:
        assert "answers none" in out

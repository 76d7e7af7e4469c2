"""The ways to run a receiver, what it refuses before it listens, and how it stops."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from functional_harness import BIN, BOUND, NOTES, Device, Fleet, Receiver, noted, post, run, until

from hikrecv.testing.profiles.deepinview import vendor_note

pytestmark = pytest.mark.functional

LISTEN = "tcp:0:interface=127.0.0.1"
WAYS = {
    "hikrecv run": ("hikrecv", "run"),
    "twist": ("twist", "hikrecv"),
    "twistd": ("twistd", "-n", "--pidfile=", "hikrecv"),
}


def command(way: str, *words: str) -> list[str]:
    program, *more = WAYS[way]
    return [str(BIN / program), *more, *words]


# -- the ways to run it --------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_it_runs_in_the_foreground_on_several_ports(way: str, new_receiver) -> None:
    receiver = new_receiver()
    options = ["--state-dir", str(receiver.state.root), "--port", LISTEN, "--port", LISTEN]

    receiver.start(*command(way, *options))
    answers = [post(port, vendor_note()).status for port in receiver.ports]
    code = receiver.stop()

    assert answers == [200, 200]
    assert len(receiver.kept()) == 2
    # twistd and twist end by the signal that ended them, after they have stopped.
    assert code in (0, -signal.SIGTERM)
    assert "everything that was acknowledged is on disk" in receiver.log
    assert "events are kept in" in receiver.log
    assert str(receiver.state.root) in receiver.log


def test_it_runs_as_a_daemon_with_a_pidfile_and_a_logfile(new_receiver) -> None:
    receiver = new_receiver()
    pidfile, logfile = receiver.folder / "pid", receiver.folder / "daemon.log"
    words = [
        "--pidfile",
        str(pidfile),
        "--logfile",
        str(logfile),
        "hikrecv",
        "--config",
        str(receiver.config),
    ]

    said = run([str(BIN / "twistd"), *words], folder=receiver.folder)
    try:
        receiver.wait_until_ready()
        pid, port = int(pidfile.read_text()), receiver.port
        answer = post(port, vendor_note())
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
    until(lambda: not pidfile.exists(), "the pidfile is gone", 20)
    until(lambda: not _lives(pid), "the process is gone")

    assert answer.status == 200
    # Later only the log speaks: who has typed it is told once where to point cameras and where to look.
    url, state = f"http://127.0.0.1:{port}/", receiver.state.root
    assert said == f"hikrecv: listening on {url}; events are kept in {state}; the log is {logfile}\n"
    assert len(receiver.kept()) == 1
    assert "everything that was acknowledged is on disk" in logfile.read_text()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="hikrecv-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_as_root_it_binds_and_then_becomes_somebody_else(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    nobody = pwd.getpwnam("nobody")
    if not _may_run(nobody.pw_uid):
        pytest.skip("this interpreter, or hikrecv, cannot be read by nobody")
    receiver = Receiver(open_folder / "receiver")
    ids = [f"--uid={nobody.pw_uid}", f"--gid={nobody.pw_gid}"]
    words = [str(BIN / "twistd"), "-n", "--pidfile=", *ids, "hikrecv", "--config", str(receiver.config)]

    try:
        receiver.start(*words)
        answer = post(receiver.port, vendor_note())
        assert receiver.process is not None
        status = Path(f"/proc/{receiver.process.pid}/status").read_text()
        receiver.stop()
    finally:
        receiver.end()

    assert answer.status == 200
    assert f"Uid:\t{nobody.pw_uid}\t{nobody.pw_uid}" in status
    assert {path.stat().st_uid for path in receiver.state.root.rglob("*")} == {nobody.pw_uid}


def _may_run(uid: int) -> bool:
    probe = [sys.executable, "-c", "import hikrecv.tap"]
    try:
        return not subprocess.run(probe, user=uid, capture_output=True, cwd="/", check=False).returncode
    except PermissionError:
        return False


# -- what it refuses --------------------------------------------------------------------


def refusal(way: str, *words: str, code: int = 3) -> str:
    """What it says when it does not start: one sentence and the exit code."""
    done = subprocess.run(command(way, *words), capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("hikrecv: ")
    return sentence


@pytest.mark.parametrize("way", WAYS)
def test_a_port_that_is_taken_is_one_sentence(way: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = f"tcp:{port}:interface=127.0.0.1"

        said = refusal(way, "--state-dir", str(tmp_path / "state"), "--port", LISTEN, "--port", other, code=5)

    assert f"cannot listen on tcp:{port}" in said
    assert "another program listens there" in said


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("address", ["192.0.2.7", "fe80\\:\\:1%eth97"])
def test_an_address_that_is_not_there_yet_is_one_sentence_and_may_be_tried_again(
    way: str, address: str, tmp_path: Path
) -> None:
    endpoint = f"tcp:0:interface={address}"

    said = refusal(way, "--state-dir", str(tmp_path / "state"), "--port", endpoint, code=5)

    assert "wait for its network, or correct" in said


@pytest.mark.parametrize("way", ["hikrecv run", "twistd"])
def test_a_port_for_metrics_that_is_taken_is_one_sentence(way: str, tmp_path: Path) -> None:
    config = tmp_path / "hikrecv.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        metrics = f'[metrics]\nlisten = "tcp:{port}:interface=127.0.0.1"\n'
        config.write_text(f'state_dir = "state"\n[[listen]]\nendpoint = "{LISTEN}"\n{metrics}')

        said = refusal(way, "--config", str(config), code=5)

    assert f"cannot listen on tcp:{port}:interface=127.0.0.1 for metrics" in said


@pytest.mark.parametrize("way", ["hikrecv run", "twistd"])
def test_a_bad_configuration_is_one_sentence_that_names_the_key(way: str, tmp_path: Path) -> None:
    config = tmp_path / "hikrecv.toml"
    config.write_text('state_dir = "state"\n[journal]\nkept = "30d"\n')

    said = refusal(way, "--config", str(config))

    assert "journal.kept" in said
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("way", ["hikrecv run", "twist"])
def test_a_state_directory_that_cannot_be_used_is_one_sentence(way: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = refusal(way, "--state-dir", str(tmp_path / "file" / "state"), "--port", LISTEN)

    assert str(tmp_path / "file" / "state") in said
    assert "--state-dir" in said


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_that_cannot_be_opened_is_one_sentence_too(way: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "journal").symlink_to("/dev/null")

    said = refusal(way, "--state-dir", str(state), "--port", LISTEN)

    assert f"cannot use {state}" in said


def test_a_state_directory_in_use_is_one_sentence_that_names_the_process(new_receiver) -> None:
    receiver = new_receiver().start()
    assert receiver.process is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    for way in WAYS:
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        said = refusal(way, "--state-dir", str(receiver.state.root), "--port", endpoint)

        assert f"process {receiver.process.pid}" in said
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
    assert post(receiver.port, vendor_note()).status == 200


# -- how it stops -------------------------------------------------------------------------


SLOW = (
    NOTES
    + """
import time

@hookimpl
def hikrecv_event(event, context):
    time.sleep(0.3)
    note(context, event.seq, event.key)
"""
)


def test_sigterm_under_load_loses_nothing_that_was_acknowledged(new_receiver) -> None:
    tables = '[reactions.slow]\nplugin = "slow"\n'
    receiver = new_receiver(tables, plugins={"slow": SLOW}).start()

    with Fleet(16) as fleet:
        fleet.start(receiver.port)
        fleet.wait_for(150)
        began = time.monotonic()
        receiver.stop()
        span = time.monotonic() - began
    kept = receiver.kept()
    done = noted(receiver, "slow")
    receiver.start()
    until(lambda: len(noted(receiver, "slow")) > len(done), "the reaction goes on")
    again = noted(receiver, "slow")

    assert fleet.acknowledged <= set(kept.values())
    assert span < 20
    # The call that was under way came to its end, and was not begun a second time.
    assert [note.seq for note in again] == list(range(1, len(again) + 1))


def test_sigterm_lets_a_request_under_way_end(new_receiver) -> None:
    receiver = new_receiver().start()
    body = Device().message().body
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert receiver.process is not None

    with socket.create_connection(("127.0.0.1", receiver.port), 10) as line:
        line.sendall(head)
        assert line.recv(1000).startswith(b"HTTP/1.1 100 ")
        receiver.process.terminate()
        receiver.wait_for_log("Received SIGTERM")
        line.sendall(body)
        answer = line.recv(1000)
    receiver.process.wait(20)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert list(receiver.kept()) == [1]

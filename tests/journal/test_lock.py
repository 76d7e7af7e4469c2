"""One writer for a state directory."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hikrecv.errors import StateInUse, StateTooNew
from hikrecv.journal.lock import Lock

HOLD = """
import sys
from pathlib import Path
from hikrecv.journal.lock import Lock
Lock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(state: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    child = holder(tmp_path / "state")
    try:
        with pytest.raises(StateInUse) as caught:
            Lock(tmp_path / "state").acquire()
    finally:
        child.communicate("")

    expected = rf"{tmp_path}/state is in use by process {child.pid} \(since 20\d\d-.*Z\); stop it first"
    assert re.match(expected, str(caught.value))


def test_it_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    child = holder(tmp_path / "state")
    child.kill()
    child.communicate()

    with Lock(tmp_path / "state"):
        pass


def test_it_can_be_given_back_and_taken_again(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "state", wall=lambda: 0.0)

    with lock, pytest.raises(StateInUse, match=rf"process {os.getpid()} \(since 1970-01-01T00:00:00Z\)"):
        Lock(tmp_path / "state").acquire()
    with Lock(tmp_path / "state"):
        lock.release()


def test_it_is_for_its_user_only(tmp_path: Path) -> None:
    with Lock(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "state" / "lock").stat().st_mode) == 0o600


def test_a_newer_state_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("hikrecv 99\n")

    with pytest.raises(StateTooNew):
        Lock(tmp_path).acquire()

    assert [path.name for path in tmp_path.iterdir()] == ["format"]

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hikrecv_exec
import msgspec
import pytest
import pytest_twisted
from hikrecv_exec_given import variables, visible
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from hikrecv import Device, Event, Hold, Reject, Retry
from hikrecv.config import parse
from hikrecv.errors import ConfigError, PluginError
from hikrecv.reactions.plugins import find
from hikrecv.testing.bench import Bench
from hikrecv.testing.contract import PluginContract

README = Path(__file__).parents[1] / "README.md"
KEYS = """#!/bin/sh
[ "$HIKRECV_FAMILY" = "" ] && exit 3
printf '%s\\n' "$HIKRECV_KEY" >> "$SEEN"
"""


class AtOnce:
    """Runs real programs, in no time of the test's clock: each when its stdin is closed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.troubles: deque[float] = deque()
        directlyProvides(clock, IReactorProcess)
        clock.spawnProcess = self.spawn

    def spawn(self, protocol: Any, executable: str, args: Sequence[str], env: Any, path: str) -> Any:
        transport = Program(self, protocol, [executable, *args[1:]], env, path)
        protocol.makeConnection(transport)
        return transport

    def fail(self, times: int = 1) -> None:
        self.troubles.extend([-75.0] * times)

    def refuse(self, times: int = 1) -> None:
        self.troubles.extend([-77.0] * times)

    def slow(self, seconds: float, times: int = 1) -> None:
        self.troubles.extend([seconds] * times)

    def recover(self) -> None:
        self.troubles.clear()


class Program:
    pid = None

    def __init__(self, owner: AtOnce, protocol: Any, argv: list[str], env: Any, path: str) -> None:
        self.owner, self.protocol, self.argv, self.env, self.path = owner, protocol, argv, env, path
        self.given = b""
        self.due: Any = None

    def write(self, data: bytes) -> None:
        self.given += data

    def closeStdin(self) -> None:
        trouble = self.owner.troubles.popleft() if self.owner.troubles else 0.0
        if trouble > 0:
            self.due = self.owner.clock.callLater(trouble, self.run)
        elif trouble < 0:
            self.end(-int(trouble), b"", b"in trouble\n")
        else:
            self.run()

    def run(self) -> None:
        self.due = None
        done = subprocess.run(
            self.argv, input=self.given, env=self.env, cwd=self.path, capture_output=True, timeout=20
        )
        self.end(done.returncode, done.stdout, done.stderr)

    def end(self, code: int | None, out: bytes = b"", err: bytes = b"", signal: int | None = None) -> None:
        self.protocol.childDataReceived(1, out)
        self.protocol.childDataReceived(2, err)
        reason = Failure(ProcessDone(0) if code == 0 else ProcessTerminated(code, signal))
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)

    def signalProcess(self, number: int) -> None:
        if self.due is None:
            raise ProcessExitedAlready
        self.due.cancel()
        self.due = None
        self.end(None, signal=number)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "state")
    bench.programs = AtOnce(bench.clock)
    return bench


def script(folder: Path, text: str, name: str = "program") -> str:
    file = folder / name
    file.write_text(text)
    file.chmod(0o700)
    return str(file)


class TestContract(PluginContract):
    plugin = hikrecv_exec
    wrong = (
        ({"command": []}, "command"),
        ({"command": "rm -rf /"}, "command"),
        ({"environment": {"HIKRECV_ID": "x"}}, "HIKRECV_ID"),
        ({"environment": {"a=b": "x"}}, "a=b"),
        ({"inherit": ["a b"]}, "a b"),
        ({"retry_exits": [0]}, "retry_exits"),
        ({"retry_exits": [65]}, "exits"),
        ({"hold_exits": [75]}, "hold_exits"),
    )

    @pytest.fixture
    def table(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "seen").touch()
        command = [script(tmp_path, KEYS)]
        return {"command": command, "environment": {"SEEN": str(tmp_path / "seen")}, "pictures": True}

    @pytest.fixture
    def seen(self, tmp_path: Path) -> Callable[[], list[str]]:
        return lambda: (tmp_path / "seen").read_text().splitlines()

    @pytest.fixture
    def trouble(self, bench: Any) -> AtOnce:
        return bench.programs


# -- before it runs ------------------------------------------------------------------


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("exec").subject is hikrecv_exec.Plugin


@pytest.mark.parametrize(
    "command", ["no-such-program", "/no/such/program", "relative/program", "/etc/passwd"]
)
def test_a_program_that_cannot_be_run_is_an_error_before_the_start(bench: Any, command: str) -> None:
    (error,) = bench.errors(hikrecv_exec, "cars", command=[command])

    assert isinstance(error, ConfigError)
    assert f"there is no program {command}" in str(error)


def test_a_folder_that_is_not_there_is_an_error_before_the_start(make_context: Any) -> None:
    with pytest.raises(PluginError, match="/no/such/folder"):
        hikrecv_exec.Plugin(make_context(hikrecv_exec, command=["true"], folder="/no/such/folder"))


def test_what_a_device_says_is_made_visible_and_bounded(make_event: Any, context: Any) -> None:
    access = {"person": "$(reboot)\n\x1b[31m\x00\u202e" + "x" * 5_000}
    event = make_event("access", access=access, device=Device(id="gate\r"))

    given = variables(event, context)

    assert given["HIKRECV_PERSON"].startswith(r"$(reboot)\x0a\x1b[31m\x00\u202exxx")
    assert len(given["HIKRECV_PERSON"]) < 1_100
    assert given["HIKRECV_DEVICE"] == r"gate\x0d"
    assert all(value.isprintable() for value in given.values())
    assert visible("\U000e0001") == r"\U000e0001"


def test_every_variable_is_there_for_every_event(sample_events: Any, context: Any) -> None:
    names = {tuple(variables(event, context)) for event in sample_events.values()}

    assert len(names) == 1
    assert set(re.findall(r"HIKRECV_[A-Z]+", README.read_text())) == {*names.pop(), "HIKRECV_PICTURES"}


# -- real processes ------------------------------------------------------------------


class Runs:
    """A plugin whose programs are real, on the reactor."""

    def __init__(self, bench: Bench, folder: Path, text: str, *arguments: str, **table: Any) -> None:
        command = [script(folder, text), *arguments]
        self.context = bench.context(hikrecv_exec, **{"command": command, **table})
        self.said: list[str] = []
        self.plugin = hikrecv_exec.Plugin(self.context)
        self.bench = bench

    async def event(self, event: Event | None = None, **attempt: Any) -> None:
        context = self.context.for_attempt(attempt.pop("attempt", 1), **attempt)
        await self.plugin.hikrecv_event(event or self.bench.events("access"), context)


async def until(enough: Callable[[], Any], seconds: float = 10.0) -> None:
    from twisted.internet import reactor

    for _ in range(int(seconds / 0.02)):
        if enough():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError("it did not happen")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


SHOW = f"""#!{sys.executable}
import json, os, pathlib, sys
folder = os.environ.get("HIKRECV_PICTURES")
pictures = sorted(pathlib.Path(folder).iterdir()) if folder else []
print("said", file=sys.stderr)
json.dump({{
    "event": json.load(sys.stdin), "argv": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd(),
    "pictures": {{each.name: len(each.read_bytes()) for each in pictures}},
    "mode": folder and os.stat(folder).st_mode, "group": os.getpgid(0) == os.getpid(),
}}, open(sys.argv[-1], "w"))
"""


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_program_gets_the_event_and_nothing_of_it_in_its_arguments(
    loopback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_FOR_PROGRAMS", "secret")
    out = tmp_path / "out.json"
    runs = Runs(
        loopback, tmp_path, SHOW, "$HIKRECV_ID; `id`", str(out), pictures=True, environment={"A": "b"}
    )
    event = loopback.events("face-match")

    await runs.event(event, attempt=3, replay=True)

    seen = json.loads(out.read_text())
    assert seen["event"] == event.to_dict()
    assert seen["argv"] == ["$HIKRECV_ID; `id`", str(out)]
    own = {name: value for name, value in seen["environment"].items() if not name.startswith("HIKRECV_")}
    assert own["A"] == "b"
    assert not own.keys() - {"A", "PATH", "HOME", "LANG", "LC_ALL", "TZ", "LC_CTYPE"}
    assert (seen["environment"]["HIKRECV_ATTEMPT"], seen["environment"]["HIKRECV_REPLAY"]) == ("3", "1")
    assert seen["environment"]["HIKRECV_PERSON"] == event.match.person
    assert seen["cwd"] == str(runs.context.state_dir)
    assert seen["group"]


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_pictures_are_files_while_the_program_runs(loopback: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    runs = Runs(loopback, tmp_path, SHOW, str(out), pictures=True)
    event = loopback.events("face-match")

    await runs.event(event)

    seen = json.loads(out.read_text())
    assert sorted(seen["pictures"].values()) == sorted(len(each.content()) for each in event.pictures)
    assert all(re.fullmatch(r"\d\d-[a-z]+\.jpg", name) for name in seen["pictures"])
    assert stat.S_IMODE(seen["mode"]) == 0o700
    assert not Path(seen["environment"]["HIKRECV_PICTURES"]).exists()


@pytest.mark.functional
@pytest.mark.parametrize(
    ("code", "end"),
    [(0, None), (75, Retry), (65, Reject), (78, Reject), (77, Hold), (3, hikrecv_exec.ProgramFailed)],
)
@pytest_twisted.ensureDeferred
async def test_what_the_exit_code_means(loopback: Any, tmp_path: Path, code: int, end: Any) -> None:
    runs = Runs(loopback, tmp_path, f"#!/bin/sh\necho first; echo 'no \x1b[1mroom' >&2; exit {code}\n")

    if end is None:
        await runs.event()
    else:
        with pytest.raises(end, match=rf"program ended with {code}: no \\x1b\[1mroom"):
            await runs.event()


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_codes_of_your_own(loopback: Any, tmp_path: Path) -> None:
    codes = {"retry_exits": [3], "reject_exits": []}
    runs = Runs(loopback, tmp_path, "#!/bin/sh\nexit $1\n", "3", **codes)
    with pytest.raises(Retry):
        await runs.event()

    runs = Runs(loopback, tmp_path, "#!/bin/sh\nexit $1\n", "65", **codes)
    with pytest.raises(hikrecv_exec.ProgramFailed):
        await runs.event()


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_program_that_is_killed_has_failed(loopback: Any, tmp_path: Path) -> None:
    runs = Runs(loopback, tmp_path, "#!/bin/sh\nkill -SEGV $$\n")

    with pytest.raises(hikrecv_exec.ProgramFailed, match="ended by signal 11"):
        await runs.event()


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_program_need_not_read_its_stdin(loopback: Any, tmp_path: Path) -> None:
    runs = Runs(loopback, tmp_path, "#!/bin/sh\nexec 0<&-\nexit 0\n")

    for _ in range(5):
        await runs.event()


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_more_output_than_is_logged_is_thrown_away(loopback: Any, tmp_path: Path) -> None:
    text = f"#!{sys.executable}\nimport sys\nfor _ in range(3000): print('x' * 1000)\nsys.exit(4)\n"
    runs = Runs(loopback, tmp_path, text, output="1KB")

    with pytest.raises(hikrecv_exec.ProgramFailed) as caught:
        await runs.event()

    assert len(str(caught.value)) < 300


TREE = """#!/bin/sh
trap '' {ignored}
sleep 600 & echo $! >> {pids}
echo $$ >> {pids}
wait
sleep 600
"""


@pytest.mark.functional
@pytest.mark.parametrize("ignored", ["HUP", "TERM"])
@pytest_twisted.ensureDeferred
async def test_when_its_time_is_over_it_ends_with_all_that_it_has_started(
    loopback: Any, tmp_path: Path, ignored: str
) -> None:
    pids = tmp_path / "pids"
    pids.touch()
    runs = Runs(loopback, tmp_path, TREE.format(pids=pids, ignored=ignored), grace="300ms", pictures=True)
    work = Deferred.fromCoroutine(runs.event())
    await until(lambda: len(pids.read_text().split()) == 2)
    started = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, started))

    work.cancel()

    with pytest.raises(CancelledError):
        await work
    await until(lambda: not any(map(alive, started)))
    assert list((runs.context.state_dir / "pictures").iterdir()) == []


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_what_it_leaves_running_does_not_hold_the_event_and_is_ended(
    loopback: Any, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    runs = Runs(loopback, tmp_path, f"#!/bin/sh\nsleep 600 & echo $! > {pids}\nexit 0\n")

    await runs.event()

    await until(lambda: not alive(int(pids.read_text())))


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_nothing_runs_on_when_the_reaction_is_stopped(loopback: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.touch()
    runs = Runs(loopback, tmp_path, TREE.format(pids=pids, ignored="HUP"))
    work = Deferred.fromCoroutine(runs.event())
    await until(lambda: len(pids.read_text().split()) == 2)

    await runs.plugin.hikrecv_stop(runs.context)

    with pytest.raises(hikrecv_exec.ProgramFailed, match="signal 15"):
        await work
    await until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_it_ends_too_where_nobody_hears_of_children(loopback: Any, tmp_path: Path) -> None:
    """As in a process of a reaction of its own, whose reactor has no signal handlers."""
    import signal

    runs = Runs(loopback, tmp_path, "#!/bin/sh\nexec >&- 2>&-\nsleep 0.3\nexit 75\n")
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        with pytest.raises(Retry):
            await runs.event()
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_dry_run_runs_nothing(loopback: Any, tmp_path: Path) -> None:
    runs = Runs(loopback, tmp_path, f"#!/bin/sh\ntouch {tmp_path}/ran\n")

    await runs.event(dry_run=True)

    assert not (tmp_path / "ran").exists()


def test_what_a_killed_receiver_left_is_removed_at_the_start(make_context: Any) -> None:
    context = make_context(hikrecv_exec, command=["true"])
    left = context.state_dir / "pictures" / "tmpx"
    left.mkdir(parents=True)

    hikrecv_exec.Plugin(context).hikrecv_start(context)

    assert not left.exists()


# -- the documents -------------------------------------------------------------------


def test_the_examples_of_the_readme_are_right(
    receiver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACE_API_KEY", "secret")
    text = README.read_text()
    shell, python = re.findall(r"```(?:sh|python)\n(.*?)```", text, re.S)
    places = {
        "/usr/local/bin/on-car": script(
            tmp_path, shell.replace("logger -t cars --", "echo").replace("/srv/cars", str(tmp_path)), "on-car"
        ),
        "/opt/hik/face.py": script(tmp_path, python, "face.py"),
        "/usr/bin/python3": sys.executable,
    }
    for example in re.findall(r"```toml\n(.*?)```", text, re.S):
        for place, here in places.items():
            example = example.replace(place, here)
        receiver.start(parse(example).reactions)
        receiver.push("plate")
        receiver.push("face-match")
        receiver.catch_up()
        assert receiver.dead_letters() == []
        receiver.stop()
    (seen,) = tmp_path.glob("*.json")
    assert Event.from_json(seen.read_bytes()).family == "plate"


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_exec.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys


def test_no_program_of_these_tests_is_left() -> None:
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True, text=True
    )

    assert [line for line in children.stdout.split() if line.startswith("Z")] == []

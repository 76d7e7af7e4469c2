"""`hikrecv example` and `hikrecv service unit`: what the package brings beside its code."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hikrecv.errors import HikrecvError

Run = Callable[..., Result]
CONF = Path(__file__).parents[2] / "conf"
EXAMPLES = [
    file for ending in ("*.toml", "*.csv", "plugins/*.py") for file in CONF.glob(f"examples/{ending}")
]


def test_every_example_is_listed_with_what_it_does(run: Run) -> None:
    said = run("example").output

    for file in EXAMPLES:
        (line,) = [line for line in said.splitlines() if line.split()[0] == file.name.removesuffix(".toml")]
        assert len(line.split()) > 3


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_printed_as_it_is(run: Run, file: Path) -> None:
    assert run("example", file.name.removesuffix(".toml")).output == file.read_text("utf-8")


def test_an_example_that_is_not_there_is_told_what_was_meant(run: Run) -> None:
    near, far = run("example", "punches"), run("example", "xyzzy")

    assert isinstance(near.exception, HikrecvError)
    assert str(near.exception) == 'there is no example punches; did you mean "punches-to-hr"?'
    assert str(far.exception) == "there is no example xyzzy; `hikrecv example` lists them all"


def keys(unit: str) -> dict[str, str]:
    lines = (line.partition("=") for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    return {key: value for key, _, value in lines}


def test_the_unit_starts_this_program_and_asks_for_what_the_receiver_does(run: Run) -> None:
    unit = keys(run("service", "unit").output)

    program = Path(sys.executable).parent / "hikrecv"
    assert unit["ExecStart"] == f"{program} run --config /etc/hikrecv/hikrecv.toml"
    assert unit["ExecReload"] == f"{program} reload --config /etc/hikrecv/hikrecv.toml"
    assert (unit["Type"], unit["WatchdogSec"]) == ("notify", "60")
    assert (unit["KillMode"], unit["OOMPolicy"]) == ("mixed", "continue")
    # Whatever may pass is tried again for as long as it takes: 5 is a port that is not available now.
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == ("on-failure", "2 3")
    assert unit["StartLimitIntervalSec"] == "0"
    assert (unit["DynamicUser"], unit["StateDirectory"]) == ("yes", "hikrecv")


def test_the_unit_has_the_user_and_the_state_directory_that_are_asked_for(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "hikrecv.toml"
    config.write_text('state_dir = "events"\n')

    unit = keys(run("service", "unit", "--config", config, "--user", "hikrecv").output)
    other = keys(run("service", "unit", "--state-dir", "/var/lib/gate").output)

    assert unit["ExecStart"].endswith(f" run --config {config}")
    assert unit["User"] == "hikrecv"
    assert unit["ReadWritePaths"] == str(tmp_path / "events")
    assert not {"DynamicUser", "StateDirectory", "StateDirectoryMode"} & set(unit)
    assert other["StateDirectory"] == "gate"
    assert other["ExecStart"].endswith(" --state-dir /var/lib/gate")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_whoever_has_the_state_directory_runs_the_service(run: Run, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)

    unit = keys(run("service", "unit", "--state-dir", tmp_path).output)

    assert unit["User"] == "nobody"


def test_a_directory_that_nobody_could_write_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("service", "unit", "--state-dir", tmp_path / "missing")

    assert isinstance(result.exception, HikrecvError)
    assert "say with --user who runs hikrecv" in str(result.exception)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("/srv/a b", '"/srv/a b"'),
        ("/srv/50%", "/srv/50%%"),
        ("/srv/$x", "/srv/$$x"),
        ('/srv/"', '"/srv/\\""'),
    ],
)
def test_odd_names_stay_one_word_for_systemd(run: Run, state: str, words: str) -> None:
    unit = keys(run("service", "unit", "--state-dir", state, "--user", "daemon").output)

    assert unit["ExecStart"].endswith(f" --state-dir {words}")


def test_what_lies_in_a_home_can_be_seen_by_the_service(run: Run) -> None:
    assert keys(run("service", "unit").output)["ProtectHome"] == "yes"

    unit = keys(run("service", "unit", "--state-dir", "/home/me/events", "--user", "me").output)

    assert (unit["ProtectHome"], unit["ReadWritePaths"]) == ("read-only", "/home/me/events")

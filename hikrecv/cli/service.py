"""`hikrecv service`: the unit for systemd, with the places of this machine."""

from __future__ import annotations

import pwd
import re
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import click

from hikrecv.errors import HikrecvError
from hikrecv.state import SYSTEM, find

from .group import Group
from .options import read_config

_EXECUTABLE = "/opt/hikrecv/bin/hikrecv"
_CONFIG = Path("/etc/hikrecv/hikrecv.toml")
"""Both as the unit that comes with hikrecv says them."""
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ``ProtectHome=yes`` hides."""


@click.group(cls=Group)
def command() -> None:
    """Run hikrecv as a service of this machine."""


@command.command()
@click.option(
    "--config", "config_file", metavar="FILE", help=f"The configuration file; {_CONFIG} by default."
)
@click.option("--state-dir", metavar="DIR", help=f"Where it keeps its state; {SYSTEM} by default.")
@click.option("--user", metavar="NAME", help="Who it runs as; systemd makes a user for it by default.")
def unit(config_file: str | None, state_dir: str | None, user: str | None) -> None:
    """
    Print the systemd unit that runs this hikrecv.

    As root: `hikrecv service unit > /etc/systemd/system/hikrecv.service`, then
    `systemctl enable --now hikrecv`.
    """
    path = Path(config_file).absolute() if config_file else _CONFIG
    configured = read_config(config_file).state_dir
    # Not where a command of this user would look: the service has no home, and no environment of ours.
    state = find(state_dir, configured, {}).root if state_dir or configured else SYSTEM
    if user is None and state.parent != SYSTEM.parent:
        user = _owner(state)
    click.echo(_unit(executable(), path, state, user, explicit=state_dir is not None), nl=False)


def _owner(state: Path) -> str:
    owner = None
    with suppress(OSError, KeyError):
        owner = pwd.getpwuid(state.stat().st_uid)
    if owner is None or owner.pw_uid == 0:
        raise HikrecvError(
            f"a user that systemd makes cannot own {state}; say with --user who runs hikrecv, or take "
            f"{SYSTEM} for the state"
        )
    return owner.pw_name


def executable() -> list[str]:
    """The words that start this hikrecv, whatever the PATH of others is."""
    script = Path(sys.executable).parent / "hikrecv"
    return [str(script)] if script.is_file() else [sys.executable, "-m", "hikrecv.cli"]


def _unit(program: list[str], config: Path, state: Path, user: str | None, *, explicit: bool) -> str:
    text = files("hikrecv").joinpath("hikrecv.service").read_text("utf-8")
    directory = ["--state-dir", str(state)] if explicit else []
    for word in ("run", "reload"):
        words = [*program, word, "--config", str(config), *directory]
        line = " ".join(_quoted(each).replace("$", "$$") for each in words)
        text = text.replace(f"{_EXECUTABLE} {word} --config {_CONFIG}", line)
    if user is not None:
        text = text.replace("DynamicUser=yes", f"User={user}")
        text = text.replace("# A user of its own, and", "# Its user, and")
    if state.parent == SYSTEM.parent:
        text = text.replace(f"and {SYSTEM} for it", f"and {state} for it")
        text = text.replace("StateDirectory=hikrecv", f"StateDirectory={_quoted(state.name)}")
    else:
        text = text.replace(
            f"and {SYSTEM} for it; `hikrecv` finds it there by itself.", f"and {state} for it."
        )
        text = re.sub(
            "StateDirectory=.*\nStateDirectoryMode=.*", f"ReadWritePaths={_quoted(str(state))}", text
        )
    if any(_in_a_home(Path(each)) for each in (program[0], config, state)):
        text = text.replace("ProtectHome=yes", "ProtectHome=read-only")
    return text


def _in_a_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in _HOMES)


def _quoted(word: str) -> str:
    """A word as systemd reads it: % begins a specifier, spaces end a word."""
    word = word.replace("%", "%%")
    if not re.search(r"[\s\"'\\;]", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

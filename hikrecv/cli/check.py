"""`hikrecv check`: is this configuration right, before it is used."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from hikrecv.assembly import Parts, Tools, check
from hikrecv.state import State, find

from .options import read_config


@click.command()
@click.argument("config_file", metavar="[CONFIG]", required=False, envvar="HIKRECV_CONFIG")
@click.option("--strict", is_flag=True, help="A plugin that is installed and broken is an error too.")
def command(config_file: str | None, strict: bool) -> None:
    """
    Check CONFIG: every key, every plugin, every `when`, and say what it would do.

    Every key with its meaning stands in the annotated configuration that comes with hikrecv.
    """
    from twisted.internet.task import Clock

    config = read_config(config_file)
    state = find(None, config.state_dir)
    folder = Path(config_file).absolute().parent if config_file else Path()
    reactor: Any = Clock()
    # Plugins are made as for a start, and may want their folder; a check leaves nothing behind.
    with TemporaryDirectory() as scratch:
        tools = Tools(State(Path(scratch)), config, reactor)
        parts = check(config, tools, folder=folder, strict=strict)
    _say(parts, str(state.root))


def _say(parts: Parts, state: str) -> None:
    config = parts.config
    for listen in config.listen:
        who = ", ".join(listen.allow) or "anybody"
        more = [*(["the token"] if listen.token else []), *([listen.login] if listen.login != "none" else [])]
        click.echo(
            f"listens on {listen.endpoint} ({listen.mode}) for {who}" + "".join(f" with {m}" for m in more)
        )
    click.echo(f"keeps events in {state}")
    for name, reaction in parts.reactions.items():
        wanted = (
            reaction.common.when or ", ".join(reaction.common.families) or "everything but heartbeat and test"
        )
        click.echo(f"{name}: {reaction.plugin.name} gets {wanted}")
    for name, table in config.reactions.items():
        if table.get("enabled") is False:
            click.echo(f"{name}: not enabled")
    if not parts.reactions:
        click.echo("no reaction is enabled: events are kept and shown, and nothing else happens")

"""`hikrecv reload`: take over a changed configuration without losing an event or a connection."""

from __future__ import annotations

import click

from hikrecv import control

from .options import existing_state, state_options


@click.command()
@state_options
def command(state_dir: str | None, config_file: str | None) -> None:
    """
    Let the running receiver read its configuration again.

    A configuration that is wrong changes nothing, and is said here.
    """
    state = existing_state(state_dir, config_file)
    for line in control.call(state.control, "reload"):
        click.echo(line)

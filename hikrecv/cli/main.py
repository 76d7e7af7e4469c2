"""The `hikrecv` command: finds the sub-command, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points

import click

import hikrecv
from hikrecv.errors import HikrecvError

# name -> the module that holds it; a module is imported when its command is used.
COMMANDS = {
    "run": "run",
    "events": "events",
    "show": "show",
    "devices": "devices",
    "reactions": "reactions",
    "dead-letters": "dead_letters",
    "replay": "replay",
    "try": "trial",
    "reindex": "reindex",
    "verify": "verify",
    "export": "export",
    "reload": "reload",
    "decode": "decode",
    "anonymise": "anonymise",
    "schema": "schema",
    "plugins": "plugins",
    "plugin": "plugin",
    "check": "check",
    "simulate": "simulate",
}


class Lazy(click.Group):
    """Knows the commands by name, ours and those of plugins (entry points ``hikrecv.commands``)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our commands in the order of the documentation, then the plugins'."""
        return [*COMMANDS, *sorted(entry.name for entry in entry_points(group="hikrecv.commands"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command *cmd_name*; a plugin's that cannot be imported is one sentence."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"hikrecv.cli.{COMMANDS[cmd_name]}").command
            return command
        for entry in entry_points(group="hikrecv.commands", name=cmd_name):
            return _of_plugin(entry.name, entry.load)
        return None


def _of_plugin(name: str, load: object) -> click.Command:
    try:
        found = load()  # type: ignore[operator]
    except Exception as error:
        raise click.ClickException(f"the plugin command {name} cannot be loaded: {error}") from None
    if not isinstance(found, click.Command):
        raise click.ClickException(f"the plugin command {name} is not a click command")
    return found


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hikrecv.__version__, prog_name="hikrecv")
def command() -> None:
    """Receive what Hikvision devices push over HTTP, keep it, and hand it to plugins."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits 0 well, 1 said no, 2 usage, 3 state or config."""
    try:
        command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except BrokenPipeError:
        # `hikrecv events | head`: whoever read has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except HikrecvError as error:
        for line in str(error).splitlines():
            click.echo(f"hikrecv: {line}", err=True)
        sys.exit(error.exit_code)

"""The `hikrecv` command: finds the sub-command, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points

import click

import hikrecv
from hikrecv.errors import HikrecvError

from .group import Group

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
    "example": "example",
    "service": "service",
    "simulate": "simulate",
}


class Lazy(Group):
    """Knows the commands by name, ours and those of plugins (entry points ``hikrecv.commands``)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our commands in the order of the documentation, then the plugins'."""
        return [*COMMANDS, *sorted(entry.name for entry in entry_points(group="hikrecv.commands"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command *cmd_name*; one of a plugin that cannot be imported says so."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"hikrecv.cli.{COMMANDS[cmd_name]}").command
            return command
        for entry in entry_points(group="hikrecv.commands", name=cmd_name):
            return _of_plugin(entry.name, entry.load)
        return None


def _of_plugin(name: str, load: Callable[[], object]) -> click.Command:
    try:
        found = load()
    except (Exception, SystemExit) as error:
        return _broken(name, f"cannot be loaded: {type(error).__name__}: {error}")
    return found if isinstance(found, click.Command) else _broken(name, "is not a click command")


def _broken(name: str, reason: str) -> click.Command:
    """In its place: it fails when it is called, and `hikrecv --help` does not."""

    def say(words: tuple[str, ...]) -> None:
        raise click.ClickException(f"the plugin command {name} {reason}")

    return click.Command(
        name,
        callback=say,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        short_help=f"(broken: it {reason})",
    )


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hikrecv.__version__, prog_name="hikrecv")
def command() -> None:
    """Receive what Hikvision devices push over HTTP, keep it, and hand it to plugins."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits 0 well, else as `HikrecvError.exit_code` says."""
    try:
        ended = command.main(arguments, standalone_mode=False)
        # A command that says no by click's `Exit`: what it raised comes back as a number.
        sys.exit(ended if isinstance(ended, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # `hikrecv events | head`: whoever read has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        with suppress(OSError):  # or what is left of the output is tried once more at exit
            sys.stdout.close()
        click.echo(f"hikrecv: the output cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    except HikrecvError as error:
        for line in str(error).splitlines():
            click.echo(f"hikrecv: {line}", err=True)
        sys.exit(error.exit_code)

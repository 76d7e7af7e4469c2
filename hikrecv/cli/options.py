"""What many sub-commands share: the state directory, the configuration, and how tables are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from hikrecv import config as configuration
from hikrecv.config import Config
from hikrecv.errors import StateError
from hikrecv.state import State, find

if TYPE_CHECKING:
    from hikrecv.archive import Archive

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def state_options(function: Decorated) -> Decorated:
    """``--state-dir`` and ``--config``, handed to the command as they were typed."""
    directory = click.option("--state-dir", metavar="DIR", help="Where the receiver keeps its state.")
    config = click.option(
        "--config",
        "config_file",
        metavar="FILE",
        envvar="HIKRECV_CONFIG",
        help="The configuration file.",
    )
    return directory(config(function))


class Where(NamedTuple):
    """``--state-dir`` and ``--config`` of a sub-command, typed behind it or before it."""

    state_dir: str | None
    config_file: str | None

    def state(self) -> State:
        """See :func:`existing_state`."""
        return existing_state(self.state_dir, self.config_file)

    def config(self) -> Config:
        """See :func:`read_config`."""
        return read_config(self.config_file)


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for a command of a group that has them too; its first argument is a `Where`."""

    @click.pass_context
    def with_where(ctx: click.Context, /, state_dir: str | None, config_file: str | None, **more: Any) -> Any:
        before = ctx.parent.params if ctx.parent else {}
        where = Where(state_dir or before.get("state_dir"), config_file or before.get("config_file"))
        return function(where, **more)

    return state_options(update_wrapper(with_where, function))


def read_config(config_file: str | None) -> Config:
    """The configuration in *config_file*, or the defaults.  :raises ConfigError: when it cannot be used."""
    return configuration.load(Path(config_file)) if config_file else Config()


def existing_state(state_dir: str | None, config_file: str | None) -> State:
    """
    The state directory that a reading command looks at.

    :raises StateError: naming the directory, when nothing was ever received there.
    """
    state = find(state_dir, read_config(config_file).state_dir)
    try:
        found = state.journal.is_dir()
    except OSError as error:
        raise StateError(
            f"cannot read {state.root}: {error.strerror}; it belongs to the receiver's user, as whom this "
            "command works too (sudo -u USER hikrecv ...)"
        ) from None
    if not found:
        raise StateError(
            f"there is no journal in {state.root}; start `hikrecv run` first, or name another --state-dir"
        )
    return state


def archive_of(state: State, config_file: str | None) -> Archive:
    """
    What is kept in *state*, read as its receiver reads it: plugins of ``[decode]`` are asked too.

    :raises ConfigErrors: when there are such plugins and the configuration is wrong.
    """
    from hikrecv.archive import Archive

    config = read_config(config_file)
    if config_file is None or not config.decode.plugins:
        return Archive(state, config)
    from twisted.internet.task import Clock

    from hikrecv.assembly import Tools, check

    nowhere: Any = Clock()
    parts = check(config, Tools(state, config, nowhere), folder=Path(config_file).absolute().parent)
    return Archive(state, config, parts.decoders)

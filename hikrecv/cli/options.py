"""What many sub-commands share: the state directory, the configuration, and how tables are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hikrecv import config as configuration
from hikrecv.config import Config
from hikrecv.errors import StateError
from hikrecv.state import State, find

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


def read_config(config_file: str | None) -> Config:
    """The configuration in *config_file*, or the defaults.  :raises ConfigError: when it cannot be used."""
    return configuration.load(Path(config_file)) if config_file else Config()


def existing_state(state_dir: str | None, config_file: str | None) -> State:
    """
    The state directory that a reading command looks at.

    :raises StateError: naming the directory, when nothing was ever received there.
    """
    state = find(state_dir, read_config(config_file).state_dir)
    if not state.journal.is_dir():
        raise StateError(
            f"there is no journal in {state.root}; start `hikrecv run` first, or name another --state-dir"
        )
    return state

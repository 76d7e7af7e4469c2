"""A configuration as the parts that carry it out, checked before anything listens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.threads import blockingCallFromThread

from .config import Config
from .device.agents import Agents
from .device.isapi import Devices, address_errors
from .errors import ConfigError, JournalError
from .push import Push
from .reactions.context import Services
from .reactions.early import Decode, Early, decoders, enrichers
from .reactions.http import Http
from .reactions.plugins import Plugins, find
from .reactions.reaction import Reaction, build
from .state import State
from .wire.admission import Admission


class ConfigErrors(ConfigError):
    """Several things are wrong with the configuration."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class Tools:
    """
    What plugins share for as long as the receiver lives: connections, and the devices' clients.

    :ivar read: gives a push of the journal; set by the service when that is open.
    """

    def __init__(self, state: State, config: Config, reactor: Any) -> None:
        self.agents = Agents(reactor)
        self.devices = Devices(config.devices, self.agents, reactor)
        self.services = Services(
            clock=reactor,
            http=Http(self.agents(True), reactor, wall=time.time, public=self.agents.public),
            state_dir=state.root,
            device=self.devices,
            wait=partial(blockingCallFromThread, reactor),
            push=self._push,
        )
        self.read: Callable[[int], Awaitable[Push]] | None = None

    async def _push(self, seq: int) -> Push:
        if self.read is None:
            raise JournalError("the journal is not open")
        return await self.read(seq)


class Parts(msgspec.Struct, frozen=True):
    """
    Everything of a configuration that plugins have a say in.

    :param unused: installed plugins that no table names.
    """

    config: Config
    plugins: Plugins
    reactions: Mapping[str, Reaction]
    decoders: Sequence[Decode]
    enrichers: Sequence[Early]
    unused: tuple[str, ...]


def check(config: Config, tools: Tools, *, folder: Path = Path(), strict: bool = False) -> Parts:
    """
    The parts of *config*, when all of it can be used.

    :param folder: where the file lies; what is written relative in it is relative to that.
    :param strict: a plugin that is installed and broken is an error too.
    :raises ConfigErrors: with everything that is wrong, each by its path.
    """
    plugins = find(config.plugin_dirs, strict=strict)
    reactions, errors = build(config, plugins, tools.services, folder=folder)
    decode, wrong_decode = decoders(config, plugins, reactions, tools.services)
    enrich, wrong_enrich = enrichers(config, plugins, reactions, tools.services)
    errors = [*errors, *wrong_decode, *wrong_enrich, *address_errors(config.devices), *_listen_errors(config)]
    if errors:
        raise ConfigErrors(errors)
    used = {table.get("plugin") for table in config.reactions.values()}
    used |= {*config.decode.plugins, *config.enrich.plugins}
    unused = tuple(name for name in plugins.names if name not in used)
    return Parts(config, plugins, reactions, decode, enrich, unused)


def _listen_errors(config: Config) -> list[ConfigError]:
    errors = []
    for number, listen in enumerate(config.listen):
        try:
            Admission.from_config(listen, config.devices)
        except ConfigError as error:
            errors.append(ConfigError(str(error), "" if error.path else f"listen[{number}]"))
    return errors

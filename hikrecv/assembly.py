"""A configuration as the parts that carry it out, checked before anything listens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import blockingCallFromThread

from .config import Config, Listen
from .conflicts import conflicts
from .device.agents import Agents
from .device.isapi import Devices, address_errors
from .errors import ConfigError, ConfigErrors, JournalError
from .push import Push
from .reactions.context import Services
from .reactions.early import Decode, Early, decoders, enrichers
from .reactions.http import Http
from .reactions.plugins import Plugins, find
from .reactions.reaction import Reaction, build
from .state import State
from .units import check_endpoint
from .wire.admission import Admission


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
            http=Http(self.agents.kept, reactor, wall=time.time, public=self.agents.public),
            http_once=Http(self.agents(True), reactor, wall=time.time, public=self.agents.public),
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


def check(
    config: Config,
    tools: Tools,
    *,
    folder: Path = Path(),
    strict: bool = False,
    broken: Collection[str] | None = None,
    wrong: Sequence[ConfigError] = (),
) -> Parts:
    """
    The parts of *config*, when all of it can be used.

    :param folder: where the file lies; what is written relative in it is relative to that.
    :param strict: a plugin that is installed and broken is an error even when nobody uses it.
    :param broken: names of plugins that may be broken, None for any: what uses them waits for their repair.
    :param wrong: what of the file was left out in *config* (`hikrecv.config.load_partly`).
    :raises ConfigErrors: with everything that is wrong, each by its path.
    """
    plugins = find(config.plugin_dirs)
    reactions, errors = build(config, plugins, tools.services, folder=folder)
    decode, wrong_decode = decoders(config, plugins, reactions, tools.services)
    enrich, wrong_enrich = enrichers(config, plugins, reactions, tools.services)
    errors = [
        *wrong,
        *errors,
        *wrong_decode,
        *wrong_enrich,
        *address_errors(config.devices),
        *_listen_errors(config),
    ]
    errors += _endpoint_errors(config, tools.services.clock)
    errors += conflicts(config)
    used = {str(table.get("plugin")) for table in config.reactions.values()}
    used |= {*config.decode.plugins, *config.enrich.plugins}
    whole = () if broken is None else used.difference(broken)
    errors += _broken_errors(plugins, whole, all_of_them=strict)
    if errors:
        raise ConfigErrors(list({str(error): error for error in errors}.values()))
    unused = tuple(name for name in plugins.names if name not in used)
    return Parts(config, plugins, reactions, decode, enrich, unused)


def _broken_errors(plugins: Plugins, whole: Collection[str], *, all_of_them: bool) -> list[ConfigError]:
    """What is wrong with the plugins that have to be *whole*."""
    if all_of_them:
        plugins.load_all()
    return [
        ConfigError(f"the plugin {each.name} ({each.origin}) is broken: {each.reason}")
        for each in plugins.failures
        if all_of_them or each.name in whole
    ]


def with_ports(config: Config, ports: Sequence[str]) -> Config:
    """
    *config* listening on *ports* instead of its ``[[listen]]``, if any are given.

    :raises ConfigError: when one is no port and no endpoint.
    """
    if not ports:
        return config
    # What the first table says of who may send holds for the ports that replace it.
    model = config.listen[0] if config.listen else Listen()
    try:
        for port in ports:
            check_endpoint(port)
    except ValueError as error:
        raise ConfigError(str(error), "--port") from None
    listen = tuple(msgspec.structs.replace(model, endpoint=_endpoint(port)) for port in ports)
    return msgspec.structs.replace(config, listen=listen)


def _listen_errors(config: Config) -> list[ConfigError]:
    errors = []
    for number, listen in enumerate(config.listen):
        try:
            Admission.from_config(listen, config.devices)
        except ConfigError as error:
            errors.append(ConfigError(str(error), "" if error.path else f"listen[{number}]"))
    return errors


def _endpoint_errors(config: Config, reactor: Any) -> list[ConfigError]:
    """Endpoints of a kind, or with a key, that Twisted does not know; nothing is opened."""
    places = [(f"listen[{number}].endpoint", listen.endpoint) for number, listen in enumerate(config.listen)]
    if config.metrics.listen is not None:
        places.append(("metrics.listen", config.metrics.listen))
    errors = []
    for path, endpoint in places:
        try:
            serverFromString(reactor, _endpoint(endpoint))
        except (TypeError, ValueError) as error:
            message = f'"{endpoint}" is not an endpoint such as "tcp:8089": {error}'
            errors.append(ConfigError(message, path))
        except FileNotFoundError as error:
            errors.append(ConfigError(f"cannot read {error.filename}: {error.strerror}", path))
        except Exception as error:  # endpoints are plugins: they raise what they like
            if type(error).__module__.startswith("OpenSSL"):
                message = "the key or the certificate is not in PEM format; see its privateKey and certKey"
                errors.append(ConfigError(message, path))
            # Else a key that only the receiver may read, a socket that only systemd has: the start tells.
    return errors


def _endpoint(port: str) -> str:
    return f"tcp:{port}" if port.isdigit() else port

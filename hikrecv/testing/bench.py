"""What a plugin stands on, in memory: a clock, HTTP, devices with doors, a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec
from twisted.internet.task import Clock
from twisted.web.iweb import IAgent

from hikrecv.config import Config, DeviceTable, Listen, Network, convert
from hikrecv.device.agents import Agents
from hikrecv.device.isapi import Devices
from hikrecv.errors import ConfigError
from hikrecv.push import Push
from hikrecv.reactions.context import Context, Services
from hikrecv.reactions.hooks import kind_of
from hikrecv.reactions.http import Http
from hikrecv.reactions.plugins import Plugin, Plugins, find
from hikrecv.reactions.reaction import Reaction, build
from hikrecv.reactions.settings import NoSettings, check, split
from hikrecv.testing.door import DigestDevice
from hikrecv.testing.events import GATE, START, WHO, Events
from hikrecv.testing.server import RecordingServer
from hikrecv.testing.thread import Apart
from hikrecv.testing.waiting import result_of

Subject = ModuleType | type
"""A plugin before it is installed: its module or its class."""


class Bench:
    """
    Contexts, events and what is at the other end.

    In memory by default: nothing waits but :attr:`clock`.  With a reactor everything
    is real, on loopback, see :meth:`listen`.

    :ivar server: an HTTP server that records what it is asked; `server.url` leads to it.
    :ivar device: opens doors; a context reaches it by ``context.device("gate")``.
    :ivar events: makes events: ``bench.events("plate")``.
    :ivar tables: the ``[devices]`` of the configuration.
    :ivar kept: gives the push of a seq, to ``context.push``: those of `events`, or of a receiver's journal.
    """

    def __init__(self, folder: Path, reactor: Any = None) -> None:
        self.folder = folder
        self.clock: Any = Clock() if reactor is None else reactor
        self.apart = Apart(self.clock)
        self.server = RecordingServer(self.clock)
        self.device = DigestDevice(self.clock)
        self.tables = {
            GATE: convert({"mac": WHO.mac, "address": WHO.ip, "login": self.device.login}, DeviceTable)
        }
        self.events = Events(self.tables)
        self.kept: Callable[[int], Push] = self.events.push
        self._agents = None if reactor is None else Agents(reactor)
        self._reactor = reactor
        self.devices = Devices(self.tables, self._device_agent, self.clock)
        self.http = self._http(keep=True)
        self.services = Services(
            clock=self.clock,
            http=self.http,
            http_once=self._http(keep=False),
            state_dir=folder,
            device=self.devices,
            wait=self._wait,
            wait_blocks=reactor is not None,
            push=self._push,
        )

    def wall(self) -> float:
        """The wall clock, in seconds since 1970; it goes with `clock`."""
        return time.time() if self._reactor is not None else START.timestamp() + float(self.clock.seconds())

    # -- contexts -------------------------------------------------------------

    def context(self, plugin: Subject | None = None, name: str = "test", **table: Any) -> Context:
        """
        The context of a reaction with the keys *table* of its own.

        :raises ConfigError: for the first key that is wrong, as the receiver would say it.
        """
        loaded = None if plugin is None else load(plugin)
        shape = None if loaded is None else loaded.settings
        settings, errors = check(split(table)[1], shape or NoSettings, path=f"reactions.{name}")
        for error in errors:
            raise error
        once = "at-most-once" in (table.get("delivery"), loaded and loaded.delivery)
        return Context(name, settings if shape else None, self.services, once=once)

    def errors(self, plugin: Subject, name: str = "test", **table: Any) -> list[ConfigError]:
        """Everything that the receiver would say about a reaction with the keys *table*."""
        return self.build({name: {"plugin": "plugin", **table}}, {"plugin": plugin})[1]

    def build(
        self,
        reactions: Mapping[str, Mapping[str, Any]],
        plugins: Mapping[str, Subject] | None = None,
        **tables: Any,
    ) -> tuple[dict[str, Reaction], list[ConfigError]]:
        """The reactions of a configuration: tables by name, and further *tables*."""
        config = self.config(reactions, **tables)
        return build(config, known(plugins or {}, config.plugin_dirs), self.services)

    def config(self, reactions: Mapping[str, Mapping[str, Any]], **tables: Any) -> Config:
        """A configuration in which plugins may act: senders are admitted, and the device has a name."""
        raw = {**tables, "reactions": {name: dict(table) for name, table in reactions.items()}}
        config = convert(raw, Config)
        listen = (Listen(allow=(Network("192.0.2.0/24"),)),)
        return msgspec.structs.replace(config, listen=listen, devices=self.tables)

    def call(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """
        The result of a plugin's *hook*, however it is written, called as the receiver would.

        ``bench.call(plugin.hikrecv_event, event, context)``
        """
        if kind_of(hook) == "plain":
            return self.apart.call(partial(hook, *arguments))
        return result_of(hook(*arguments), self.clock)

    # -- on loopback ----------------------------------------------------------

    async def listen(self) -> None:
        """Let server and device listen on ports of loopback."""
        await self.server.listen(self._reactor)
        url = await self.device.listen(self._reactor)
        self.tables[GATE] = msgspec.structs.replace(self.tables[GATE], url=url)
        self.devices.update(self.tables)

    async def close(self) -> None:
        """Close everything that is open."""
        if self._agents is not None:
            await self._agents.close()
        await self.server.close()
        await self.device.close()

    # -- inside ---------------------------------------------------------------

    def _http(self, *, keep: bool) -> Http:
        if self._agents is None:
            return Http(self.server.agent, self.clock, wall=self.wall, public=self.server.agent)
        agent = self._agents.kept if keep else self._agents(True)
        return Http(agent, self.clock, public=self._agents.public)

    def _device_agent(self, verify: bool) -> IAgent:
        return self.device.agent if self._agents is None else self._agents(verify)

    async def _push(self, seq: int) -> Push:
        return self.kept(seq)

    def _wait(self, function: Any, *arguments: Any, **named: Any) -> Any:
        if self._reactor is None:
            return self.apart.wait(function, *arguments, **named)
        from twisted.internet.threads import blockingCallFromThread

        return blockingCallFromThread(self._reactor, partial(function, *arguments, **named))


def load(plugin: Subject) -> Plugin:
    """
    The *plugin* as the receiver would load it.

    :raises PluginError: when it cannot be used, in the receiver's words.
    """
    return known({"plugin": plugin}).get("plugin")


def known(plugins: Mapping[str, Subject], folders: Iterable[str] = ()) -> Plugins:
    """What is installed or lies in *folders*, and *plugins* by name; of two with one name that given here."""
    found = find(folders, without=tuple(plugins))
    for name, subject in plugins.items():
        found.add(name, "a test", cast("Any", _Given(subject)))
    return found


class _Given:
    """In place of an entry point."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def load(self) -> Subject:
        return self._subject

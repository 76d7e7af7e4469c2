"""The plugins that are asked before any reaction: ``[decode]`` and ``[enrich]``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from twisted.logger import Logger

from hikrecv.config import Config
from hikrecv.errors import BrokenPlugin, ConfigError, PluginError
from hikrecv.isapi.event import Event
from hikrecv.push import Push

from .context import Context, Services
from .hooks import Hook
from .outcome import Again, Bug, OnHold, Refused, judge
from .plugins import Plugins
from .reaction import Reaction
from .settings import NoSettings, check
from .status import Status

Decode = Callable[[Push], Sequence[Event] | None]
_log = Logger()


class Early(msgspec.Struct, frozen=True):
    """
    One plugin of a list.

    :param name: the plugin's; its additions stand in ``event.extra`` under it.
    """

    name: str
    hook: Hook
    context: Context


def enrichers(
    config: Config, plugins: Plugins, reactions: Mapping[str, Reaction], services: Services
) -> tuple[list[Early], list[ConfigError]]:
    """The enrichers in the order of ``[enrich] plugins``, and what is wrong with the list."""
    return _listed(config, config.enrich.plugins, "enrich", plugins, reactions, services)


def decoders(
    config: Config, plugins: Plugins, reactions: Mapping[str, Reaction], services: Services
) -> tuple[list[Decode], list[ConfigError]]:
    """
    The decoders in the order of ``[decode] plugins``, and what is wrong with the list.

    A decoder that fails, or gives something else than events, gives None.
    """
    found, errors = _listed(config, config.decode.plugins, "decode", plugins, reactions, services)
    return [PluginDecoder(each) for each in found], errors


def _listed(
    config: Config,
    names: Sequence[str],
    what: str,
    plugins: Plugins,
    reactions: Mapping[str, Reaction],
    services: Services,
) -> tuple[list[Early], list[ConfigError]]:
    found: list[Early] = []
    errors: list[ConfigError] = []
    for name in names:
        table = config.reactions.get(name)
        if table is not None and name not in reactions and table.get("plugin") != name:
            # A plugin of that name is not what is meant.  What is wrong with a table is told for the table.
            if table.get("enabled") is False:
                errors.append(ConfigError(f"reactions.{name} is not enabled", f"{what}.plugins"))
            continue
        try:
            found.append(_one(name, f"hikrecv_{what}", plugins, reactions, services))
        except BrokenPlugin as error:
            _log.error("{error}; [{what}] goes on without it", error=error, what=what)
        except PluginError as error:
            errors.append(ConfigError(str(error), f"{what}.plugins"))
    return found, errors


def _one(
    name: str, hook: str, plugins: Plugins, reactions: Mapping[str, Reaction], services: Services
) -> Early:
    """
    The plugin *name*; a reaction of that name comes first, since it has settings.

    :raises PluginError: when there is none, or it does not do this.
    """
    reaction = reactions.get(name)
    if reaction is not None and hook in reaction.hooks:
        return Early(reaction.plugin.name, reaction.hooks[hook], reaction.context)
    plugin = plugins.get(name)
    if hook not in plugin.hooks:
        raise PluginError(f"the plugin {name} has no {hook}; take it from the list")
    settings, errors = check({}, plugin.settings or NoSettings, path=name)
    if errors:
        raise PluginError(f'{name} needs settings; write [reactions.{name}] plugin = "{name}" with them')
    context = Context(name, settings if plugin.settings else None, services)
    return Early(name, plugin.make(context)[hook], context)


class PluginDecoder:
    """A decoder of a plugin, which may do what it wants: what comes of it are events, or None."""

    def __init__(self, early: Early, wall: Callable[[], float] = time.time) -> None:
        self._early = early
        self._wall = wall
        self._status = Status(name=f"decode {early.name}", plugin=early.name, state="waiting")

    def __call__(self, push: Push) -> Sequence[Event] | None:
        """See `hikrecv_decode`."""
        try:
            events = self._early.hook(push=push)
        except (Exception, SystemExit) as problem:
            self._failed(judge(problem))
            return None
        if events is None or (isinstance(events, list | tuple) and all(isinstance(e, Event) for e in events)):
            self._status = replace(self._status, state="waiting", reason="", last_success=self._wall())
            return events or None
        self._failed(Bug(f"it gave {type(events).__name__}; it must give a list of events or None"))
        return None

    def status(self) -> Status:
        """How it is."""
        return self._status

    def _failed(self, outcome: Again | Refused | OnHold | Bug) -> None:
        reason, trace = outcome.reason, outcome.trace if isinstance(outcome, Bug) else ""
        if reason != self._status.reason:
            _log.error(
                "the decoder {name} failed; the push is kept as it is: {reason}\n{trace}",
                name=self._early.name,
                reason=reason,
                trace=trace,
            )
        self._status = replace(
            self._status,
            state="failing",
            reason=reason,
            last_error=reason,
            last_error_at=self._wall(),
            trace=trace,
        )

"""A reaction: one configured instance of a plugin, and the events that it wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hikrecv.config import Common, Config, Cooldown, Seconds
from hikrecv.errors import BrokenPlugin, ConfigError, PluginError
from hikrecv.isapi.event import Event
from hikrecv.senders import bound_devices

from . import cooldown as cooldowns
from .context import Context, Services
from .filter import Filter, compile_filter
from .hooks import Hook
from .plugins import Delivery, Plugin, Plugins
from .refusals import remote_check_errors, table_errors
from .settings import NoSettings, check, split
from .stand_in import stand_in

ACTING_AGE = Seconds(10)
LATE = 60.0
"""Seconds that an event is behind at least when it is not live."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Reaction:
    """
    One ``[reactions.<name>]``: what it is, which events it wants, how they are handed over.

    :ivar hooks: the functions of this instance by hook name; see also `event` and the others.
    :ivar delivery: ``at-most-once`` when the plugin or the table says so.
    :ivar max_age: seconds after which an event is too old; 10 for what acts or must not be repeated
        and says nothing, None for ever.
    :ivar wants: says of an event whether the reaction wants it.
    """

    def __init__(
        self,
        name: str,
        common: Common,
        plugin: Plugin,
        context: Context,
        hooks: Mapping[str, Hook],
        wanted: Filter,
    ) -> None:
        self.name = name
        self.common = common
        self.plugin = plugin
        self.context = context
        self.hooks = hooks
        self.acts = plugin.acts
        self.delivery = _delivery(common, plugin)
        self.max_age = _max_age(common, self.acts, self.delivery)
        self.event = hooks.get("hikrecv_event")
        self.events = hooks.get("hikrecv_events")
        self.remote_check = hooks.get("hikrecv_remote_check")
        self.enrich = hooks.get("hikrecv_enrich")
        self.start = hooks.get("hikrecv_start")
        self.stop = hooks.get("hikrecv_stop")
        self.wants = wanted

    @property
    def careful(self) -> bool:
        """Does it act, or must it not repeat itself?  Then an age has to be known, and not guessed."""
        return self.acts or self.delivery == "at-most-once"

    @property
    def carries(self) -> bool:
        """Does it need a courier: has it `hikrecv_event` or `hikrecv_events`?"""
        return self.event is not None or self.events is not None

    def checks(self, event: Event) -> bool:
        """May it be asked about *event* while a terminal waits?  As strict as for what acts."""
        return self.remote_check is not None and self.wants.trusts(event) and self.wants(event)

    @property
    def cooldown(self) -> Cooldown | None:
        """Its ``cooldown``; the times are kept in the ledger under :meth:`who`."""
        return self.common.cooldown

    def who(self, event: Event) -> str | None:
        """Whom the cooldown counts *event* for; None when there is no cooldown or it names nobody."""
        return None if self.cooldown is None else cooldowns.who(event, self.cooldown)


def _delivery(common: Common, plugin: Plugin) -> Delivery:
    return "at-most-once" if "at-most-once" in (common.delivery, plugin.delivery) else "at-least-once"


def _max_age(common: Common, acts: bool, delivery: Delivery) -> float | None:
    if common.max_age is not None:
        return common.max_age
    return ACTING_AGE if acts or delivery == "at-most-once" else None


def build(
    config: Config, plugins: Plugins, services: Services, *, folder: Path = Path()
) -> tuple[dict[str, Reaction], list[ConfigError]]:
    """
    Every enabled ``[reactions.<name>]`` that is right, and every error of those that are not.

    A plugin that is a class is made here, so its ``__init__`` must be quick;
    what takes time belongs into `hikrecv_start`.  One that is broken has a stand-in.

    :param folder: where the configuration lies; ``file:`` secrets are relative to it.
    """
    reactions: dict[str, Reaction] = {}
    errors: list[ConfigError] = []
    for name, table in config.reactions.items():
        found, wrong = _build_one(name, table, config, plugins, services, folder)
        errors += wrong
        if found is not None:
            reactions[name] = found
    broken = {error.path.split(".")[1] for error in errors}
    errors += remote_check_errors(config, reactions, broken)
    return reactions, errors


def _build_one(
    name: str, table: Mapping[str, Any], config: Config, plugins: Plugins, services: Services, folder: Path
) -> tuple[Reaction | None, list[ConfigError]]:
    path = f"reactions.{name}"
    if not _NAME.fullmatch(name):
        return None, [ConfigError("a reaction's name has only letters, digits, - and _, at most 64", path)]
    general, own = split(table)
    common, errors = check(general, Common, path=path, folder=folder)
    if common is not None and not common.enabled:
        return None, errors
    try:
        plugin = plugins.get(str(table.get("plugin", "")))
    except BrokenPlugin as error:
        # What it may be told is not known now.
        plugin, own = stand_in(str(table["plugin"]), error), {}
    except PluginError as error:
        return None, [*errors, ConfigError(str(error), f"{path}.plugin")]
    settings, wrong = check(own, plugin.settings or NoSettings, path=path, folder=folder)
    errors += wrong
    if common is None:
        return None, errors
    wanted, wrong = compile_filter(common, path, acts=plugin.acts, bound=bound_devices(config))
    errors += wrong + table_errors(name, common, plugin, config)
    if wanted is None or errors:
        return None, errors
    try:
        once = _delivery(common, plugin) == "at-most-once"
        context = Context(name, settings if plugin.settings else None, services, once=once)
        return Reaction(name, common, plugin, context, plugin.make(context), wanted), []
    except PluginError as error:
        return None, [ConfigError(str(error), path)]

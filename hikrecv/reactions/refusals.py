"""What a configuration may not ask of its reactions, each refusal with the cure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from hikrecv.config import Common, Config, Listen
from hikrecv.errors import ConfigError
from hikrecv.senders import bound_devices, everybody, is_open, proxies_let_in

from .plugins import Plugin

if TYPE_CHECKING:
    from .reaction import Reaction

BUDGET = 4.5
"""Seconds for remote checks at most: terminals give up after 5."""
_CARRIED = frozenset({"hikrecv_event", "hikrecv_events"})
_OF_REACTIONS = _CARRIED | {"hikrecv_remote_check", "hikrecv_enrich", "hikrecv_start"}


def table_errors(name: str, common: Common, plugin: Plugin, config: Config) -> list[ConfigError]:
    """Everything in a reaction's table that its plugin or the rest of the configuration forbids."""
    path = f"reactions.{name}"
    hooks = set(plugin.hooks)
    asked = name in config.remote_check.reactions
    found = [
        (
            # One that is in the list has its settings here.
            not hooks & _OF_REACTIONS and name not in config.decode.plugins,
            "plugin",
            f"{plugin.name} reacts to nothing; name it in [decode] instead",
        ),
        (
            hooks & _OF_REACTIONS == {"hikrecv_remote_check"} and not asked,
            "plugin",
            f"{plugin.name} only answers remote checks; name {name} in [remote_check] reactions",
        ),
        (
            common.delivery == "at-least-once" and plugin.delivery == "at-most-once",
            "delivery",
            f"{plugin.name} must never repeat what it did; remove the key",
        ),
        (
            common.batch is not None and "hikrecv_events" not in hooks,
            "batch",
            f"{plugin.name} takes events one by one; remove the key",
        ),
        (common.batch is not None and common.batch.most < 1, "batch.most", "must be 1 or more"),
        (common.concurrency < 1, "concurrency", "must be 1 or more"),
        (common.retry < 1, "retry", "must be 1 or more"),
        (common.timeout <= 0, "timeout", 'must be more than nothing, such as "30s"'),
        (
            common.max_age is not None and common.max_age <= 0,
            "max_age",
            'must be more than nothing, such as "10s"',
        ),
        (not _is_place(common.start), "from", 'must be "now", "beginning" or a seq'),
    ]
    errors = [ConfigError(message, f"{path}.{key}") for wrong, key, message in found if wrong]
    return errors + (_trust_errors(path, f"{plugin.name} acts", config) if plugin.acts else [])


def remote_check_errors(
    config: Config, reactions: Mapping[str, Reaction], broken: Collection[str]
) -> list[ConfigError]:
    """Everything that is wrong with ``[remote_check]``; reactions that are *broken* are reported already."""
    names = config.remote_check.reactions
    errors = []
    for name in names:
        reaction = reactions.get(name)
        if name in broken:
            continue
        if reaction is None:
            errors.append(ConfigError(f"there is no enabled [reactions.{name}]", "remote_check.reactions"))
        elif reaction.remote_check is None:
            message = f"{name}: its plugin {reaction.plugin.name} does not answer remote checks"
            errors.append(ConfigError(message, "remote_check.reactions"))
    if not 0 < config.remote_check.budget <= BUDGET:
        errors.append(ConfigError(f"must be at most {BUDGET:g} s; terminals give up", "remote_check.budget"))
    if names:
        errors += _trust_errors("remote_check.reactions", "the answer opens a door", config)
    return errors


def _trust_errors(path: str, why: str, config: Config) -> list[ConfigError]:
    """What acts must know its senders: no open listener, and devices that can prove who they are."""
    errors = [ConfigError(f"{why}, and {_who(each)}", path) for each in config.listen if is_open(each)]
    if not bound_devices(config):
        errors.append(
            ConfigError(
                f"{why} only for devices that are known by their own address or login; write "
                "[devices.<name>] with an address that is no proxy's, or with a push_login",
                path,
            )
        )
    return errors


def _who(listen: Listen) -> str:
    behind = [] if not listen.allow or everybody(listen.allow) else proxies_let_in(listen)
    if behind:
        return (
            f"anybody behind the proxy {behind[0]} may send to {listen.endpoint}; give it token or login, or "
            "take the proxy out of allow"
        )
    return f"anybody may send to {listen.endpoint}; give it allow, token or login"


def _is_place(start: str | int) -> bool:
    return start in ("now", "beginning") if isinstance(start, str) else start >= 0

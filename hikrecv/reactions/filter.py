"""Which events a reaction wants, by everything in its table that needs no clock and no memory."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import get_args

from hikrecv.config import Common
from hikrecv.errors import ConfigError
from hikrecv.isapi.event import Event, Family
from hikrecv.senders import Bound

from .rule import Rule
from .schedule import Open, compile_schedule, zone_of

FAMILIES = frozenset(get_args(Family))
QUIET = frozenset({"heartbeat", "test"})
"""What a reaction gets only when it asks for it."""
NOBODY = Bound()
_TELLING = frozenset({"family", "type", "wire_type"})


class Filter:
    """
    Says of each event whether the reaction wants it; made by :func:`compile_filter`.

    :param families: those that are wanted at all.
    :param acts: only events of known devices.
    :param bound: the devices that are known by their own address or login.
    """

    def __init__(
        self,
        common: Common,
        families: Collection[str],
        rule: Rule | None,
        opens: Open | None,
        *,
        acts: bool = False,
        bound: Bound = NOBODY,
    ) -> None:
        self._families = frozenset(families)
        self._rule = rule
        self._opens = opens
        self._skips_duplicates = common.duplicates == "skip"
        self._first_only = common.repeats == "first"
        self._acts = acts
        self._bound = bound

    def __call__(self, event: Event) -> bool:
        """Is *event* wanted?  Cheap questions first."""
        return (
            event.family in self._families
            and not (self._skips_duplicates and event.duplicate_of is not None)
            and not (self._first_only and event.episode is not None and event.episode.id != event.id)
            and (not self._acts or self.trusts(event))
            and (self._opens is None or self._opens(event.received))
            and (self._rule is None or self._rule.matches(event))
        )

    def trusts(self, event: Event) -> bool:
        """
        May a door be opened for it: not resent, and from a device that proved to be the one it says?

        That it is late is a guess, which is not asked here: `Ages` knows better, and tells what is too old.
        """
        if event.freshness == "resent" or event.peer.trust == "none":
            return False
        device = event.device.id
        return self._bound.has(device, event.peer) or self._bound.has(device.partition("/")[0], event.peer)


def compile_filter(
    common: Common, path: str, *, acts: bool = False, bound: Bound = NOBODY
) -> tuple[Filter | None, list[ConfigError]]:
    """
    The filter of a reaction's common keys, or everything that is wrong with them.

    Heartbeats and tests are wanted when `families` names them, or when a `when`
    without `families` looks at what kind of event it is (``family``, ``type`` or
    ``wire_type``): ``device.id == "gate"`` alone is not a wish for heartbeats.

    :param path: of the reaction's table, for errors.
    """
    errors: list[ConfigError] = []
    rule, opens, zone = None, None, next((zone_of(entry.zone) for entry in common.schedule), None)
    try:
        rule = Rule(common.when, zone=zone, path=f"{path}.when") if common.when.strip() else None
    except ConfigError as error:
        errors.append(error)
    try:
        opens = compile_schedule(common.schedule, f"{path}.schedule")
    except ConfigError as error:
        errors.append(error)
    errors += [_unknown(family, path) for family in common.families if family not in FAMILIES]
    families = common.families or (
        FAMILIES if rule is not None and rule.names & _TELLING else FAMILIES - QUIET
    )
    return None if errors else Filter(common, families, rule, opens, acts=acts, bound=bound), errors


def _unknown(family: str, path: str) -> ConfigError:
    near = difflib.get_close_matches(family, FAMILIES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(FAMILIES))}"
    return ConfigError(f"there is no family {family!r}; {hint}", f"{path}.families")

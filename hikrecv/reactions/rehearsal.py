"""A reaction tried on what was received, as if it had been there at the time."""

from __future__ import annotations

from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event

from .age import lateness
from .calls import Calls
from .cooldown import cooling
from .outcome import Done
from .reaction import Reaction
from .replay import knows_dry_runs


class Rehearsal:
    """
    Judges events in their order by everything that a reaction's table says.

    What hangs on the present (pauses, attempts, what was done before) is left out.

    :param calls: the way to its hooks; None never calls one.
    :raises HikrecvError: when its plugin cannot be called without something being done.
    """

    def __init__(self, reaction: Reaction, calls: Calls | None) -> None:
        self._reaction, self._calls = reaction, calls
        self._last: dict[str, float] = {}
        if calls is not None and not (reaction.carries and knows_dry_runs(reaction.plugin.subject)):
            raise HikrecvError(
                f"the plugin {reaction.plugin.name} does not say dry_run = True, so nobody knows what a call "
                "would do; try it without --call"
            )

    def judge(self, event: Event) -> str | None:
        """None when *event* is not wanted, "" when it would be handed over, else why it would not be."""
        reaction = self._reaction
        if not reaction.wants(event):
            return None
        if reaction.max_age is not None and lateness(event) > reaction.max_age:
            return "too old"
        return "cooling down" if self._is_cooling(event) else ""

    async def begin(self) -> None:
        """Call `hikrecv_start`, when hooks are called.  :raises HikrecvError: when it fails."""
        if self._calls is not None and "hikrecv_start" in self._reaction.hooks:
            said = await self._said("hikrecv_start")
            if said:
                raise HikrecvError(f"hikrecv_start of {self._reaction.name} failed: {said}")

    async def call(self, event: Event) -> str:
        """What the hook says it would do with *event*, when hooks are called."""
        hook = "hikrecv_event" if self._reaction.event else "hikrecv_events"
        return await self._said(hook, event)

    async def end(self) -> None:
        """Call `hikrecv_stop`, when hooks are called."""
        if self._calls is not None:
            if "hikrecv_stop" in self._reaction.hooks:
                await self._said("hikrecv_stop")
            self._calls.close()

    async def _said(self, hook: str, *events: Event) -> str:
        if self._calls is None:
            return ""
        timeout = self._reaction.common.timeout
        outcome = await self._calls.call(hook, timeout, events, attempt=1, replay=True, dry_run=True)
        return "" if isinstance(outcome, Done) else outcome.reason

    def _is_cooling(self, event: Event) -> bool:
        who, rule = self._reaction.who(event), self._reaction.cooldown
        if who is None or rule is None:
            return False
        received = event.received.timestamp()
        if cooling(rule, self._last.get(who), received):
            return True
        self._last[who] = received
        return False

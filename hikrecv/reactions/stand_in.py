"""
In place of a plugin that cannot be loaded: its reactions keep their places and say why they wait.

A mail program's lost library must not keep the receiver from taking events, nor cost
the mails: after the repair and a reload they go on where they were.
"""

from __future__ import annotations

from typing import ClassVar

from hikrecv.errors import BrokenPlugin, Retry
from hikrecv.isapi.event import Event

from .hooks import hooks_of
from .hookspecs import hookimpl
from .plugins import Plugin


class StandIn:
    """Is never done."""

    reason: ClassVar[str]

    @hookimpl
    async def hikrecv_start(self) -> None:
        """What comes after it is never called; without it the reaction would not be named as blocked."""
        raise Retry(self.reason)

    @hookimpl
    async def hikrecv_events(self) -> None:
        """For what is called without a start: a replay."""
        raise Retry(self.reason)

    @hookimpl
    async def hikrecv_remote_check(self, event: Event) -> bool:
        """A failure denies."""
        raise Retry(self.reason)

    @hookimpl
    async def hikrecv_enrich(self, event: Event) -> None:
        """A failure leaves the event as it was."""
        raise Retry(self.reason)


def stand_in(name: str, error: BrokenPlugin) -> Plugin:
    """A plugin that can be used for nothing, because of *error*."""
    subject = type("Broken", (StandIn,), {"reason": str(error)})
    return Plugin(name, "broken", subject, tuple(hooks_of(subject)), None, acts=False, delivery=None)

"""Calling a reaction's hooks by name, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .attempt import Attempts
from .outcome import Outcome
from .reaction import Reaction
from .threads import Threads
from .watchdog import Slot

_log = Logger()


class Calls(Protocol):
    """The hooks of one reaction, in this process or in one of its own."""

    @property
    def zombies(self) -> int:
        """Calls that were given up and still run."""

    async def call(
        self,
        hook: str,
        limit: float,
        events: Sequence[Event] = (),
        *,
        attempt: int = 0,
        replay: bool = False,
        dry_run: bool = False,
    ) -> Outcome:
        """Call the hook of that name within *limit* seconds; never raises, except when cancelled."""

    def close(self) -> None:
        """No further calls."""


class Local:
    """The hooks of a reaction in this process."""

    def __init__(self, reaction: Reaction, attempts: Attempts) -> None:
        self._reaction = reaction
        self._attempts = attempts
        self._templates = "templates" in reaction.common.include
        # By far the most calls are first ones, and a context that says so is like any other.
        self._first = reaction.context.for_attempt(1)

    @property
    def zombies(self) -> int:
        """See `Attempts.zombies`."""
        return self._attempts.zombies

    def call(
        self,
        hook: str,
        limit: float,
        events: Sequence[Event] = (),
        *,
        attempt: int = 0,
        replay: bool = False,
        dry_run: bool = False,
    ) -> Coroutine[Any, Any, Outcome]:
        """See `Calls.call`."""
        if attempt == 1 and not replay and not dry_run:
            context = self._first
        else:
            context = self._reaction.context.for_attempt(attempt, replay=replay, dry_run=dry_run)
        if hook == "hikrecv_event" and not self._templates:
            return self._attempts.call(self._reaction.hooks[hook], limit, context=context, event=events[0])
        values = self._values(hook, events)
        return self._attempts.call(self._reaction.hooks[hook], limit, context=context, **values)

    def close(self) -> None:
        """See `Calls.close`."""
        self._attempts.close()

    def _values(self, hook: str, events: Sequence[Event]) -> dict[str, Any]:
        if self._templates:
            events = [_with_templates(event) for event in events]
        if hook == "hikrecv_events":
            return {"events": tuple(events)}
        return {"event": events[0]} if events else {}


class Workplace:
    """
    Makes the way to a reaction's hooks.

    :param from_thread: calls a function on the reactor from any thread.
    :param isolated: makes the way to a reaction that runs in a process of its own.
    """

    def __init__(
        self,
        clock: IReactorTime,
        from_thread: Callable[..., Any],
        slot: Slot,
        isolated: Callable[[Reaction], Calls] | None = None,
    ) -> None:
        self._clock = clock
        self._from_thread = from_thread
        self._slot = slot
        self._isolated = isolated

    def attempts(self, name: str) -> Attempts:
        """Calls of hooks in this process, with threads in that name."""
        return Attempts(name, self._clock, Threads(name, self._from_thread), self._slot)

    def __call__(self, reaction: Reaction) -> Calls:
        """The way to the hooks of *reaction*, to be closed by who asked for it."""
        if reaction.common.isolate:
            if self._isolated is not None:
                return self._isolated(reaction)
            _log.error(
                "{reaction} runs in this process: nobody can give it one of its own", reaction=reaction.name
            )
        return Local(reaction, self.attempts(reaction.name))


def _with_templates(event: Event) -> Event:
    """*event* whose `data` has the face templates too, for a reaction whose table asks for them."""
    full = event.__dict__.get("_data_full")
    if full is None:
        return event
    mine = event.replace()
    mine.__dict__["_data"] = full
    return mine

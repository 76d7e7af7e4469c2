"""Asking the enrichers about an event, before any rule looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .attempt import Attempts
from .breaker import Breaker
from .early import Early
from .outcome import Bug, Done, Outcome
from .status import State, Status

LIMIT = 2.0
"""Seconds that an enricher has for one event: all reactions wait for it."""
MOST_ZOMBIES = 3
_log = Logger()

_OURS = ("id", "key", "seq", "n", "received", "freshness", "peer", "device", "duplicate_of", "episode")
"""What an event is and how far it is believed; no enricher may change that."""


class Enrichment:
    """
    All enrichers, in their order, one event at a time.

    An enricher that fails leaves the event as it was.  One that fails over and
    over is asked only now and then, so that it costs the others no time.

    :param attempts: makes what calls the hooks of the plugin of that name (`Workplace.attempts`).
    :param seconds: the clock's, monotonic.
    :param wall: seconds since 1970; only shown.
    """

    def __init__(
        self,
        enrichers: Sequence[Early],
        attempts: Callable[[str], Attempts],
        seconds: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steps = [_Step(each, attempts(f"enrich {each.name}"), seconds, wall) for each in enrichers]
        self._lock = DeferredLock()

    def __bool__(self) -> bool:
        return bool(self._steps)

    async def all(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """*events* with everything that the enrichers know about them."""
        enriched = []
        for event in events:
            await self._lock.acquire()
            try:
                for step in self._steps:
                    event = await step.take(event)
            finally:
                self._lock.release()
            enriched.append(event)
        return tuple(enriched)

    def close(self) -> None:
        """Ask nobody any more."""
        for step in self._steps:
            step.attempts.close()

    def status(self) -> list[Status]:
        """One row an enricher, in their order."""
        return [step.status() for step in self._steps]


class _Step:
    def __init__(
        self,
        enricher: Early,
        attempts: Attempts,
        seconds: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.name = enricher.name
        self.attempts = attempts
        self.error = ""
        self._enricher = enricher
        self._seconds = seconds
        self._wall = wall
        self._done = 0
        self._last_success: float | None = None
        self._last_error: tuple[float, str, str] | None = None
        self._breaker = Breaker()

    async def take(self, event: Event) -> Event:
        if self._rests():
            return event
        enricher = self._enricher
        # Its own copy of `extra`: what a failing enricher left half done is not kept.
        given = event.replace(extra=dict(event.extra))
        outcome = await self.attempts.call(
            enricher.hook, LIMIT, event=given, context=enricher.context.for_attempt(1)
        )
        result = _merged(event, given, outcome, enricher.name)
        self._note(result, outcome.trace if isinstance(outcome, Bug) else "")
        return result if isinstance(result, Event) else event

    def _rests(self) -> bool:
        return self.attempts.zombies > MOST_ZOMBIES or self._breaker.due_in(self._seconds()) > 0

    def status(self) -> Status:
        at, error, trace = self._last_error or (None, "", "")
        state: State = "waiting"
        reason = self.error
        if self.error:
            state = "probing" if self._breaker.is_open else "failing"
        if self.attempts.zombies > MOST_ZOMBIES:
            state = "suspended"
            reason = f"{self.attempts.zombies} calls were given up and never came back"
        return Status(
            name=self.attempts.name,
            plugin=self.name,
            state=state,
            reason=reason,
            done=self._done,
            last_success=self._last_success,
            last_error=error,
            last_error_at=at,
            trace=trace,
            zombies=self.attempts.zombies,
        )

    def _note(self, result: Event | str, trace: str) -> None:
        if isinstance(result, Event):
            self.error = ""
            self._done += 1
            self._last_success = self._wall()
            self._breaker.succeeded()
            return
        self._last_error = self._wall(), result, trace
        self._breaker.failed(self._seconds())
        if result != self.error:
            _log.warn(
                "enricher {name} failed and changed nothing: {error}\n{trace}",
                name=self.name,
                error=result,
                trace=trace,
            )
        self.error = result


def _merged(event: Event, given: Event, outcome: Outcome, name: str) -> Event | str:
    """The enriched event, or why it is not."""
    if not isinstance(outcome, Done):
        return outcome.reason
    value = outcome.value
    if value is None:
        return event.replace(extra=given.extra)
    if isinstance(value, Mapping):
        return event.replace(extra={**event.extra, name: dict(value)})
    return _checked(event, value)


def _checked(event: Event, value: Any) -> Event | str:
    if not isinstance(value, Event):
        return f"it returned {type(value).__name__}; it must return an Event, a dict or None"
    changed = [field for field in _OURS if getattr(value, field) != getattr(event, field)]
    if changed:
        return f"it changed {', '.join(changed)}, which no plugin may"
    return value

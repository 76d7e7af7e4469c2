"""The alarm of a reaction that leaves events out because they are too old."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .age import Age
from .reaction import Reaction

EVERY = 300.0
"""Seconds between two alarms of one reaction: a device that sends its history must not fill the log."""
_log = Logger()


class TooOld:
    """
    Says that events were left out, at the first and then once in a while.

    A door that opens for nobody, because somebody has set a clock, must not do so silently.
    """

    def __init__(self, reaction: Reaction, clock: IReactorTime) -> None:
        self._reaction, self._clock = reaction, clock
        self._said = float("-inf")

    def say(self, event: Event, age: Age, count: int) -> None:
        """*event* was left out; it is the *count*-th in this life."""
        now = self._clock.seconds()
        if now - self._said < EVERY:
            return
        self._said = now
        tell = _log.critical if self._reaction.careful else _log.warn
        tell(
            "{alarm}{reaction} leaves events out that are too old: {count}; {event} of {device}: {why}",
            alarm="ALARM: " if self._reaction.careful else "",
            reaction=self._reaction.name,
            count=count,
            event=event.id,
            device=event.device.id,
            why=age.why or f"{age.seconds:.0f} s, and max_age is {self._reaction.max_age:g} s",
        )

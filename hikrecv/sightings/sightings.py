"""What an event means after those before it: how fresh, seen before, part of what lasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from hikrecv.isapi.event import Episode, Event
from hikrecv.journal.fact import DEVICES, WINDOW, Fact, attach, moment, undecided

from .duplicates import Duplicates
from .episodes import Episodes
from .freshness import Clocks


class Sightings:
    """
    The memory of what came before: pure, bounded, fed in journal order.

    An event is first judged, which changes nothing, and then remembered as it was
    decided.  Because memory changes in no other way, facts read back leave exactly
    the memory that seeing the events has left.  It is a function of the last
    `window` facts and of the last fact of each of the last `devices` devices.

    There is no clock here but the received times of the events.
    """

    def __init__(self, window: int = WINDOW, devices: int = DEVICES) -> None:
        self._window = window
        self._duplicates = Duplicates(window)
        self._clocks = Clocks(devices)
        self._episodes = Episodes(window)

    def see(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """
        The same events with freshness, `duplicate_of` and `episode`.

        What was decided travels with each as its fact, see `hikrecv.journal.fact`.
        Events that were seen before, by others, are judged anew.
        """
        return tuple(map(self._see, events))

    def restore(self, facts: Iterable[Fact]) -> None:
        """Remember decided *facts*, in journal order, in place of seeing their events."""
        for fact in facts:
            self._recall(fact)

    def forget_clock(self, device: str) -> None:
        """Guess the clock of *device*, and of what comes through it, from its next events alone."""
        self._clocks.forget(device)

    def our_clock_was_set(self) -> None:
        """Guess all clocks anew: while ours was wrong every device looked as wrong."""
        self._clocks.forget_all()

    def _see(self, event: Event) -> Event:
        fact = undecided(event)
        if event.duplicate_of is not None or event.episode is not None:
            fact = _said(fact)
        fact = self._episodes.judge(self._clocks.judge(self._duplicates.judge(fact)))
        self._recall(fact)
        if changes := _changes(event, fact):
            event = event.replace(**changes)
        attach(event, fact)
        return event

    def _recall(self, fact: Fact) -> None:
        self._duplicates.recall(fact)
        self._clocks.recall(fact)
        self._episodes.recall(fact)


# A lasting alarm tells when it began with each repeat.
_moment = lru_cache(maxsize=DEVICES)(moment)


def _said(fact: Fact) -> Fact:
    """Without what others decided; `resent` is the device's own word and stays."""
    return replace(fact, duplicate_of=None, episode=None, episode_count=0, episode_first=None)


def _changes(event: Event, fact: Fact) -> dict[str, Any]:
    """Only what differs: most events are live, single and new."""
    changes: dict[str, Any] = {}
    if fact.freshness != event.freshness:
        changes["freshness"] = fact.freshness
    if fact.duplicate_of != event.duplicate_of:
        changes["duplicate_of"] = fact.duplicate_of
    if fact.episode is not None:
        first = _moment(fact.episode_first or fact.received)
        changes["episode"] = Episode(id=fact.episode, count=fact.episode_count, first=first)
    elif event.episode is not None:
        changes["episode"] = None
    return changes

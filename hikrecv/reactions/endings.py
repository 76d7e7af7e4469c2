"""The ends of lasting alarms, for reactions that want only the first event of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timezone

from hikrecv.isapi.event import Event
from hikrecv.sightings.ends import Ends

from .handover import Item
from .reaction import Reaction

IN_FLIGHT = 1.0
"""Seconds that a push may take from its receipt to the couriers."""
SOONEST = 0.25
MOST_SILENT = 1_024
READ_BEFORE = 256
"""Pushes before the cursor that are read at start, to know which alarms go on."""


class Endings:
    """
    What a reaction with ``repeats = "first"`` gets beside the first event: the end.

    An end has no number of its own in a push; those told with a push are counted
    down from -1, in the order in which they are told.
    """

    def __init__(self, reaction: Reaction) -> None:
        self._reaction = reaction
        self._ends = Ends()
        self._silent: OrderedDict[str, None] = OrderedDict()

    def around(self, seq: int, events: tuple[Event, ...]) -> Iterator[Item]:
        """The events of a push, with the ends that are told before and after each."""
        number = 0
        for event in events:
            before, after = self._ends.see(event)
            for told in (*before, event, *after):
                if told is event:
                    yield Item(seq, event.n, event)
                else:
                    number -= 1
                    yield Item(seq, number, told)

    def due(self, seq: int, now: float) -> list[Item]:
        """The ends of what has been silent for long enough at *now*, in seconds since 1970."""
        moment = datetime.fromtimestamp(now - IN_FLIGHT, timezone.utc)
        ends = self._ends.due(moment)
        return [Item(seq, -1 - number, end) for number, end in enumerate(ends) if self.wants(end)]

    def due_in(self, now: float) -> float | None:
        """Seconds until :meth:`due` may have something; None while nothing lasts."""
        next = self._ends.next
        return None if next is None else max(SOONEST, next.timestamp() + IN_FLIGHT - now)

    def wants(self, end: Event) -> bool:
        """Does the reaction want this end: would it want the event that it was made from?"""
        first = end.id.removesuffix("-end")
        if first in self._silent:
            del self._silent[first]
            return False
        # A rule may look at everything but the episode: by that it would be one of the repeats.
        return self._reaction.wants(end.replace(episode=None))

    def silence(self, event: Event) -> None:
        """The first event was held back; so is the end."""
        self._silent[event.id] = None
        while len(self._silent) > MOST_SILENT:
            self._silent.popitem(last=False)

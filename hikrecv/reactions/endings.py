"""The beginnings and ends of lasting alarms, for reactions that want no more of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timezone

from msgspec import structs

from hikrecv.isapi.event import Event
from hikrecv.sightings.ends import Ends
from hikrecv.sightings.episodes import LASTING

from .handover import Item
from .reaction import Reaction

IN_FLIGHT = 1.0
"""Seconds that a push may take from its receipt to the couriers."""
SOONEST = 0.25
MOST_SILENT = 1_024
MOST_BEGUN = 4_096
"""Alarms of which it is known that the reaction has the beginning."""
READ_BEFORE = 256
"""Pushes before the cursor that are read at start, to know which alarms go on."""


class Endings:
    """
    What a reaction with ``repeats = "first"`` gets: the first event of an alarm that it wants, and the end.

    That need not be the alarm's own first: a car may set off what a person then keeps up,
    and an alarm may begin before the reaction's hours do.

    An end has no number of its own in a push; those told with a push are counted
    down from -1, in the order in which they are told.
    """

    def __init__(self, reaction: Reaction) -> None:
        self._reaction = reaction
        self._ends = Ends()
        self._silent: OrderedDict[str, None] = OrderedDict()
        self._begun: OrderedDict[str, Event] = OrderedDict()

    def passed(self, seq: int, events: tuple[Event, ...]) -> None:
        """Remember a push that was handled before."""
        for item in self.around(seq, events):
            if not item.is_end:
                self.begins(item.event)

    def begins(self, event: Event) -> bool:
        """Is it the first of its alarm that the reaction wants?  To be asked once for each, in order."""
        alarm = event.id if event.episode is None else event.episode.id
        if alarm == event.id:
            wanted = self._reaction.wants(event)
        elif alarm in self._begun or event.state == "inactive":
            return False
        else:
            wanted = self._reaction.wants(event.replace(episode=None))
        if wanted and event.family in LASTING:
            self._begun[alarm] = structs.replace(event, episode=None, pictures=())
            if len(self._begun) > MOST_BEGUN:
                self._begun.popitem(last=False)
        return wanted

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
        """Does the reaction want this end: did it want the beginning, and does it want what is over?"""
        alarm = end.id.removesuffix("-end")
        begun = self._begun.pop(alarm, None)
        if alarm in self._silent:
            del self._silent[alarm]
            return False
        # A rule may look at everything but the episode: by that it would be one of the repeats.
        return begun is not None and self._reaction.wants(begun.replace(state=end.state))

    def silence(self, event: Event) -> None:
        """The beginning was held back; so is the end."""
        self._silent[event.id if event.episode is None else event.episode.id] = None
        while len(self._silent) > MOST_SILENT:
            self._silent.popitem(last=False)

"""At most one event in a while for each device, person or plate: the memory behind `cooldown`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from hikrecv.isapi.event import Event

from .book import Book
from .cooldown import cooling
from .reaction import Reaction

MOST_KNOWN = 10_000
"""Names whose last time is in memory; the others are looked up in the ledger."""


class Cooling:
    """
    When a reaction was last handed an event, by whom its cooldown counts it for.

    An event counts from when it is taken, so that two of them side by side are not
    both handed over; one that comes to nothing stops counting.

    :param moment: the steady clock, by which the ledger forgets.
    """

    def __init__(self, reaction: Reaction, book: Book, moment: Callable[[], float]) -> None:
        self._reaction = reaction
        self._rule = reaction.cooldown
        self._book = book
        self._moment = moment
        self._last: OrderedDict[str, float | None] = OrderedDict()
        self._before: dict[str, tuple[str, float | None]] = {}

    async def holds_back(self, event: Event) -> bool:
        """Is it too soon for *event*?  If not, it counts from now on."""
        if await self.is_early(event):
            return True
        if (who := self._reaction.who(event)) is not None:
            self._before[event.id] = who, self._last.get(who)
            self._note(who, event.received.timestamp())
        return False

    async def is_early(self, event: Event) -> bool:
        """Is it too soon for *event*?"""
        if self._rule is None or (who := self._reaction.who(event)) is None:
            return False
        if who not in self._last:
            self._last[who] = await self._book.ask("last", who)
        return cooling(self._rule, self._last[who], event.received.timestamp())

    async def ended(self, event: Event, done: bool) -> None:
        """What became of an event that was not held back."""
        taken = self._before.pop(event.id, None)
        if taken is None:
            return
        who, before = taken
        received = event.received.timestamp()
        if done:
            await self._book.ask("cooled", who, received, self._moment())
        elif self._last.get(who) == received:
            self._note(who, before)

    def _note(self, who: str, last: float | None) -> None:
        self._last[who] = last
        self._last.move_to_end(who)
        while len(self._last) > MOST_KNOWN:
            self._last.popitem(last=False)

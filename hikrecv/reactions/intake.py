"""Which of the events that come are a reaction's to handle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .book import Book
from .cooling import Cooling
from .endings import READ_BEFORE, Endings
from .feed import Feed
from .handover import Item
from .order import Order
from .reaction import Reaction
from .slices import Published

_log = Logger()


class Intake:
    """
    Everything between the feed and a hand-over: what was done before, the rule, the ends, the cooldown.

    :param left_out: counts what could not be judged.
    :param wall: the wall clock, in seconds since 1970.
    :param moment: the steady clock.
    """

    def __init__(
        self,
        reaction: Reaction,
        order: Order,
        feed: Feed,
        book: Book,
        left_out: Counter[str],
        wall: Callable[[], float],
        moment: Callable[[], float],
    ) -> None:
        self._reaction = reaction
        self._order = order
        self._feed = feed
        self._left_out = left_out
        self._wall = wall
        self._cooling = Cooling(reaction, book, moment)
        self._endings = self._new_endings()

    async def prepare(self) -> None:
        """Read what was before the cursor, so that the ends of alarms that began there are told."""
        self._endings = self._new_endings()
        if self._endings is None:
            return
        cursor = self._order.cursor
        seq = max(self._feed.first - 1, cursor - READ_BEFORE)
        while seq < cursor and (pushes := await self._feed.after(seq)):
            for seq, events in pushes:
                if seq <= cursor:
                    self._endings.passed(seq, events)

    def wanted(self, seq: int, events: tuple[Event, ...]) -> list[Item]:
        """What the reaction is to be given of a push; to be asked once for each, in order."""
        if self._endings is None:
            return [Item(seq, event.n, event) for event in events if self._wants(seq, event.n, event)]
        items = self._endings.around(seq, events)
        return [item for item in items if self._wants(item.seq, item.n, item.event)]

    def pass_over(self, pushes: list[Published]) -> bool:
        """Move over what is not wanted, up to the first push that is; True when there was any."""
        # Ends have a memory: they must not see a push twice.
        if self._endings is not None:
            return False
        before = self._order.read_to
        for seq, events in pushes:
            for event in events:
                if self._wants(seq, event.n, event):
                    return self._order.read_to > before
            self._order.read(seq)
        return self._order.read_to > before

    async def holds_back(self, item: Item) -> bool:
        """Is it too soon after the last one?  An end follows its first event, whatever the cooldown."""
        if item.is_end or not await self._cooling.holds_back(item.event):
            return False
        if self._endings is not None:
            self._endings.silence(item.event)
        return True

    async def may_go_ahead(self, seq: int, event: Event) -> bool:
        """Could the reaction be given *event* before its turn?  Asking changes nothing."""
        try:
            wants = self._reaction.wants(event)
        except Exception:
            return False
        if self._endings is not None and event.episode is not None and event.episode.id != event.id:
            return False  # a repeat: whether it is wanted is known only in order
        return wants and not self._order.was_done(seq, event.n) and not await self._cooling.is_early(event)

    async def ended(self, item: Item, done: bool) -> None:
        """What became of an event that was not held back."""
        await self._cooling.ended(item.event, done)

    def due(self) -> list[Item]:
        """Ends of alarms that fell silent, when nothing unread can continue them."""
        if self._endings is None or self._order.read_to < self._feed.last:
            return []
        return self._endings.due(self._order.read_to, self._wall())

    def due_in(self) -> float | None:
        """Seconds until :meth:`due` may give something."""
        return None if self._endings is None else self._endings.due_in(self._wall())

    def _new_endings(self) -> Endings | None:
        return Endings(self._reaction) if self._reaction.common.repeats == "first" else None

    def _wants(self, seq: int, n: int, event: Event) -> bool:
        try:
            if self._endings is None:
                wants = self._reaction.wants(event)
            else:
                wants = self._endings.wants(event) if n < 0 else self._endings.begins(event)
        except Exception:  # while something is published, this would be everybody's trouble
            self._left_out["its rule failed"] += 1
            _log.failure(
                "the rule of {reaction} failed at {event}", reaction=self._reaction.name, event=event.id
            )
            return False
        return wants and not self._order.was_done(seq, n)

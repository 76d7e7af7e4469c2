"""Hand-overs side by side, in order for each device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace
from twisted.logger import Logger

from hikrecv.errors import JournalError
from hikrecv.isapi.event import Event

from .backoff import backoff
from .feed import Feed
from .handover import Handover, Item, Stopping
from .lanes import Lanes
from .slices import weight

_log = Logger()
MOST_HELD = 16_000_000
"""Bytes of events that may wait in the lanes; the others are read again when their turn comes."""


class Parallel:
    """
    The lanes of a reaction with ``concurrency`` above 1: one for each device that has events in hand.

    How many hooks run at a time is the hand-over's to say, so that a device whose
    event waits for its next attempt keeps nobody else from theirs.

    :param failed: told of an error of ours, after which an event may have come to no end.
    """

    def __init__(
        self,
        handover: Handover,
        feed: Feed,
        failed: Callable[[Exception], object],
        most_held: int = MOST_HELD,
    ) -> None:
        self._handover = handover
        self._feed = feed
        self._most_held = most_held
        self._held = 0
        self._lanes = Lanes(failed)
        self.cancel = self._lanes.cancel
        self.idle = self._lanes.idle

    def put(self, item: Item) -> None:
        """Hand it over when everything before it from the same device has ended."""
        size = weight((item.event,))
        if self._held + size > self._most_held:
            # Only what names it is kept, not the memory of its push.
            item = replace(item, event=replace(item.event, pictures=()))
            self._lanes.put(item.event.device.id, partial(self._carry_again, item))
        else:
            self._held += size
            self._lanes.put(item.event.device.id, partial(self._carry, item, size))

    async def _carry(self, item: Item, size: int = 0) -> None:
        try:
            await self._handover.carry([item])
        except Stopping:
            return
        finally:
            self._held -= size

    async def _carry_again(self, item: Item) -> None:
        try:
            event = await self._read_again(item)
        except Stopping:
            return
        if event is None:
            await self._handover.bury(item, "the journal gave it up before its turn came", 0)
        else:
            await self._carry(replace(item, event=event))

    async def _read_again(self, item: Item) -> Event | None:
        failures = 0
        while True:
            try:
                return await find(self._feed, item.seq, item.event.id)
            except JournalError as error:
                failures += 1
                _log.error("event {event} cannot be read again: {reason}", event=item.event.id, reason=error)
                await self._handover.wait(backoff(failures))


async def find(feed: Feed, seq: int, id: str) -> Event | None:
    """The event *id* of the push *seq*, read again; None when it is not kept any more."""
    found = dict(await feed.after(seq - 1, 1))
    return next((event for event in found.get(seq, ()) if event.id == id), None)

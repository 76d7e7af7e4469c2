"""The same thing sent twice: marked, never dropped, and two real events never made one."""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from hikrecv.journal.fact import WINDOW, Fact

NAMELESS = frozenset({"heartbeat", "test"})
"""Families in which the same words again are a new event."""


class Duplicates:
    """
    The keys of the last `window` events, and which event had each first.

    A device that got no answer sends again, with the same UUID or serial number or
    the same words.  What may name an event at all is decided where its key is made.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._place = 0
        self._seen: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def judge(self, fact: Fact) -> Fact:
        """*fact* with the id of the first event that has its key, unless it is the first."""
        seen = self._seen.get(fact.key)
        return fact if seen is None or fact.family in NAMELESS else replace(fact, duplicate_of=seen[0])

    def recall(self, fact: Fact) -> None:
        """Remember the key of *fact*, as it was decided."""
        self._place += 1
        if fact.family not in NAMELESS:
            self._seen[fact.key] = (fact.duplicate_of or fact.id, self._place)
            self._seen.move_to_end(fact.key)
        while self._seen and next(iter(self._seen.values()))[1] <= self._place - self._window:
            self._seen.popitem(last=False)

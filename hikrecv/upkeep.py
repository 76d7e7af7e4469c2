"""What is done every minute: let go of what is too old, measure, and say what was lost."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .errors import JournalError
from .holding import Holding
from .indexing import Indexer
from .journal.journal import Journal
from .journal.retention import Loser, Retained
from .lagging import Lagging
from .metrics import Metrics

RETENTION = 60.0
HURRY = 2.0
"""Seconds between two rounds while nothing can be kept (a reaction may have made room) or segments go."""
TICK = 0.5
LOOK = 5.0
"""Seconds between two looks at how much the reactions hold back."""
_log = Logger()


class Moves(Protocol):
    """How far the reactions are (`hikrecv.reactions.dispatch.Dispatch`)."""

    def holds(self) -> dict[str, int]:
        """For each that has its place the seq up to which it needs nothing more."""

    @property
    def committed(self) -> dict[str, int]:
        """The same as far as it is on disk."""


class Upkeep:
    """Retention of the journal and the index, and how late the reactor is."""

    def __init__(
        self,
        clock: Any,
        journal: Journal,
        indexer: Indexer,
        holding: Holding,
        reactions: Moves,
        metrics: Metrics,
    ) -> None:
        self.lagging = Lagging()
        self.ticked = self._retained_at = clock.seconds()
        self._first, self._full, self._tight = journal.first, "", ""
        self._journal, self._indexer, self._metrics = journal, indexer, metrics
        self._holding, self._reactions = holding, reactions
        self._looked_at = float("-inf")
        self._retention = LoopingCall(self._retain)
        self._pulse = LoopingCall(self._tick)
        self._clock = self._retention.clock = self._pulse.clock = clock

    def start(self) -> None:
        """Begin; what the reactions hold is known."""
        self._pulse.start(TICK, now=False)
        self._retention.start(RETENTION)

    def stop(self) -> None:
        """End."""
        for loop in (self._retention, self._pulse):
            if loop.running:
                loop.stop()

    def _tick(self) -> None:
        now = self._clock.seconds()
        self._metrics.lag_seconds.observe(max(now - self.ticked - TICK, 0.0))
        self.ticked = now
        self._tell_room()
        # Under load the oldest go between two rounds, and by old places the wrong would seem to lose.
        self._follow()
        self._journal.look()
        if now - self._looked_at >= LOOK:
            self._looked_at = now
            self.lagging.look(self._holding.held())
        status = self._journal.status()
        if now - self._retained_at > HURRY and (status.full or status.first != self._first):
            self._retain()

    def _tell_room(self) -> None:
        """Say when the journal has become full, and when it is not any more."""
        status = self._journal.status()
        if bool(status.full) != bool(self._full):
            if status.full:
                _log.error("journal full: rejecting pushes with 503: {why}", why=status.full)
            else:
                _log.info("the journal has room again: pushes are accepted")
            self._full = status.full
        if bool(status.tight) != bool(self._tight):
            if status.tight:
                _log.warn("the oldest events go before their time: {why}", why=status.tight)
            self._tight = status.tight

    def _retain(self) -> None:
        self._retained_at = self._clock.seconds()
        self._follow()
        asked = self._journal.retain(self._holding.holds)
        # That the disk has failed, or that the journal is closing, is said elsewhere.
        asked.addCallbacks(self._retained, lambda failure: failure.trap(JournalError) and None)

    def _follow(self) -> None:
        # What is kept above the cursor is what a reaction still needs.
        self._holding.follow(_next(self._reactions.holds()), _next(self._reactions.committed))

    def _retained(self, done: Retained) -> None:
        if done.losers:
            self._follow()
            held = self._holding.held()
            for loser in done.losers:
                # What it has had from memory meanwhile is not lost to it.
                needs = held[loser.reaction].hold.seq if loser.reaction in held else 0
                first = max(loser.first, needs)
                if count := self._journal.kept(first, loser.last):
                    lost = Loser(loser.reaction, first, loser.last)
                    self.lagging.loses(lost, held.get(loser.reaction), count)
        first, before = self._journal.first, self._first
        if first != before:
            self._first = first
            self._indexer.ask(lambda index: index.prune(first)).addErrback(
                lambda failure: _log.error("the index was not pruned: {error}", error=failure.value)
            )


def _next(cursors: dict[str, int]) -> dict[str, int]:
    return {name: cursor + 1 for name, cursor in cursors.items()}

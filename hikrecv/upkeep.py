"""What is done every minute: let go of what is too old, measure, and say what was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .errors import JournalError
from .indexing import Indexer
from .journal.journal import Journal
from .journal.retention import Retained
from .metrics import Metrics

RETENTION = 60.0
HURRY = 2.0
"""Seconds between two rounds while nothing can be kept (a reaction may have made room) or segments go."""
TICK = 0.5
_log = Logger()


class Upkeep:
    """
    Retention of the journal and the index, and how late the reactor is.

    :param holds: for each reaction the seq up to which it needs nothing more.
    :ivar lost: how many events reactions lost to retention, by reaction.
    """

    def __init__(
        self,
        clock: Any,
        journal: Journal,
        indexer: Indexer,
        holds: Callable[[], Mapping[str, int]],
        metrics: Metrics,
    ) -> None:
        self.lost: dict[str, int] = {}
        self.ticked = self._retained_at = time.monotonic()
        self._first, self._full, self._tight = journal.first, "", ""
        self._journal, self._indexer, self._holds, self._metrics = journal, indexer, holds, metrics
        self._retention = LoopingCall(self._retain)
        self._pulse = LoopingCall(self._tick)
        self._retention.clock = self._pulse.clock = clock

    def start(self) -> None:
        """Begin to measure."""
        self._pulse.start(TICK, now=False)

    def retain(self) -> None:
        """Begin to let go of what is too old: the reactions have their places, and hold what they need."""
        if self._pulse.running:
            self._retention.start(RETENTION)

    def stop(self) -> None:
        """End."""
        for loop in (self._retention, self._pulse):
            if loop.running:
                loop.stop()

    def _tick(self) -> None:
        now = time.monotonic()
        self._metrics.lag_seconds.observe(max(now - self.ticked - TICK, 0.0))
        self.ticked = now
        self._tell_room()
        if self._retention.running:
            # Under load the oldest go between two rounds, and by old places the wrong would seem to lose.
            self._journal.hold(self._needs())
            status = self._journal.status()
            if now - self._retained_at > HURRY and (status.full or status.first != self._first):
                self._retain()

    def _tell_room(self) -> None:
        """Say when the journal has become full, and when it is not any more."""
        status = self._journal.status()
        if bool(status.full) != bool(self._full):
            if status.full:
                _log.error("events cannot be kept: {why}", why=status.full)
            else:
                _log.info("there is room again: events are kept")
            self._full = status.full
        if bool(status.tight) != bool(self._tight):
            if status.tight:
                _log.warn("the oldest events go before their time: {why}", why=status.tight)
            self._tight = status.tight

    def _retain(self) -> None:
        self._retained_at = time.monotonic()
        asked = self._journal.retain(time.time(), self._needs())
        # That the disk has failed, or that the journal is closing, is said elsewhere.
        asked.addCallbacks(self._retained, lambda failure: failure.trap(JournalError) and None)

    def _needs(self) -> dict[str, int]:
        # What is kept above the cursor is what a reaction still needs.
        return {name: cursor + 1 for name, cursor in self._holds().items()}

    def _retained(self, done: Retained) -> None:
        needs = self._needs()
        for loser in done.losers:
            # What it has had from memory meanwhile is not lost to it.
            first = max(loser.first, needs.get(loser.reaction, loser.first))
            if first > loser.last:
                continue
            self.lost[loser.reaction] = self.lost.get(loser.reaction, 0) + loser.last - first + 1
            _log.critical(
                "ALARM: {reaction} lost the events {first} to {last}: it was too far behind; raise [journal] "
                "hold_max, or see `hikrecv reactions`",
                reaction=loser.reaction,
                first=first,
                last=loser.last,
            )
        first, before = self._journal.first, self._first
        if first != before:
            self._first = first
            self._indexer.ask(lambda index: index.prune(first)).addErrback(
                lambda failure: _log.error("the index was not pruned: {error}", error=failure.value)
            )

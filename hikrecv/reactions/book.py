"""The ledger as one reaction uses it: asked until it answers, and in trouble openly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .bell import Bell
from .order import Order, Place
from .outcome import in_words

T = TypeVar("T")
Run = Callable[..., Deferred[Any]]
"""Calls a method of the ledger in the ledger's own thread."""

LAZY = 1.0
"""Seconds after which a cursor is written that moved over unwanted events only."""
APART = 0.05
"""Seconds between two writes: each wakes a thread, which costs more than an event that does little."""
EARLY = 0.005
"""The same in the first moments of a life; see :func:`share_of`."""
SHARE = 1 / 40
YOUNG = 1.0
"""In the first second each write is on disk at once, instead of waiting for others."""
AGAIN = 5.0
"""Seconds at most until the ledger is asked again: room, say, may be there at any moment."""
_log = Logger()


def share_of(life: float, least: float, most: float) -> float:
    """
    How long what was done may wait to be written down, in seconds, *life* seconds after the start.

    Whenever the process is killed, what it repeats is a small share of what it did.  With a
    fixed second, one that never lives for so long would repeat everything for ever.
    """
    return min(max(life * SHARE, least), most)


class Book:
    """
    A reaction's rows of the ledger.

    A reaction cannot go on without its book: it would forget what it did.  So a
    call that fails is made again, for ever, and `trouble` says so meanwhile.

    :param ledger: anything with the methods of `hikrecv.journal.ledger.Ledger`.
    :ivar trouble: what the ledger says is wrong, or "".
    """

    def __init__(self, name: str, ledger: Any, run: Run, clock: IReactorTime) -> None:
        self.name = name
        self.trouble = ""
        self._ledger = ledger
        self._run = run
        self._clock = clock
        self._bell = Bell(clock)

    async def ask(self, method: str, *values: Any) -> Any:
        """Call ``ledger.method(name, *values)``, again and again until it does not fail."""
        return await self._insist(getattr(self._ledger, method), self.name, *values)

    async def write(
        self, cursor: int, done: list[Place], at: float | None, *, handed: int = 0, sync: bool = False
    ) -> None:
        """
        The new cursor, and what is done above it, in one go.

        :param at: when the latest of them was done; None when none was.
        :param handed: how many were handed over since the last write: so many a crash repeats.
        :param sync: have it on disk; else the ledger writes it within a second or so.
        """
        await self._insist(self._write, cursor, done, at, handed, sync)

    def _write(self, cursor: int, done: list[Place], at: float | None, handed: int, sync: bool) -> None:
        """In the ledger's thread."""
        for seq, n in done:
            self._ledger.done(self.name, seq, n, at)
        self._ledger.advance(self.name, cursor, at, handed)
        if sync:
            self._ledger.commit()

    async def _insist(self, function: Callable[..., Any], *values: Any) -> Any:
        failures = 0
        while True:
            try:
                result = await self._run(function, *values)
            except CancelledError:
                raise
            except Exception as error:
                failures += 1
                reason = f"the ledger does not answer: {in_words(error)}"
                if reason != self.trouble:
                    _log.error("{reaction} waits: {reason}", reaction=self.name, reason=reason)
                self.trouble = reason
            else:
                self.trouble = ""
                return result
            await self._bell.wait(min(float(failures), AGAIN))


class Bookkeeper:
    """
    Writes the cursor down: at once after an event, a moment later after others.

    One write is under way at a time, `APART` from the one before, and carries
    everything that happened meanwhile.  What a crash loses here is repeated, never lost.
    The first event of this life is on disk at once: whatever kills the process over and
    over, soon after it started, it does not kill it at the same event each time.

    :param sync: have each write on disk: at most once, a cursor that a crash loses
        makes a doubtful case of an event that was done.
    """

    def __init__(self, book: Book, order: Order, clock: IReactorTime, *, sync: bool = False) -> None:
        self._book = book
        self._order = order
        self._clock = clock
        self._began = clock.seconds()
        self._sync = sync
        self._written = order.cursor
        self._noted: set[Place] = set()
        self._done_at: float | None = None
        self._handed = 0
        self._synced = False
        self._writing: Deferred[None] | None = None
        self._in_haste = sync
        self._next = float("-inf")
        self._timer: Any = None
        self._due = 0.0

    def finish(self, seq: int, n: int, done_at: float | None) -> None:
        """The event has ended; when it was done, or None when it was not."""
        self._order.finish(seq, n)
        self._done_at = done_at or self._done_at
        self._handed += 1
        if self._in_haste:
            self._begin()
        elif self._timer is None or self._due > self._next:
            wait = self._next - self._clock.seconds()
            if wait <= 0.0:
                self._begin()
            else:
                self._later(wait)

    def moved(self) -> None:
        """The cursor went over events that nobody wanted; what is due already is due sooner."""
        if self._timer is None:
            self._later(LAZY)

    async def flush(self) -> None:
        """Return when everything is in the ledger."""
        self._in_haste = True
        self._begin()
        while self._writing is not None:
            ended: Deferred[None] = Deferred()
            self._writing.addBoth(_tell, ended)
            await ended

    def close(self) -> None:
        """Write nothing more."""
        self._cancel_timer()
        if self._writing is not None:
            self._writing.cancel()

    def _later(self, seconds: float) -> None:
        if self._writing is not None:
            return
        due = self._clock.seconds() + seconds
        if self._timer is None or self._due > due:
            self._cancel_timer()
            self._due = due
            self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._cancel_timer()
        if self._writing is None:
            work = Deferred.fromCoroutine(self._write())
            if not work.called:
                self._writing = work
            work.addErrback(lambda failure: None)

    async def _write(self) -> None:
        try:
            while (news := self._news()) is not None:
                cursor, fresh = news
                at, self._done_at = self._done_at, None
                handed, self._handed = self._handed, 0
                sync = at is not None and (self._sync or not self._synced or self._life() < YOUNG)
                await self._book.write(cursor, fresh, at, handed=handed, sync=sync)
                self._synced = self._synced or sync
                self._written = cursor
                self._noted.update(fresh)
                if not self._in_haste:
                    self._next = self._clock.seconds() + self._apart()
                    break
        finally:
            self._writing = None
        if self._news() is not None:
            self._later(self._apart())

    def _apart(self) -> float:
        return share_of(self._life(), EARLY, APART)

    def _life(self) -> float:
        return self._clock.seconds() - self._began

    def _news(self) -> tuple[int, list[Place]] | None:
        """The cursor and what is done above it, as far as the ledger does not know."""
        cursor, beyond = self._order.cursor, set(self._order.beyond)
        self._noted &= beyond
        fresh = sorted(beyond - self._noted)
        return None if cursor == self._written and not fresh else (cursor, fresh)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def _tell(result: Any, ended: Deferred[None]) -> None:
    if not ended.called:
        ended.callback(None)

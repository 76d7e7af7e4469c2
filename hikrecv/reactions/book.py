"""The ledger as one reaction uses it: asked until it answers, and in trouble openly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .backoff import backoff
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
_log = Logger()


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

    async def write(self, cursor: int, done: list[Place], at: float | None, *, sync: bool) -> None:
        """
        The new cursor, and what is done above it, in one go.

        :param at: when the latest of them was done; None when none was.
        :param sync: have it on disk; else the ledger writes it within a second or so.
        """
        await self._insist(self._write, cursor, done, at, sync)

    def _write(self, cursor: int, done: list[Place], at: float | None, sync: bool) -> None:
        """In the ledger's thread."""
        for seq, n in done:
            self._ledger.done(self.name, seq, n, at)
        self._ledger.advance(self.name, cursor, at)
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
                self.trouble = f"the ledger does not answer: {in_words(error)}"
                _log.error("{reaction} waits: {reason}", reaction=self.name, reason=self.trouble)
            else:
                self.trouble = ""
                return result
            await self._bell.wait(backoff(failures))


class Bookkeeper:
    """
    Writes the cursor down: at once after an event, a moment later after others.

    One write is under way at a time, `APART` from the one before, and carries
    everything that happened meanwhile.  What a crash loses here is repeated, never lost.

    :param sync: have each write on disk: at most once, a cursor that a crash loses
        makes a doubtful case of an event that was done.
    """

    def __init__(self, book: Book, order: Order, clock: IReactorTime, *, sync: bool = False) -> None:
        self._book = book
        self._order = order
        self._clock = clock
        self._sync = sync
        self._written = order.cursor
        self._noted: set[Place] = set()
        self._done_at: float | None = None
        self._writing: Deferred[None] | None = None
        self._in_haste = sync
        self._next = float("-inf")
        self._timer: Any = None
        self._due = 0.0

    def finish(self, seq: int, n: int, done_at: float | None) -> None:
        """The event has ended; when it was done, or None when it was not."""
        self._order.finish(seq, n)
        self._done_at = done_at or self._done_at
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
                await self._book.write(cursor, fresh, at, sync=self._sync and at is not None)
                self._written = cursor
                self._noted.update(fresh)
                if not self._in_haste:
                    self._next = self._clock.seconds() + APART
                    break
        finally:
            self._writing = None
        if self._news() is not None:
            self._later(APART)

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

"""The index follows the journal: in a thread of its own, from memory when it keeps up, else read back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .errors import Gone, IndexBroken, JournalError, StateError
from .isapi.event import Event
from .journal.fact import attach, fact_of
from .journal.index import Index

PENDING = 5_000
"""Pushes that wait in memory for the index; what does not fit is read back from the journal."""
BATCH = 256
SLICE = 500
"""Pushes that are read back at a time."""
APART = 0.05
"""Seconds between two batches: each wakes the thread and is a transaction, which costs more than its rows."""
AGAIN = 5.0
"""Seconds until the index is tried again after trouble, such as a full disk."""
PATIENCE = 1.0
"""Seconds that whoever uses the index gets when it is to be closed."""
_log = Logger()

Told = tuple[int, tuple[Event, ...]]
Run = Callable[..., Deferred[Any]]


class Indexer:
    """
    Adds every durable push to the index.

    The index is derived: a damaged one is made again, one that is behind reads on
    from the journal, and none of it delays an answer.

    :param anew: deletes the index and opens an empty one; runs in the thread.
    :param read_back: the sighted events from a seq on, of what is durable (`hikrecv.history.read_back`).
    :param run: calls a function in the index's own thread.
    """

    def __init__(
        self,
        index: Index,
        anew: Callable[[], Index],
        read_back: Callable[[int], Iterator[Told]],
        run: Run,
        clock: IReactorTime,
        *,
        last: int,
    ) -> None:
        self.index = index
        self.error = ""
        self._anew, self._read_back, self._run, self._clock = anew, read_back, run, clock
        self._last = last
        # Up to here the index has to read back; above it everything is pending or indexed.
        self._unheard = last
        self._story: Iterator[Told] | None = None
        self._pending: deque[Told] = deque()
        self._working: Deferred[None] | None = None
        self._damaged = False
        self._closed = False
        self._next = float("-inf")
        self._timer: Any = None

    @property
    def behind(self) -> int:
        """How many pushes have no rows yet."""
        return int(max(self._last - self.index.last_seq, 0))

    def start(self) -> None:
        """Catch up with what was durable before this life."""
        self._wake()

    def publish(self, seq: int, events: tuple[Event, ...], size: int) -> None:
        """Take the events of a durable push, in journal order."""
        self._last = seq
        self._pending.append((seq, tuple(map(_light, events))))
        if len(self._pending) > PENDING:
            self._unheard = self._pending.popleft()[0]
        self._wake()

    def again(self) -> None:
        """Make the index again from the journal, in the background."""
        self._damaged = True
        self._hurry()
        self._wake()

    def ask(self, question: Callable[[Index], Any]) -> Deferred[Any]:
        """Call *question* with the index, in its thread."""
        return self._run(lambda: question(self.index))

    def close(self) -> Deferred[None]:
        """
        Write what is pending and close the file; what would have to be read back has to wait.

        The next start goes on from there.  Somebody else's work in the thread, such as a search
        or the removal of many rows, is given up after a moment.
        """
        self._closed = True
        self._hurry()
        waiting = self._working or Deferred.fromCoroutine(self._work())
        impatience = self._clock.callLater(PATIENCE, self.index.interrupt)

        def closed(result: Any) -> Any:
            if impatience.active():
                impatience.cancel()
            return result

        return waiting.addBoth(lambda _: self._run(self.index.close)).addBoth(closed)

    def _wake(self) -> None:
        if self._working is not None or self._timer is not None or self._closed:
            return
        wait = self._next - self._clock.seconds()
        if wait > 0.0:
            self._later(wait)
            return
        self._working = Deferred.fromCoroutine(self._work())
        self._working.addBoth(self._rest)

    def _rest(self, _: object) -> None:
        self._working = None
        self._next = self._clock.seconds() + APART
        if self.behind and not self._closed:
            self._later(AGAIN if self.error else APART)

    def _later(self, seconds: float) -> None:
        def due() -> None:
            self._timer = None
            self._wake()

        self._timer = self._clock.callLater(seconds, due)

    def _hurry(self) -> None:
        timer, self._timer, self._next = self._timer, None, float("-inf")
        if timer is not None:
            timer.cancel()

    async def _work(self) -> None:
        try:
            if self._damaged and not self._closed:
                self.index.close()
                self.index = await self._run(self._anew)
                self._unheard, self._story, self._damaged = self._last, None, False
                self._pending.clear()
            while self.behind:
                if self.index.last_seq < self._unheard:
                    if self._closed:
                        break
                    await self._run(self._catch_up)
                else:
                    await self._run(self.index.add, *self._batch())
                    if len(self._pending) < BATCH and not self._closed:
                        break
            self.error = ""
        except (StateError, OSError) as error:
            self._note(error)
        except JournalError:
            # Reading was ended, because the journal is about to close.
            if not self._closed:
                raise

    def _note(self, error: Exception) -> None:
        self._damaged = self._damaged or isinstance(error, IndexBroken)
        if str(error) != self.error:
            _log.error("{error}; trying again", error=error)
        self.error = str(error)
        # What was taken from `pending` may not have its rows; the journal has it.
        self._unheard, self._story = self._last, None
        self._pending.clear()

    def _batch(self) -> tuple[Sequence[Event], int]:
        taken: list[Told] = []
        while self._pending and len(taken) < BATCH:
            told = self._pending.popleft()
            if told[0] > self.index.last_seq:
                taken.append(told)
        return [event for _, events in taken for event in events], taken[-1][0] if taken else self._last

    def _catch_up(self) -> None:
        """One slice of the story; the iterator is kept, since opening one costs a window of decoding."""
        if self._story is None:
            self._story = self._read_back(self.index.last_seq + 1)
        upto = self._unheard
        try:
            told = list(islice(self._story, SLICE))
        except Gone:
            # Retention was quicker; the next look begins where the journal does then.
            self._story = None
            return
        self.index.rebuild(told)
        if len(told) < SLICE:
            self._story = None
            self.index.add((), upto)


def _light(event: Event) -> Event:
    """A copy that does not keep the push's body alive while it waits."""
    copy = msgspec.structs.replace(event, pictures=())
    attach(copy, fact_of(event))
    return copy

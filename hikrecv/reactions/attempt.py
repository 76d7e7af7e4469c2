"""One call of a hook: in its place, within its time, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .hooks import Hook
from .outcome import Again, Done, Outcome, judge
from .subject import about
from .threads import Threads
from .watchdog import Slot, Watched

_log = Logger()


class Attempts:
    """
    Calls the hooks of one reaction.

    A call that is over its time is given up, not ended: a thread cannot be stopped,
    and a coroutine may swallow its cancellation.  So the verdict is a Deferred of
    our own, and what was given up counts as a zombie until it really returns.

    :ivar zombies: calls that were given up and still run.
    """

    def __init__(self, name: str, clock: IReactorTime, threads: Threads, slot: Slot) -> None:
        self.name = name
        self.zombies = 0
        self._clock = clock
        self._threads = threads
        self._slot = slot

    async def call(self, hook: Hook, limit: float, **values: Any) -> Outcome:
        """Call *hook* with *values*; it has *limit* seconds.  Never raises, except when cancelled."""
        begin = self._first_step if hook.kind == "async" else self._begin
        work = begin(hook, values, about(values))
        if isinstance(work, Outcome):
            return work
        return await _Call(self, hook.kind != "plain").race(work, self._clock, limit)

    def close(self) -> None:
        """No further calls."""
        self._threads.close()

    def _first_step(self, hook: Hook, values: dict[str, Any], context: Context) -> Deferred[Any] | Outcome:
        """
        Call an `async def` up to its first wait.

        Most hooks wait for nothing: that step is all of them, and what a Deferred and
        a watch over its time cost is more than they do.  It is taken in the context
        in which the other steps go on.
        """
        try:
            # This only makes a coroutine, whose steps are watched one by one.
            made = hook(**values)
        except BaseException as problem:  # a plugin's sys.exit() is its own end, not ours
            return judge(problem)
        if not isinstance(made, CoroutineType | Coroutine):  # to ask for the abstract one is slow
            return _promised(made)
        try:
            awaited = context.run(self._slot.run, self.name, made.send, None)
        except StopIteration as end:
            return Done(end.value)
        except BaseException as problem:
            return judge(problem)
        return context.run(Deferred.fromCoroutine, _Begun(self.name, made, self._slot, awaited))

    def _begin(self, hook: Hook, values: dict[str, Any], context: Context) -> Deferred[Any]:
        if hook.kind == "plain":
            return self._threads.run(partial(context.run, _plain, partial(hook, **values)))
        try:
            result = context.run(self._slot.run, self.name, partial(hook, **values))
        except BaseException:
            return fail(Failure())
        if isinstance(result, Coroutine):
            return context.run(Deferred.fromCoroutine, Watched(self.name, result, self._slot))
        return _promised(result)


class _Begun(Watched[Any]):
    """A coroutine that has taken its first step already, and waits for what that gave."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, Any], slot: Slot, awaited: Any) -> None:
        super().__init__(name, coroutine, slot)
        self._awaited = [awaited]

    def send(self, value: Any) -> Any:
        """One step; the first one is told again."""
        return self._awaited.pop() if self._awaited else super().send(value)


class _Call:
    """The race of one call against its time."""

    def __init__(self, owner: Attempts, cancellable: bool) -> None:
        self._owner = owner
        self._cancellable = cancellable
        self._given_up = False
        self._returned = False
        self._verdict: Deferred[Outcome] = Deferred()

    async def race(self, work: Deferred[Any], clock: IReactorTime, limit: float) -> Outcome:
        work.addBoth(self._finished)
        if self._verdict.called:
            # A hook that waited for nothing needs nobody to watch its time.
            return await self._verdict
        timer = clock.callLater(limit, self._expire, work, limit)
        try:
            return await self._verdict
        finally:
            if timer.active():
                timer.cancel()
            if not self._returned and not self._given_up:
                self._give_up(work)

    def _finished(self, result: Any) -> None:
        self._returned = True
        if self._given_up:
            self._owner.zombies -= 1
        elif not self._verdict.called:
            failed = isinstance(result, Failure)
            self._verdict.callback(judge(result.value) if failed else Done(result))

    def _expire(self, work: Deferred[Any], limit: float) -> None:
        self._give_up(work)
        self._verdict.callback(Again(f"it took longer than {limit:g} s"))

    def _give_up(self, work: Deferred[Any]) -> None:
        self._given_up = True
        self._owner.zombies += 1
        if self._cancellable:
            try:
                work.cancel()
            except BaseException:
                _log.failure("{name}: its own canceller failed", name=self._owner.name)


def _promised(result: Any) -> Deferred[Any]:
    return result if isinstance(result, Deferred) else succeed(result)


def _plain(function: Callable[[], Any]) -> Any:
    """Call it, in the thread.  A promise given back by a plain function would hide its work from us."""
    result = function()
    if isinstance(result, Coroutine):
        result.close()
    if isinstance(result, Coroutine | Deferred):
        raise TypeError("a plain hook gave something to await; write `async def`, or mark it @deferred")
    return result

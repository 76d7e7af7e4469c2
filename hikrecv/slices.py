"""Work on one push in slices, so that the thread that answers everybody is never long with one of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

SLICE = 0.005
"""Seconds of the thread's CPU before others have their turn."""

Result = TypeVar("Result")
Later = Callable[..., object]
"""Calls a function with arguments soon, after what else is ready: ``partial(reactor.callLater, 0)``."""


class Turns:
    """
    One slice in a turn of the reactor, however many pushes wait for theirs.

    :param later: ``partial(reactor.callLater, 0)``.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._waiting: deque[Callable[[], object]] = deque()

    def __call__(self, call: Callable[..., object], *arguments: object) -> None:
        """Call it behind what waits already."""
        self._waiting.append(partial(call, *arguments))
        if len(self._waiting) == 1:
            self._later(self._next)

    def _next(self) -> None:
        call = self._waiting.popleft()
        if self._waiting:
            self._later(self._next)
        call()


class Sliced(Generic[Result]):
    """
    A generator that is run slice by slice, and what it has cost so far.

    :param work: takes a clock of its own CPU seconds, and gives the steps.
    :param later: None: all at once.
    :param cpu: CPU seconds of this thread.
    """

    def __init__(
        self,
        work: Callable[[Callable[[], float]], Generator[None, None, Result]],
        later: Later | None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._cpu, self._later = cpu, later
        self._before = 0.0
        self._began = cpu()
        self._steps = work(self._spent)

    def _spent(self) -> float:
        """What others do between the slices does not count."""
        return self._before + self._cpu() - self._began

    def run(self) -> Result | Deferred[Result]:
        """The result; a Deferred only when it takes more than one slice.  Errs as the generator does."""
        try:
            self._slice()
        except StopIteration as finished:
            result: Result = finished.value
            return result
        done: Deferred[Result] = Deferred()
        self._again(done)
        return done

    def _slice(self) -> None:
        """
        One slice of it.

        :raises StopIteration: with the result, when that was the last.
        """
        self._began = self._cpu()
        while self._later is None or self._cpu() - self._began < SLICE:
            next(self._steps)
        self._before = self._spent()

    def _again(self, done: Deferred[Result]) -> None:
        if self._later is not None:
            self._later(self._go_on, done)

    def _go_on(self, done: Deferred[Any]) -> None:
        try:
            self._slice()
        except StopIteration as finished:
            done.callback(finished.value)
        except Exception:
            done.errback()
        else:
            self._again(done)

"""Plain hooks of a test: each call in a thread of its own, and the test waits for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread, local
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hikrecv.testing.waiting import result_of

PATIENCE = 60.0
"""Real seconds that a hook may take between two things that it asks for."""

Work = Callable[[], Any]


class Apart:
    """
    Calls functions as the receiver calls plain hooks: not in the thread of the reactor.

    The caller waits and meanwhile does what the function asks of the reactor, so
    that nothing happens side by side and every run of a test is the same.

    :param clock: goes on as far as that needs it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mine = local()

    def call(self, function: Work) -> Any:
        """
        What *function* returns or raises.

        :raises AssertionError: when it blocks for longer than a minute.
        """
        asked: SimpleQueue[Callable[[], bool]] = SimpleQueue()
        ended: list[Any] = []

        def end() -> bool:
            return True

        def work() -> None:
            self._mine.asked = asked
            ended.append(_result(function))
            asked.put(end)

        Thread(target=work, name="plain hook", daemon=True).start()
        try:
            while not asked.get(timeout=PATIENCE)():
                pass
        except Empty:
            raise AssertionError(f"a plain hook blocks for longer than {PATIENCE:g} s") from None
        return _opened(ended[0])

    def wait(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """From such a function: call another one where the caller waits, and give its result."""
        work = partial(maybeDeferred, function, *arguments, **named)
        asked: SimpleQueue[Callable[[], bool]] | None = getattr(self._mine, "asked", None)
        if asked is None:
            return result_of(work(), self._clock)
        answer: SimpleQueue[Any] = SimpleQueue()

        def serve() -> bool:
            answer.put(_result(lambda: result_of(work(), self._clock)))
            return False

        asked.put(serve)
        return _opened(answer.get())


def _result(function: Work) -> Any:
    try:
        return function()
    except BaseException:  # sys.exit() of a hook too
        return Failure()


def _opened(result: Any) -> Any:
    if isinstance(result, Failure):
        result.raiseException()
    return result

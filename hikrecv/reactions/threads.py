"""The threads of one reaction, in which its plain hooks run and may block."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

Job = Callable[[], None]


class Threads:
    """
    Runs functions in threads of its own, the same one whenever it is free.

    A thread that never comes back is simply not used again: the next call gets a
    new one, and the process does not wait for it at its end.  How many may be
    lost is for the caller to bound.

    :param from_thread: calls a function on the reactor from any thread
        (``reactor.callFromThread``).
    """

    def __init__(self, name: str, from_thread: Callable[..., Any]) -> None:
        self._name = name
        self._from_thread = from_thread
        self._free: list[SimpleQueue[Job | None]] = []
        self._started = 0
        self._closed = False

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """
        Call *function* in a thread; the Deferred has its result or what it raised.

        Do not cancel it: nothing can stop a thread, and only its result says that it is free again.
        """
        done: Deferred[Any] = Deferred()
        jobs = self._free.pop() if self._free else self._start()

        def finish(result: Any) -> None:
            if self._closed:
                jobs.put(None)
            else:
                self._free.append(jobs)
            done.callback(result)

        def job() -> None:
            result: Any
            try:
                result = function()
            except BaseException:  # sys.exit() in a hook ends the hook, not the thread
                result = Failure()
            self._from_thread(finish, result)

        jobs.put(job)
        return done

    def close(self) -> None:
        """Let the free threads end; the others end when they come back."""
        self._closed = True
        for jobs in self._free:
            jobs.put(None)
        self._free.clear()

    def _start(self) -> SimpleQueue[Job | None]:
        jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._started += 1
        Thread(target=_work, args=(jobs,), name=f"{self._name}-{self._started}", daemon=True).start()
        return jobs


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # an idle thread must not keep the last event alive

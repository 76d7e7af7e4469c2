"""Work side by side, but one after the other for each key."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from twisted.internet.defer import CancelledError, Deferred

Work = Callable[[], Awaitable[None]]


class Lanes:
    """
    A queue for each key.  How much may wait is for the caller to bound.

    :param failed: told when a piece of work raised; its lane goes on.
    """

    def __init__(self, failed: Callable[[Exception], object]) -> None:
        self._failed = failed
        self._queues: dict[str, deque[Work]] = {}
        self._drives: dict[str, Deferred[None]] = {}
        self._all_idle: list[Deferred[None]] = []

    def put(self, key: str, work: Work) -> None:
        """Begin *work* now, or when what was put before it under the same *key* has ended."""
        if key in self._queues:
            self._queues[key].append(work)
            return
        self._queues[key] = deque((work,))
        drive = Deferred.fromCoroutine(self._drive(key))
        if key in self._queues:
            self._drives[key] = drive

    def cancel(self) -> None:
        """End everything that runs; what waits is forgotten."""
        for queue in self._queues.values():
            queue.clear()
        for drive in list(self._drives.values()):
            drive.cancel()

    async def idle(self) -> None:
        """Return when nothing runs or waits."""
        if self._queues:
            idle: Deferred[None] = Deferred()
            self._all_idle.append(idle)
            await idle

    async def _drive(self, key: str) -> None:
        queue = self._queues[key]
        try:
            while queue:
                try:
                    await queue.popleft()()
                except CancelledError:
                    return
                except Exception as error:
                    self._failed(error)
        finally:
            del self._queues[key]
            self._drives.pop(key, None)
            if not self._queues:
                self._tell_idle()

    def _tell_idle(self) -> None:
        waiting, self._all_idle = self._all_idle, []
        for each in waiting:
            if not each.called:
                each.callback(None)

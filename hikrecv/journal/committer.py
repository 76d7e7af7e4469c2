"""The journal's thread: gathers what is queued into a group, has it written, and tells of it once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from ..errors import JournalBroken, JournalError, JournalFull
from .scribe import Scribe, Waiting
from .segment import GROUP_BYTES

# Group commit without a timer: all that is queued is written, synced once and told of once.  While that
# goes on the next group gathers, so that groups grow with the load and a lone record waits for nobody.

GROUP_RECORDS = 256
"""A group is closed when it has so many; with what comes together it has a few more."""


class Committer:
    """
    The loop around a :class:`Scribe`.

    :param settle: hears of a group that is on disk, or of the error that it met; called in this thread.
    :param on_broken: hears of the error after which nothing more is written.
    """

    def __init__(
        self,
        scribe: Scribe,
        settle: Callable[[Sequence[Waiting], JournalError | None], object],
        on_broken: Callable[[JournalBroken], object],
    ) -> None:
        self._scribe, self._settle, self._on_broken = scribe, settle, on_broken
        self._queue: SimpleQueue[list[Waiting] | Callable[[], object]] = SimpleQueue()
        self._ended = False
        self.broken: JournalBroken | None = None
        self.groups, self.records, self.seconds = 0, 0, 0.0
        self.put = self._queue.put

    def run(self) -> None:
        """Work until :meth:`end` was put and met."""
        while not self._ended:
            self.turn(wait=True)

    def run_out(self) -> None:
        """Work until there is nothing to do: for those who have no thread."""
        while not self._queue.empty() or (self._scribe.chores and self.broken is None):
            self.turn(wait=False)

    def end(self) -> None:
        """Put into the queue, it lets the work end behind what was put before."""
        self._ended = True
        self._guarded(lambda: self._scribe.close(broken=self.broken is not None))

    def turn(self, *, wait: bool) -> None:
        """One group, then what was put behind it, and one step of a chore."""
        idle = self.broken is not None or not self._scribe.chores
        group, task = self._gather(wait=wait and idle)
        while group:
            group = group[self._keep(group) :]
        if task is not None:
            self._guarded(task)
        if self._scribe.chores and self.broken is None and not self._ended:
            self._guarded(self._scribe.do_chore)

    def _gather(self, *, wait: bool) -> tuple[list[Waiting], Callable[[], object] | None]:
        group: list[Waiting] = []
        size, queue = 0, self._queue
        for _ in range(queue.qsize() or wait):
            item = queue.get()
            if not isinstance(item, list):
                return group, item
            group += item
            for each in item:
                size += each.size
            if size >= GROUP_BYTES or len(group) >= GROUP_RECORDS:
                break
        return group, None

    def _keep(self, group: list[Waiting]) -> int:
        """Have a group written, or as much of it as one segment takes; returns how many are settled."""
        if self.broken is not None:
            return self._refuse(group, self.broken)
        started = time.perf_counter()
        try:
            count = self._scribe.write(group)
        except JournalFull as error:
            self._scribe.refuse(group)
            return self._refuse(group, error)
        except Exception as error:
            self.broken = _broken(error)
            self._refuse(group, self.broken)
            self._on_broken(self.broken)
            return len(group)
        self.seconds += time.perf_counter() - started
        self.groups += 1
        self.records += count
        self._settle(group[:count], None)
        return count

    def _refuse(self, group: list[Waiting], error: JournalError) -> int:
        self._settle(group, error)
        return len(group)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            if self.broken is None:
                self.broken = _broken(error)
                self._on_broken(self.broken)


def _broken(error: Exception) -> JournalBroken:
    # Whatever it was, what the disk holds is not certain any more: nothing is tried again, the next start
    # looks at what is there.
    return JournalBroken(f"the journal could not be written ({error}); start again when its disk is well")

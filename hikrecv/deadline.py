"""The last resort: a process that was told to stop is gone when its time is up, whatever hangs in it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Event, Thread
from types import FrameType
from typing import Any

from twisted.logger import Logger

STOP = 15.0
"""Seconds from the first signal to the end of the process."""
_SPARE = 1.0
_log = Logger()

# Each step of stopping has a bound of its own, and they add up to less.  But the reactor keeps them only
# while it turns: a hook that blocks it, a disk that does not answer, or a thread that the interpreter waits
# for at its end would keep the process for ever.  Everything that was answered with 200 is on disk at any
# moment, so leaving in the middle of whatever goes on is no worse than `kill -9`.


class Deadline:
    """
    Ends the process some time after it was told to stop.

    :param what: what is being waited for at that moment, in words.
    :param leave: ends the process with an exit code, without any clearing up.
    :ivar code: the exit code for that case.
    """

    def __init__(
        self, what: Callable[[], str], seconds: float = STOP, leave: Callable[[int], Any] = os._exit
    ) -> None:
        self.code = 1
        self._what, self._seconds, self._leave = what, seconds, leave
        self._thread: Thread | None = None

    def watch(self) -> None:
        """
        Begin to count with the first SIGTERM or SIGINT, before anything else is done about it.

        To be called in the main thread, when the reactor has its own handlers in place.
        """
        for name in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(name)

            def told(number: int, frame: FrameType | None, before: Any = before) -> None:
                # Once: told again before it could begin to stop, Twisted would log a traceback.
                first = self._thread is None
                self.begin()
                if first and callable(before):
                    before(number, frame)

            signal.signal(name, told)

    def begin(self) -> None:
        """Begin to count; doing so twice changes nothing."""
        if self._thread is None:
            self._thread = Thread(target=self._wait, name="hikrecv deadline", daemon=True)
            self._thread.start()

    def _wait(self) -> None:
        Event().wait(self._seconds - _SPARE)
        # The log may be on the disk that hangs: it gets a moment, not more.
        saying = Thread(target=self._say, daemon=True)
        saying.start()
        saying.join(_SPARE / 2)
        self._leave(self.code)

    def _say(self) -> None:
        _log.critical(
            "not stopped within {seconds:.0f} s (waiting for {what}), so the process ends now; "
            "everything that was answered with 200 is on disk",
            seconds=self._seconds,
            what=self._what(),
        )

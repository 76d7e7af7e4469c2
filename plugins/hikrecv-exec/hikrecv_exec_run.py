"""One program in a process group of its own, from its start to its end."""

from __future__ import annotations

import os
import signal
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

DRAIN = 1.0
"""Seconds in which the output may still come after the program has ended."""
LOOK = 0.1
_OUTPUT = (1, 2)


class Ended(NamedTuple):
    """How it ended: one of the two, and what it had printed."""

    exit: int | None
    signal: int | None
    output: bytes
    left_out: int


class Run(ProcessProtocol):
    """
    Gives a program its stdin and takes its output, up to a bound.

    Signals go to the whole group.  What is still in the group when the program has
    ended, is ended with it.

    :param given: for its stdin.
    :param most: bytes of its output that are kept, of stdout and stderr together.
    """

    transport: Any

    def __init__(self, given: bytes, most: int, clock: IReactorTime) -> None:
        self._given = given
        self._most = most
        self._clock = clock
        self._kept = bytearray()
        self._left_out = 0
        self._group: int | None = None
        self._open = set(_OUTPUT)
        self._exited = False
        self._timer: Any = None
        self._end: Ended | None = None
        self._waiting: list[Deferred[Ended]] = []

    def ended(self) -> Deferred[Ended]:
        """Fires when it has ended; to give up waiting leaves it as it is."""
        mine: Deferred[Ended] = Deferred()
        if self._end is not None:
            mine.callback(self._end)
        else:
            self._waiting.append(mine)
        return mine

    async def end(self, grace: float) -> None:
        """Let it end: SIGTERM, and SIGKILL when it still runs after *grace* seconds."""
        if self._end is not None:
            return
        self.signal(signal.SIGTERM)
        timer = self._clock.callLater(grace, self.signal, signal.SIGKILL)
        try:
            await self.ended()
        finally:
            if timer.active():
                timer.cancel()

    def signal(self, number: int) -> None:
        """Send a signal to the group; nothing happens when it is gone."""
        try:
            if self._group is not None:
                os.killpg(self._group, number)
                return
        except ProcessLookupError:
            pass  # It has not made its group yet.
        except PermissionError:
            return
        try:
            self.transport.signalProcess(number)
        except ProcessExitedAlready:
            pass

    # -- what Twisted tells us --------------------------------------------------

    def connectionMade(self) -> None:
        """It has been started."""
        self._group = self.transport.pid
        self.transport.write(self._given)
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It has printed something."""
        room = self._most - len(self._kept)
        self._kept += data[:room]
        self._left_out += max(0, len(data) - room)

    def childConnectionLost(self, childFD: int) -> None:
        """It closed one of its ends, mostly because it ends."""
        self._open.discard(childFD)
        if not self._open and not self._exited:
            self._look()

    def processExited(self, reason: Failure) -> None:
        """It has ended; what it has started may still hold its output."""
        self._exited = True
        self._cancel()
        self._timer = self._clock.callLater(DRAIN, self._hang_up)

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and all that it printed is here."""
        self._cancel()
        self._kill_rest()
        value: Any = reason.value
        self._end = Ended(value.exitCode, value.signal, bytes(self._kept), self._left_out)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(self._end)

    # -- inside -------------------------------------------------------------------

    def _look(self) -> None:
        """In a reaction's own process nobody hears of SIGCHLD, so we have a look ourselves."""
        self._timer = None
        if not self._exited and hasattr(self.transport, "reapProcess"):
            self.transport.reapProcess()
        if not self._exited:
            self._cancel()
            self._timer = self._clock.callLater(LOOK, self._look)

    def _hang_up(self) -> None:
        self._kill_rest()
        self.transport.loseConnection()

    def _kill_rest(self) -> None:
        if self._group is not None:
            try:
                os.killpg(self._group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

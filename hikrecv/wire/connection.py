"""The connections of one listener: made, counted, drained."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ServerFactory

from ..config import Limits
from .admission import Admission
from .budget import Budget
from .conversation import Conversation
from .deadlines import Wheel, spans
from .intake import Complete, Intake, Receive, looks_complete
from .usual import Heads
from .watch import SenderLog, Tally, Watch

FILES_ASIDE = 128
"""Open files that no connection may take, or an eighth of all if that is less."""


def files_for_connections() -> int:
    """How many open files connections may take together with what the process has open."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most - min(FILES_ASIDE, most // 8)


class PushFactory(ServerFactory):
    """
    Makes a :class:`~hikrecv.wire.conversation.Conversation` for each device that connects to one listener.

    :param receive: keeps a push and gives the answer; called once per request, salvaged ones included.
    :param clock: wakes the deadlines; *now* (monotonic) judges them.
    :param wall: our clock, nanoseconds since 1970 (UTC).
    :param budget: shared by all listeners of a receiver.
    :param complete: whether a cut push holds a whole document.
    """

    noisy = False

    def __init__(
        self,
        receive: Receive,
        admission: Admission,
        limits: Limits,
        clock: IReactorTime,
        *,
        mode: Literal["lenient", "strict"] = "lenient",
        watch: Watch | None = None,
        wall: Callable[[], int] = time.time_ns,
        now: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
        complete: Complete = looks_complete,
    ) -> None:
        watch = watch or Tally(wall)
        self.limits, self.mode, self.now = limits, mode, now
        self.intake = Intake(
            receive,
            admission,
            budget or Budget(limits, watch, now),
            watch,
            SenderLog(now),
            complete=complete,
            wall=wall,
        )
        self.wheel = Wheel(clock, now)
        self.spans = spans(limits)
        self.heads = Heads()
        self.draining = False
        self._clock = clock
        self._files = files_for_connections()
        self._open: set[Conversation] = set()
        self._all_gone: list[Deferred[None]] = []

    def startFactory(self) -> None:
        """A listener opens."""
        self.draining = False
        self._files = files_for_connections()

    def buildProtocol(self, addr: object) -> Conversation:  # type: ignore[override]  # no Protocol
        """See `IProtocolFactory`."""
        return Conversation(self)

    def let_in(self, connection: Conversation) -> bool:
        """Count *connection*; False when there are too many."""
        intake, ip = self.intake, connection.ip
        limit = intake.budget.connections.enter(connection, self._files_left(connection))
        if limit is None:
            self._open.add(connection)
            return True
        reason = f"its connection was closed: {limit} is reached"
        intake.watch.refused(ip, 0, reason)
        intake.log.say_once(ip, "crowd", reason)
        return False

    def _files_left(self, connection: Conversation) -> bool:
        """
        Whether the process can open many more files beside this connection.

        The system gives the lowest free number, so a high one says that nearly all are used: then
        the journal, the ledger and the reactions need the rest, and connections are closed at once
        before `accept` itself fails.
        """
        return connection.number < self._files

    def left(self, connection: Conversation) -> None:
        """*connection* is gone."""
        self.wheel.forget(connection)
        self._open.discard(connection)
        self.intake.budget.connections.leave(connection)
        if not self._open:
            waiting, self._all_gone = self._all_gone, []
            for one in waiting:
                one.callback(None)

    def drain(self, bound: float) -> Deferred[None]:
        """
        Close idle connections now, the others after their answer, and all after *bound* seconds.

        :returns: fires when none is left.
        """
        self.draining = True
        gone: Deferred[None] = Deferred()
        if not self._open:
            gone.callback(None)
            return gone
        self._all_gone.append(gone)
        timer = self._clock.callLater(bound, self._abort_all)
        gone.addBoth(lambda _: timer.cancel() if timer.active() else None)
        for connection in tuple(self._open):
            connection.retire()
        return gone

    def _abort_all(self) -> None:
        for connection in tuple(self._open):
            connection.abort()

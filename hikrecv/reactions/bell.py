"""Something to wait for: until it rings, or until a time has gone by."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Bell:
    """Wakes whoever waits for it, all at once; it does not remember having rung."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: list[Deferred[None]] = []

    def ring(self) -> None:
        """Wake everybody who waits now."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)

    async def wait(self, seconds: float | None = None) -> None:
        """Return when it rings, or *seconds* from now (monotonic) at the latest."""
        rung: Deferred[None] = Deferred()
        self._waiting.append(rung)
        timer = None if seconds is None else self._clock.callLater(seconds, rung.callback, None)
        try:
            await rung
        finally:
            if timer is not None and timer.active():
                timer.cancel()
            if rung in self._waiting:
                self._waiting.remove(rung)

"""The breaker: when everything fails, one event is enough to find out whether it still does."""

from __future__ import annotations

from twisted.internet.defer import DeferredLock

from .backoff import backoff

FAILURES = 20
"""So many in a row open the breaker."""


class Breaker:
    """
    Counts failures in a row; when open, only a probe now and then is let through.

    :ivar probing: held by the one event that probes, so that others wait for its end.
    :ivar probe_at: when the next probe is due, by the caller's monotonic clock.
    """

    def __init__(self, most: int = FAILURES) -> None:
        self._most = most
        self.failures = 0
        self.probe_at = 0.0
        self.probing = DeferredLock()

    @property
    def is_open(self) -> bool:
        """Only probes, please."""
        return self.failures >= self._most

    def succeeded(self) -> None:
        """It works (again)."""
        self.failures = 0

    def failed(self, now: float, max_age: float | None = None) -> None:
        """
        One more in a row, at *now*.

        :param max_age: after so many seconds events are not wanted any more; a door that works again
            would stay shut if each had become too old by the time of the next probe.
        """
        self.failures += 1
        if self.is_open:
            pause = backoff(self.failures)
            self.probe_at = now + (pause if max_age is None else min(pause, max_age / 2))

    def hurry(self) -> None:
        """The operator says that it may work again: probe at once."""
        self.probe_at = float("-inf")

    def due_in(self, now: float) -> float:
        """Seconds until something may be tried; 0 while closed."""
        return max(0.0, self.probe_at - now) if self.is_open else 0.0

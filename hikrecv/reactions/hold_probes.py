"""Holding: nothing can go until an operator acts, and now and then somebody looks whether that is over."""

from __future__ import annotations

from twisted.internet.defer import DeferredLock

EVERY = 300.0
"""Seconds between two probes: a login that is wrong must not lock an account."""
ALONE = 3
"""So many probes are made with the held event alone; from then on the next wanted one is tried too."""


class HoldProbes:
    """
    Whether a reaction holds, since its plugin raised `Hold`, and when it is tried again.

    The breaker rests meanwhile: it is about servers that come back by themselves.

    :ivar reason: why it holds; "" when it does not.
    :ivar probes: how many were made in vain.
    :ivar probing: held by the event that probes; the others wait for its end.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.probes = 0
        self.probing = DeferredLock()
        self._probe_at = 0.0

    @property
    def is_on(self) -> bool:
        """Only probes, please."""
        return bool(self.reason)

    def begin(self, reason: str, now: float) -> None:
        """Hold, for this *reason*; a hold that was on already goes on as it was."""
        if not self.is_on:
            self.probes = 0
            self._probe_at = now + EVERY
        self.reason = reason

    def again(self, reason: str, now: float) -> None:
        """A probe was in vain."""
        self.reason = reason
        self.probes += 1
        self._probe_at = now + EVERY

    def over(self) -> None:
        """It goes on."""
        self.reason = ""

    def hurry(self) -> None:
        """The operator says that it may be over: probe at once."""
        self._probe_at = float("-inf")

    def due_in(self, now: float) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._probe_at - now)

"""What the wire tells those who look at it: counters, log lines, and who was turned away."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

import msgspec
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from .rate import Rate


class Watch(Protocol):
    """What the service implements to count; every method is cheap and raises nothing."""

    def connections(self, now: int) -> None:
        """So many connections are open, over all listeners."""

    def in_flight(self, held: int) -> None:
        """So many bytes of bodies are held, over all listeners."""

    def answered(self, status: int) -> None:
        """A request was answered; refusals count here too."""

    def refused(self, ip: str, status: int, reason: str) -> None:
        """A sender was turned away; status 0: its connection was closed without an answer."""

    def thrown_away(self, ip: str, reason: str) -> None:
        """A sender was told 200 for something that was not kept (`deny = "drop"`)."""

    def discarded(self, ip: str, size: int) -> None:
        """So many bytes came behind the last request of a connection, and are not kept."""

    def foreign(self, ip: str, kind: str, advice: str) -> None:
        """Something that is not HTTP came: ``tls``, ``sdk``, ``rtsp``, ``sip`` ..."""

    def salvaged(self, ip: str, complete: bool) -> None:
        """A broken request was kept as far as it came; *complete*: a whole document was in it."""

    def expired(self, ip: str, phase: str) -> None:
        """A deadline passed: ``head``, ``body``, ``room``, ``answer``."""

    def alarm(self, ip: str, reason: str) -> None:
        """Somebody must look at this: an address passed its quota."""


class TurnedAway(msgspec.Struct, frozen=True):
    """
    The last refusal of one address, for `hikrecv devices`.

    :param last: our clock, nanoseconds since 1970 (UTC).
    """

    ip: str
    status: int
    reason: str
    count: int
    last: int


class Tally:
    """
    A :class:`Watch` that counts in memory.

    :param most: how many addresses are remembered; the one longest quiet goes first.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, most: int = 256) -> None:
        self.counts: Counter[str] = Counter()
        self.open = 0
        self.held = 0
        self.discarded_bytes = 0
        self._wall, self._most = wall, most
        self._turned_away: OrderedDict[str, TurnedAway] = OrderedDict()

    def turned_away(self) -> tuple[TurnedAway, ...]:
        """Who was refused, the latest last."""
        return tuple(self._turned_away.values())

    def connections(self, now: int) -> None:
        """See :class:`Watch`."""
        self.open = now

    def in_flight(self, held: int) -> None:
        """See :class:`Watch`."""
        self.held = held

    def answered(self, status: int) -> None:
        """See :class:`Watch`."""
        self.counts[f"answered {status}"] += 1

    def refused(self, ip: str, status: int, reason: str) -> None:
        """See :class:`Watch`."""
        self.counts[f"refused {status}"] += 1
        self._remember(ip, status, reason)

    def thrown_away(self, ip: str, reason: str) -> None:
        """See :class:`Watch`."""
        self.counts["thrown away"] += 1
        self._remember(ip, 200, reason)

    def discarded(self, ip: str, size: int) -> None:
        """See :class:`Watch`."""
        self.discarded_bytes += size

    def foreign(self, ip: str, kind: str, advice: str) -> None:
        """See :class:`Watch`."""
        self.counts[f"foreign {kind}"] += 1
        self._remember(ip, 0, advice)

    def salvaged(self, ip: str, complete: bool) -> None:
        """See :class:`Watch`."""
        self.counts["salvaged complete" if complete else "salvaged"] += 1

    def expired(self, ip: str, phase: str) -> None:
        """See :class:`Watch`."""
        self.counts[f"expired {phase}"] += 1

    def alarm(self, ip: str, reason: str) -> None:
        """See :class:`Watch`."""
        self.counts["alarm"] += 1
        self._remember(ip, 503, reason)

    def _remember(self, ip: str, status: int, reason: str) -> None:
        before = self._turned_away.pop(ip, None)
        count = 1 if before is None else before.count + 1
        self._turned_away[ip] = TurnedAway(ip, status, reason, count, self._wall())
        if len(self._turned_away) > self._most:
            self._turned_away.popitem(last=False)


class SenderLog:
    """
    Log lines about senders: one a minute for each address and kind, 600 in all.

    The second bound is for somebody who has many addresses.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, log: Logger | None = None) -> None:
        self.log = log or Logger(namespace="hikrecv.wire")
        self._each, self._all = Rate(1, 60, now), Rate(600, 60, now)

    def say(self, ip: str, kind: str, sentence: str, level: LogLevel = LogLevel.warn) -> None:
        """
        Write *sentence*, unless this address was named for the same *kind* just now.

        :param sentence: what happened and the cure; ours, with a device's text only as :func:`visible`.
        """
        missed = self._each.take((kind, ip))
        if missed is None or self._all.take(None) is None:
            return
        more = f" ({missed} more like this in the meantime)" if missed else ""
        self.log.emit(level, "{ip}: {sentence}{more}", ip=ip, sentence=sentence, more=more, kind=kind)

    def say_once(self, ip: str, kind: str, sentence: str) -> None:
        """The same once a minute for all addresses together: *ip* is the first of them."""
        missed = self._each.take((kind, ""))
        if missed is None:
            return
        more = f" ({missed} more like this in the meantime)" if missed else ""
        self.log.warn("{ip}: {sentence}{more}", ip=ip, sentence=sentence, more=more, kind=kind)

    def bug(self, failure: Failure) -> None:
        """Something went wrong that no device should be able to cause."""
        self.log.failure("a bug in the receiver", failure=failure)


def visible(data: bytes, most: int = 200) -> str:
    """The first bytes of what a device sent, everything but printable ASCII escaped."""
    return repr(data[:most])[2:-1] + (" ..." if len(data) > most else "")

"""
Live, late or resent: how old an event is, by a device's clock that nobody set.

Devices keep bad time: months behind after a dead battery, years ahead after a
typing error, an hour off after a change of summer time.  And devices that were
cut off send their queue when they are back, hours late, with the old times.
Both look the same in one event; over several they do not:

- No event arrives before it happened.  What an event lags behind our clock
  (received minus occurred) is the offset of its device's clock plus its real age,
  so the smallest lag is the best bound of the offset.  It is followed down at
  once and let up only as fast as a bad quartz drifts, so that a queue which
  grows does not pull it along.
- A clock that was set anew lags evenly from then on.  A queue that is flushed is
  read faster than it was written: its lag shrinks with every event.  So a greater
  lag is believed to be the clock's only when events in a row agree on it for
  `PROOF`, by our clock.  Until then they are late.  It is a guess, for people and
  filters; who acts goes by `hikrecv.sightings.clocks`.
- What can be no queue is believed after `QUICK` events in a row: a clock that
  went forward to the right time or beyond it, one that was never set, and one
  that was years ahead and is right now.

An offset is not believed for what the device itself calls resent, nor for the
repeated sending of one event, nor for one event alone.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from hikrecv.isapi.event import Event
from hikrecv.journal.fact import DEVICES, Clock, Fact, fact_of

SECOND = 1_000_000

LATE = 60 * SECOND
"""How far an event may be behind and be live."""

PROOF = 240 * SECOND
"""How long a new offset must be steady before it is believed: five minutes, with the next event."""

SMALL = 2 * SECOND
"""A greater lag by no more than this is no other offset: devices tell whole seconds."""

STEADY = 30 * SECOND
"""How much lags may differ and still be one offset."""

SLOW = 4
"""How many events in a row it takes, besides `PROOF`."""

QUICK = 3
"""How many events in a row it takes when no queue can explain it."""

DRIFT = 10_000
"""One microsecond in so many is lost by the worst clock: some 9 seconds a day."""

YEAR = 365 * 86_400 * SECOND

NEVER_SET = 1_420_070_400 * SECOND
"""2015: what claims to be older comes from a clock that starts at 1970 or 2000, not from a queue."""

_UNKNOWN = Clock()


class Clocks:
    """
    What is known of the devices' clocks: the `most` that were heard last.

    :meth:`judge` looks and changes nothing; :meth:`recall` takes a decided fact and
    changes what is known, so that facts read back leave the same knowledge.
    """

    def __init__(self, most: int = DEVICES) -> None:
        self._most = most
        self._known: OrderedDict[str, Fact] = OrderedDict()

    def judge(self, fact: Fact) -> Fact:
        """*fact* with its freshness, and with what is known of the clock after it."""
        known = self._known.get(fact.device)
        if known is None:
            return _weighed(fact, _UNKNOWN)
        offset = _usual(fact, known)
        if offset is None:
            return _weighed(fact, _drifted(known.clock, fact.received - known.received))
        return replace(
            fact, freshness="live", clock_offset=offset, clock_trial=None, clock_steady=0, clock_since=None
        )

    def recall(self, fact: Fact) -> None:
        """Remember what *fact* left known."""
        self._known[fact.device] = fact
        self._known.move_to_end(fact.device)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget_all(self) -> None:
        """Know nothing of any clock: what was guessed by a wrong clock of ours is wrong."""
        self._known.clear()

    def forget(self, device: str) -> None:
        """Know nothing of the clock of *device*, nor of what comes through it."""
        for name in [name for name in self._known if name == device or name.startswith(f"{device}/")]:
            del self._known[name]


def behind(event: Event) -> float:
    """How many seconds *event* had been under way when it was received; 0.0 when nobody can say."""
    fact = fact_of(event)
    if fact.occurred is None:
        return 0.0
    return _age(fact.received - fact.occurred, fact.clock_offset) / SECOND


def _usual(fact: Fact, known: Fact) -> int | None:
    """
    The clock's offset after *fact*, when it is new and agrees with what is known; None for any other.

    Then it is live, and nothing else speaks for another offset any more.
    """
    offset, occurred = known.clock_offset, fact.occurred
    if offset is None or occurred is None or fact.duplicate_of is not None or fact.freshness == "resent":
        return None
    lag, passed = fact.received - occurred, fact.received - known.received
    if passed >= DRIFT:
        offset += min(passed // DRIFT, STEADY)
    return min(lag, offset) if -LATE <= lag - offset <= SMALL else None


def _weighed(fact: Fact, clock: Clock) -> Fact:
    """What is to be thought of any event, its device's clock being known so far."""
    lag = None if fact.occurred is None else fact.received - fact.occurred
    resent = fact.freshness == "resent"
    if lag is not None and not resent and fact.duplicate_of is None:
        clock = _learned(clock, lag, fact)
    late = lag is not None and _age(lag, clock.offset) > LATE
    return replace(
        fact,
        freshness="resent" if resent else "late" if late else "live",
        clock_offset=clock.offset,
        clock_trial=clock.trial,
        clock_steady=clock.steady,
        clock_since=clock.since,
    )


def _age(lag: int, offset: int | None) -> int:
    """
    How old an event is that lags so much, at a clock with this offset.

    A lag well below the offset means that the clock went forward; it is then
    taken for right, or for ahead, which makes nothing old.
    """
    known = offset or 0
    return max(lag if lag < known - LATE else lag - known, 0)


def _drifted(clock: Clock, passed: int) -> Clock:
    if clock.offset is None or passed < DRIFT:
        return clock
    # After months of silence a queue must still be told from a drift.
    return Clock(clock.offset + min(passed // DRIFT, STEADY), clock.trial, clock.steady, clock.since)


def _learned(clock: Clock, lag: int, fact: Fact) -> Clock:
    known = clock.offset
    if -LATE <= lag - (known or 0) <= (LATE if known is None else SMALL):
        return Clock(lag if known is None else min(lag, known))
    if clock.trial is None or clock.since is None or abs(lag - clock.trial) > STEADY:
        return Clock(clock.offset, lag, 1, fact.received)
    clock = Clock(clock.offset, clock.trial, clock.steady + 1, clock.since)
    return Clock(min(lag, clock.trial or lag)) if _believed(clock, lag, fact) else clock


def _believed(clock: Clock, lag: int, fact: Fact) -> bool:
    known = clock.offset or 0
    forward = lag <= LATE and lag < known
    absurd = abs(lag) <= LATE and lag - known > YEAR
    if forward or absurd or (fact.occurred or 0) < NEVER_SET:
        return clock.steady >= QUICK
    return clock.steady >= SLOW and fact.received - (clock.since or 0) >= PROOF

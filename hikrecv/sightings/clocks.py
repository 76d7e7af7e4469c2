"""
How far a device's clock may be believed when something acts: opens a door, or must not happen twice.

`freshness` guesses, and guesses well enough for people and filters; but a terminal
that replays its stored punches at about the pace at which they were made looks, event
by event, exactly like one whose clock is 90 days behind.  No amount of steadiness
tells the two apart, so a door does not hang on it:

- What an event lags (received minus occurred) is the offset of the device's clock plus
  the event's real age.  No event arrives before it happened, so each lag is an upper
  bound of the offset: the smallest one is followed *down* at once, which can only make
  events older.
- *Up*, an offset is believed beyond a minute only on a **sign** that cannot be history:
  a heartbeat, which is about now and stored by no device, or the device's own answer
  to ``System/time``.  Or because the operator says ``clock = "learned"``.
  Not on one that the device's own events, which are of now, have shown to be wrong:
  firmware that tells its heartbeats in another zone would be hours behind by them.
- Up to a minute it is learned without a sign, from events that agree for `PROOF`, so
  that a clock that was put right by 12 s does not shut a door for hours.  What was
  learned so is the error of every age that is told with it; who wants less of an error
  than that finds the event too old.
- A clock that is evidently more than a minute ahead is a wrong clock: how much of an
  event's lag is age cannot be known without a sign.

Times are microseconds since 1970, by our wall clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from hikrecv.isapi.event import Event
from hikrecv.journal.fact import DEVICES, Fact, fact_of
from hikrecv.senders import Bound

SECOND = 1_000_000

MINUTE = 60 * SECOND
"""How far an offset is believed without a sign."""

JITTER = SECOND
"""Devices tell whole seconds: less than this is no change of a clock."""

AGREE = 5 * SECOND
"""How much lags may differ and still speak for one offset; those of a queue that is flushed do more."""

PROOF = 240 * SECOND
"""How long events agree before a greater offset is learned of them: five minutes, with the next event."""

PROOF_AFTER_HISTORY = 1_800 * SECOND
"""The same when the lags of old events have come down to it by and by."""

HISTORY = 86_400 * SECOND
"""How long after an old event a device may still be sending its history."""

CREEP = 10
"""A lag that shrinks by less than one second in so many is that of a history, and not of a set clock."""

SIGNS = 60 * SECOND
"""How long heartbeats agree: those of a line that was stuck come all at once."""

SIGNS_LAST = 3_600 * SECOND
"""While a device gives signs, they alone speak for its clock, whatever the operator lets it learn."""

STRAY = 3
"""So many lags in a row that do not agree with the others begin another trial."""

Sign = Literal["", "heartbeat", "device"]
Reason = Literal["", "old", "clock", "no time"]


class Trusted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What is known of one device's clock, and on what evidence; as it stands in the ledger.

    :param offset: how far the clock is behind ours at most (negative: ahead); None: nothing was learned.
    :param sign: what has shown `base`; "" when nothing has.
    :param base: the offset that the last sign has shown; 0 without one.
    :param signed_at: when that was.
    :param refuted: the offset of a sign against which an event spoke that was of now, and *refuted_sign*
        which sign that was; it holds until that one says something else.
    :param raised_at: when `offset` last rose; what was received before is judged by `before`.
    :param history_at: when an event was last received that was older than a minute at the best,
        and *history_lag* how much it lagged.
    """

    offset: int | None = None
    sign: Sign = ""
    base: int = 0
    signed_at: int | None = None
    refuted: int = 0
    refuted_sign: Sign = ""
    raised_at: int | None = None
    before: int = 0
    history_at: int | None = None
    history_lag: int = 0

    @property
    def error(self) -> float:
        """
        By how much an age that is told with `offset` may be too small; infinite: nobody knows.

        It is what was learned without a sign, above what a sign has shown or above a right clock.
        """
        offset = self.offset or 0
        near = [max(offset - known, 0) for known in (0, self.base) if abs(offset - known) <= MINUTE]
        return min(near, default=math.inf)


class Lateness(msgspec.Struct, frozen=True):
    """
    How late a device was with an event, for who acts.

    :param seconds: infinite when it is too old or cannot be known.
    :param reason: why, when it is not zero: ``old``, or ``clock`` when the clock cannot be believed,
        or ``no time`` when the event has none.
    :param sure: by more than a guess: a sign, or what the operator said.
    """

    seconds: float
    reason: Reason = ""
    sure: bool = False


_NOTHING = Trusted()
_NOBODY = Bound()


class _Trial:
    """Lags of one device that agree on an offset which is not believed yet."""

    def __init__(self) -> None:
        self.low = self.since = self.count = self.stray = 0

    def add(self, lag: int, received: int) -> int:
        """One more lag; for how long they have agreed now."""
        if not self.count or received < self.since or lag < self.low - AGREE:
            self._begin(lag, received)
        elif lag > self.low + AGREE:
            # A slow one now and then is no other clock.
            self.stray += 1
            if self.stray >= STRAY:
                self._begin(lag, received)
            return 0
        else:
            self.low = min(self.low, lag)
            self.count += 1
            self.stray = 0
        return received - self.since

    def _begin(self, lag: int, received: int) -> None:
        self.low, self.since, self.count, self.stray = lag, received, 1, 0

    def clear(self) -> None:
        self.count = self.stray = 0


class _Device:
    """One device: what is believed, and what is on trial."""

    __slots__ = ("events", "history_at", "history_lag", "signs", "trusted")

    def __init__(self, trusted: Trusted) -> None:
        self.trusted = trusted
        self.events, self.signs = _Trial(), _Trial()
        self.history_at, self.history_lag = trusted.history_at or 0, trusted.history_lag

    def creeps(self) -> bool:
        """Has the lag come down to what is on trial by and by, as fast as the days go?"""
        return (self.history_lag - self.events.low) * CREEP <= self.events.since - self.history_at


class TrustedClocks:
    """
    The trusted offsets of the devices' clocks: the `most` that were heard last.

    It hears of every event in the order of the journal, as it is published.  Events of
    senders without trust, repeats, and what a device itself calls resent teach nothing;
    nor does a sender that only says to be a device whose name takes a proof: a forged
    heartbeat would open that device's door for its history.

    :param learned: the ``[devices]`` that say ``clock = "learned"``.
    :ivar bound: the devices that are known by their own address or login.
    :ivar answering: the devices that can be asked what time it is.
    :ivar doubted: those of them whose clock was doubted since they were asked.
    """

    def __init__(self, learned: Collection[str] = (), most: int = DEVICES, *, bound: Bound = _NOBODY) -> None:
        self.learned = frozenset(learned)
        self.bound = bound
        self.answering: frozenset[str] = frozenset()
        self.doubted: set[str] = set()
        self._most = most
        self._known: OrderedDict[str, _Device] = OrderedDict()
        self._changed: set[str] = set()
        self._kept: dict[str, Trusted] = {}

    # -- learning -----------------------------------------------------------

    def publish(self, seq: int, events: Collection[Event], size: int = 0) -> None:
        """Learn from the sighted *events* of the durable push *seq*."""
        for event in events:
            if event.peer.trust == "none" or event.occurred is None:
                continue
            if not (self.bound and self.bound.is_claimed(event.device.id, event.peer)):
                self._hear(event)

    def measured(self, device: str, offset: int, at: int) -> None:
        """The device itself has answered what time it is: its clock is *offset* behind ours."""
        known = self._of(device)
        self._sign(device, known, offset, at, "device")

    def forget(self, device: str) -> bool:
        """Know nothing of the clock of *device* any more, nor of what came through it; was anything known?"""
        names = {name for name in {*self._known, *self._kept} if _is(name, device)}
        for name in names:
            self._known.pop(name, None)
            self._changed.add(name)
        return bool(names)

    def _hear(self, event: Event) -> None:
        fact = fact_of(event)
        if fact.occurred is None or fact.freshness == "resent" or fact.duplicate_of is not None:
            return
        device, lag, received = fact.device, fact.received - fact.occurred, fact.received
        known = self._of(device)
        if event.family == "heartbeat" and known.signs.add(lag, received) >= SIGNS:
            self._sign(device, known, known.signs.low, received, "heartbeat")
            known.signs.clear()
        self._learn(device, known, lag, received, is_sign=event.family == "heartbeat")

    def _learn(self, device: str, known: _Device, lag: int, received: int, *, is_sign: bool) -> None:
        trusted = known.trusted
        offset = trusted.offset
        if offset is not None and lag <= offset + JITTER:
            known.events.clear()
            if lag < offset:
                self._fall(device, known, lag, refutes=not is_sign and abs(lag) <= MINUTE)
            return
        free = self._learns(device, trusted, received)
        if lag > max(trusted.base, 0) + MINUTE and not free:
            known.events.clear()
            known.history_at, known.history_lag = received, lag
            if received - (trusted.history_at or 0) > MINUTE:
                self._keep(device, known, history_at=received, history_lag=lag)
            return
        sends_history = trusted.history_at is not None and received - trusted.history_at <= HISTORY
        if offset is None and (lag < -MINUTE or (abs(lag) <= MINUTE and not sends_history)):
            # The first that is heard of it.  A right clock is the rule, and one that is ahead is so at least.
            self._keep(device, known, offset=lag)
            return
        agreed = known.events.add(lag, received)
        proof = PROOF
        if (offset is None or lag - offset > MINUTE) and sends_history and not free and known.creeps():
            # A history that is read hardly faster than it was written comes slowly down to what a clock
            # that is wrong takes for now; a clock that is set leaps.
            proof = PROOF_AFTER_HISTORY
        if agreed >= proof:
            low = known.events.low
            known.events.clear()
            self._keep(device, known, offset=low, raised_at=received, before=offset or 0)

    def _learns(self, device: str, trusted: Trusted, now: int) -> bool:
        """Does the operator let this clock be learned from events alone, and do no signs speak?"""
        if device not in self.learned and device.partition("/")[0] not in self.learned:
            return False
        return not trusted.sign or now - (trusted.signed_at or 0) > SIGNS_LAST

    def _sign(self, device: str, known: _Device, offset: int, at: int, sign: Sign) -> None:
        trusted = known.trusted
        before = trusted.offset or 0
        if trusted.refuted_sign and abs(offset - trusted.refuted) <= MINUTE:
            return
        if trusted.sign == sign and max(abs(offset - trusted.base), abs(offset - before)) <= JITTER:
            # Nothing new but the time of it, of which a quarter of an hour is close enough.
            if at - (trusted.signed_at or 0) > SIGNS_LAST // 4:
                self._keep(device, known, signed_at=at)
            return
        known.events.clear()
        raised = {"raised_at": at, "before": before} if offset > before else {}
        self._keep(
            device,
            known,
            offset=offset,
            base=offset,
            sign=sign,
            signed_at=at,
            refuted_sign="" if sign == trusted.refuted_sign else trusted.refuted_sign,
            history_at=None,
            **raised,
        )

    def _fall(self, device: str, known: _Device, lag: int, *, refutes: bool) -> None:
        """
        No event arrives before it happened: the clock is not further behind than this.

        :param refutes: it is an event of now: a sign that says otherwise was given by a clock which was
            set since, or by another than that of the events; which of them, the next sign shows.
        """
        trusted = known.trusted
        if lag < trusted.base - MINUTE and trusted.sign:
            # The clock was set since: what the sign has shown holds no more.
            known.signs.clear()
            if refutes and trusted.base > MINUTE:
                self._keep(device, known, refuted=trusted.base, refuted_sign=trusted.sign)
            self._keep(device, known, offset=lag, base=0, sign="", signed_at=None)
        else:
            self._keep(device, known, offset=lag)

    # -- judging ------------------------------------------------------------

    def lateness(self, event: Event, most: float) -> Lateness:
        """
        How many seconds *event* had been under way when it was received, for who acts.

        :param most: the error that is borne: `max_age` of who asks.
        """
        fact = fact_of(event)
        if fact.occurred is None:
            return Lateness(0.0, "no time")
        late = self._judged(fact, fact.received - fact.occurred, most)
        if late.seconds > most and fact.device in self.answering:
            self.doubted.add(fact.device)
        return late

    def _judged(self, fact: Fact, lag: int, most: float) -> Lateness:
        known = self._known.get(fact.device)
        trusted = _NOTHING if known is None else known.trusted
        offset = trusted.offset
        if trusted.raised_at is not None and fact.received < trusted.raised_at:
            offset = trusted.before
        if offset is None:
            sends_history = trusted.history_at is not None and fact.received - trusted.history_at <= HISTORY
            if lag < -MINUTE or (sends_history and lag <= MINUTE):
                return Lateness(math.inf, "clock")
            offset = 0
        elif trusted.error > most * SECOND and not self._learns(fact.device, trusted, fact.received):
            return Lateness(math.inf, "clock")
        late = max(lag - offset, 0) / SECOND
        sure = bool(trusted.sign) or self._learns(fact.device, trusted, fact.received)
        return Lateness(late, "old" if late > 1.0 else "", sure)

    def offset(self, device: str) -> Trusted | None:
        """What is known of the clock of *device*."""
        known = self._known.get(device)
        return None if known is None else known.trusted

    # -- keeping ------------------------------------------------------------

    def restore(self, kept: Mapping[str, Trusted]) -> None:
        """Take what stands in the ledger, the one heard longest ago first."""
        self._kept = dict(kept)
        self._again()

    def our_clock_was_set(self) -> None:
        """
        Our own wall clock has jumped: what was learned and is not kept may be wrong.

        While it was wrong every device looked years ahead, and must not be believed to be.
        """
        self._again()

    def changes(self) -> list[tuple[str, Trusted | None]]:
        """What is to be written to the ledger; None: it is to be forgotten.  See :meth:`kept`."""
        known = ((device, self.offset(device)) for device in self._changed)
        return [(device, now) for device, now in known if now != self._kept.get(device)]

    def kept(self, changes: Collection[tuple[str, Trusted | None]]) -> None:
        """These `changes` are written."""
        for device, known in changes:
            if known is None:
                self._kept.pop(device, None)
            else:
                self._kept[device] = known
        self._changed = {device for device in self._changed if self.offset(device) != self._kept.get(device)}

    def none_is_kept(self) -> None:
        """The ledger was lost, and there is a new one."""
        self._kept.clear()
        self._changed = set(self._known)

    def _again(self) -> None:
        self._changed.clear()
        self._known = OrderedDict((device, _Device(trusted)) for device, trusted in self._kept.items())

    def _of(self, device: str) -> _Device:
        known = self._known.get(device)
        if known is None:
            known = self._known[device] = _Device(_NOTHING)
            if len(self._known) > self._most:
                gone, _ = self._known.popitem(last=False)
                self._changed.add(gone)
        else:
            self._known.move_to_end(device)
        return known

    def _keep(self, device: str, known: _Device, **changes: object) -> None:
        known.trusted = msgspec.structs.replace(known.trusted, **changes)
        self._changed.add(device)


def _is(name: str, device: str) -> bool:
    return name == device or name.startswith(f"{device}/")

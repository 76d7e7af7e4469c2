"""History, or a dead letter, handed to one reaction once more because an operator says so."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from types import ModuleType
from typing import Literal

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.journal.ledger import DeadLetter

from .backoff import asked, backoff
from .cooldown import cooling
from .courier import Courier
from .feed import Feed
from .outcome import Again, Done, OnHold, Outcome, Refused
from .parallel import find

End = Literal["done", "would be handed over", "cooling down", "too old", "failed", "held"]


class Line(msgspec.Struct, frozen=True):
    """
    What became of one event of a replay; *reason* says why it failed, or what would be done.

    After ``held`` nothing more is handed over: an operator has to act first.
    """

    seq: int
    event: str
    end: End
    reason: str = ""


class Replay:
    """
    Hands events to a running reaction beside its courier, in turns with it.

    Rules, schedule and cooldown hold as if it were then.  Places, marks and dead
    letters stay as they are: what fails is told to who asked.  Events are
    old by nature, so `max_age` holds only for what acts or must not repeat
    itself, and such a reaction is handed nothing unless *act* is given.

    In a dry run the hook is called only when the plugin says ``dry_run = True``, as
    it says ``acts``: that it looks at ``context.dry_run``, or does nothing but by the
    context, whose `http` and `device` then say what they would do.
    """

    def __init__(
        self,
        courier: Courier,
        feed: Feed,
        clock: IReactorTime,
        *,
        dry_run: bool = False,
        act: bool = False,
    ) -> None:
        self._courier = courier
        self._reaction = courier.reaction
        self._feed = feed
        self._clock = clock
        self._dry_run = dry_run
        self._careful = self._reaction.careful
        self._calls_hook = not dry_run or knows_dry_runs(self._reaction.plugin.subject)
        self._last: dict[str, float] = {}
        if not self._reaction.carries:
            raise HikrecvError(f"{self._reaction.name} takes no events")
        if self._careful and not act and not dry_run:
            raise HikrecvError(
                f"{self._reaction.name} acts or must not repeat itself; say --act if it shall do so again"
            )

    async def over(self, start: int, stop: int) -> AsyncIterator[Line]:
        """Every wanted event from the seq *start* to *stop*; one line for each."""
        seq, stop = start - 1, min(stop, self._feed.last)
        while seq < stop and (pushes := await self._feed.after(seq)):
            for seq, events in pushes:
                for event in events if seq <= stop else ():
                    if self._reaction.wants(event):
                        line = await self._one(seq, event)
                        yield line
                        if line.end == "held":
                            return
            await deferLater(self._clock, 0)

    async def letter(self, letter: DeadLetter) -> Line:
        """The event of a dead letter, wanted or not."""
        event = await find(self._feed, letter.seq, letter.event)
        if event is None:
            gone = f"it is not in the journal any more; hikrecv dead-letters drop {letter.id} throws it away"
            return Line(letter.seq, letter.event, "failed", gone)
        return await self._one(letter.seq, event)

    async def _one(self, seq: int, event: Event) -> Line:
        if self._is_too_old(seq, event):
            return Line(seq, event.id, "too old", f"older than {self._reaction.max_age:g} s")
        if self._is_cooling(event):
            return Line(seq, event.id, "cooling down")
        if not self._calls_hook:
            return Line(seq, event.id, "would be handed over")
        if self._dry_run:
            outcome = await self._call([event], 1)
            return Line(
                seq, event.id, "would be handed over", "" if isinstance(outcome, Done) else outcome.reason
            )
        outcome = await self._tried(seq, event)
        if isinstance(outcome, Done):
            return Line(seq, event.id, "done")
        return Line(seq, event.id, "held" if isinstance(outcome, OnHold) else "failed", outcome.reason)

    async def _tried(self, seq: int, event: Event) -> Outcome:
        """As often as the table says for a bug, and then the operator has the last word."""
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._call([event], attempt)
            last = attempt >= self._reaction.common.retry or isinstance(outcome, Done | Refused | OnHold)
            certain = isinstance(outcome, Again) and outcome.certain
            if last or (self._careful and not certain) or self._is_too_old(seq, event):
                return outcome
            wait = asked(outcome.after) if isinstance(outcome, Again) else None
            await deferLater(self._clock, backoff(attempt) if wait is None else wait)

    async def _call(self, events: Sequence[Event], attempt: int) -> Outcome:
        if not self._courier.ready:
            status = self._courier.status()
            why = f"{status.state}: {status.reason}" if status.reason else status.state
            raise HikrecvError(
                f"{status.name} takes nothing now ({why}), and gets none of the rest; "
                f"`hikrecv reactions resume {status.name}` lets it go on when it is paused or throttled"
            )
        handover = self._courier.handover
        if self._careful and not self._dry_run:
            # Should it come by itself later, it is known to have been begun.
            for event in events:
                await self._courier.book.ask("mark", event.key, self._courier.ages.moment())
        await handover.turns.take()
        try:
            timeout = self._reaction.common.timeout
            return await self._courier.calls.call(
                handover.hook, timeout, events, attempt=attempt, replay=True, dry_run=self._dry_run
            )
        finally:
            handover.turns.give_back()

    def _is_too_old(self, seq: int, event: Event) -> bool:
        most = self._reaction.max_age
        if not self._careful or most is None:
            return False
        return self._courier.ages.of(event, seq, self._reaction).seconds > most

    def _is_cooling(self, event: Event) -> bool:
        who, rule = self._reaction.who(event), self._reaction.cooldown
        if who is None or rule is None:
            return False
        received = event.received.timestamp()
        if cooling(rule, self._last.get(who), received):
            return True
        self._last[who] = received
        return False


def knows_dry_runs(subject: ModuleType | type) -> bool:
    """What a plugin says about itself stands in its class or else in its module."""
    module = sys.modules.get(getattr(subject, "__module__", ""))
    return bool(getattr(subject, "dry_run", getattr(module, "dry_run", False)))

"""One hand-over: an event, or a batch, from its first attempt to one of its four ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .age import age, lateness
from .backoff import asked, backoff
from .book import Book
from .breaker import Breaker
from .calls import Calls
from .feed import Feed
from .outcome import Again, Bug, Done, Outcome, Refused
from .reaction import Reaction
from .turns import Turns

PERHAPS = "perhaps done"
_log = Logger()


class Stopping(Exception):
    """The courier is to stop; not an error."""


class Item(msgspec.Struct, frozen=True):
    """
    An event and its place: *n* is where it stands among the events of the push *seq*.

    The end of an alarm stands in no push; it is told with one, or after it, and
    has a negative *n*.
    """

    seq: int
    n: int
    event: Event

    @property
    def is_end(self) -> bool:
        """Is it the end of an alarm, made by us and kept in no journal?"""
        return self.n < 0


class Story(msgspec.Struct):
    """
    What a reaction has lived through; times are seconds since 1970.

    :ivar attempts: of the hand-over that is being tried; 0 when none is.
    :ivar retry_at: when the next attempt is due, by the monotonic clock.
    :ivar left_out: how many wanted events were not handed over, by reason.
    """

    done: int = 0
    attempts: int = 0
    retry_at: float | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    left_out: Counter[str] = msgspec.field(default_factory=Counter)


class Pace(NamedTuple):
    """
    When a hand-over may go on; the waits raise to end it when the reaction is stopped.

    :param free: whether `allowed` would return at once.
    :param allowed: returns as soon as the reaction is neither paused nor suspended.
    :param rest: waits so many seconds, or until somebody is in a hurry.
    """

    free: Callable[[], bool]
    allowed: Callable[[], Awaitable[None]]
    rest: Callable[[float], Awaitable[None]]


class Handover:
    """
    Carries events of one reaction to their ends; may be called side by side.

    Returned: done.  `Retry`, a time-out, a lost connection: again, for ever or until
    `max_age`.  `Reject`: a dead letter.  Anything else: a bug, tried ``retry`` times,
    then a dead letter.

    At most once: the mark is in the ledger, synced, before each attempt.  After it
    only `Retry` says that nothing happened; any other failure, and a mark that is
    found where this life has set none, means *perhaps done*: a dead letter, and
    never again by itself.

    :param wall: the wall clock, in seconds since 1970; stored and compared with
        `received`, never waited for.
    :param ended: told of each event that came to its end, and whether it was done.
    """

    def __init__(
        self,
        reaction: Reaction,
        calls: Calls,
        feed: Feed,
        book: Book,
        clock: IReactorTime,
        wall: Callable[[], float],
        pace: Pace,
        ended: Callable[[Item, bool], None],
    ) -> None:
        self.story = Story()
        self.turns = Turns(reaction.common.concurrency)
        self.breaker = Breaker()
        self._reaction = reaction
        self._calls = calls
        self._feed = feed
        self._book = book
        self._ended = ended
        self._clock = clock
        self._wall = wall
        self._pace = pace
        self._once = reaction.delivery == "at-most-once"
        self.hook = "hikrecv_event" if reaction.common.batch is None and reaction.event else "hikrecv_events"

    async def carry(self, items: list[Item]) -> None:
        """Return when each of *items* has come to its end."""
        trial = _Trial()
        while True:
            if not self._pace.free():
                await self._pace.allowed()
            attempt = self._probe if self.breaker.is_open else self._in_turn
            items, outcome = await attempt(items, trial)
            if outcome is None:
                return
            if isinstance(outcome, Done):
                self._finish(items)
                return
            trial.failed(outcome)
            reason = self._last_word(outcome, trial)
            if reason:
                await self._give_up(items, trial, reason)
                return
            for item in items:
                await self._book.ask("failed", item.seq, item.n, trial.attempts, outcome.reason, self._wall())
            await self._rest(items, trial, outcome)

    def age(self, item: Item) -> float:
        """How many seconds ago it happened, as far as that can be known."""
        event, now = item.event, self._wall()
        return age(event, item.seq, self._feed, now, late=0.0 if item.is_end else lateness(event))

    async def bury(self, item: Item, reason: str, attempts: int) -> None:
        """Make a dead letter of it."""
        event = item.event
        _log.warn(
            "{reaction} gives up {event}: {reason}",
            reaction=self._reaction.name,
            event=event.id,
            reason=reason,
        )
        await self._book.ask("dead", event.id, event.key, item.seq, item.n, reason, attempts, self._wall())
        self._ended(item, False)

    def leave_out(self, item: Item, reason: str) -> None:
        """Not handed over, and for a reason that the operator chose: counted, and done with."""
        self.story.left_out[reason] += 1
        self._ended(item, False)

    async def _probe(self, items: list[Item], trial: _Trial) -> tuple[list[Item], Outcome | None]:
        """One attempt, when a probe is due."""
        await self.breaker.probing.acquire()
        try:
            if due := self.breaker.due_in(self._clock.seconds()):
                await self.wait(due)
            return await self._in_turn(items, trial)
        finally:
            self.breaker.probing.release()

    async def _in_turn(self, items: list[Item], trial: _Trial) -> tuple[list[Item], Outcome | None]:
        """One attempt, when its turn comes, of what is still to be tried then; None when nothing is."""
        await self.turns.take()
        try:
            # Every wait is behind us, so this is how things stand when the hook is called.
            if not self._pace.free():
                await self._pace.allowed()
            if self._reaction.max_age is not None:
                items = await self._still_young(items, trial)
            if self._once and items:
                # The ledger may have kept us waiting.
                items = await self._still_young(await self._marked(items, trial), trial)
            if not items:
                return items, None
            self.story.attempts = trial.attempts = trial.attempts + 1
            events, limit = [item.event for item in items], self._reaction.common.timeout
            outcome = await self._calls.call(self.hook, limit, events, attempt=trial.attempts)
            if isinstance(outcome, Done):
                self.breaker.succeeded()
            else:
                self._note(outcome, items[0], trial)
            return items, outcome
        finally:
            self.turns.give_back()

    async def _still_young(self, items: list[Item], trial: _Trial) -> list[Item]:
        most = self._reaction.max_age
        if most is None:
            return items
        young = []
        for item in items:
            if self.age(item) <= most:
                young.append(item)
            elif trial.attempts:
                await self.bury(item, f"not done within {most:g} s: {trial.reason}", trial.attempts)
            else:
                self.leave_out(item, "too old")
        return young

    async def _marked(self, items: list[Item], trial: _Trial) -> list[Item]:
        mine = []
        for item in items:
            fresh = await self._book.ask("mark", item.event.key, self._wall())
            if fresh or trial.certain:
                mine.append(item)
            elif item.event.duplicate_of is not None:
                self.leave_out(item, "repeated")
            else:
                await self.bury(item, f"{PERHAPS}: it was begun before, and how it ended is not known", 0)
        return mine

    def _note(self, outcome: Again | Refused | Bug, item: Item, trial: _Trial) -> None:
        if not isinstance(outcome, Refused):
            self.breaker.failed(self._clock.seconds())
        self.story.last_error = outcome.reason
        self.story.last_error_at = self._wall()
        if isinstance(outcome, Bug) and trial.attempts == 1:
            _log.error(
                "{reaction} failed at {event}: {reason}\n{trace}",
                reaction=self._reaction.name,
                event=item.event.id,
                reason=outcome.reason,
                trace=outcome.trace,
            )

    def _last_word(self, outcome: Again | Refused | Bug, trial: _Trial) -> str:
        """Why nothing more is tried, or "" when something is."""
        if isinstance(outcome, Refused):
            return outcome.reason
        if self._once and not trial.certain:
            return f"{PERHAPS}: {outcome.reason}"
        return outcome.reason if trial.bugs >= self._reaction.common.retry else ""

    async def _give_up(self, items: list[Item], trial: _Trial, reason: str) -> None:
        self.story.attempts = 0
        if len(items) > 1 and not self._once:
            # One bad event must not take a batch with it; by themselves the others may be done.
            for item in items:
                await self.carry([item])
            return
        for item in items:
            await self.bury(item, reason, trial.attempts)

    async def _rest(self, items: Sequence[Item], trial: _Trial, outcome: Again | Refused | Bug) -> None:
        wait = asked(outcome.after) if isinstance(outcome, Again) else None
        wait = backoff(trial.attempts) if wait is None else wait
        if self._reaction.max_age is not None:
            left = self._reaction.max_age - max(map(self.age, items))
            wait = min(wait, max(left, 0.0) + 0.001)
        await self.wait(wait)

    async def wait(self, seconds: float) -> None:
        """Wait for another attempt, visibly.  :raises Stopping: when there will be none."""
        self.story.retry_at = self._clock.seconds() + seconds
        try:
            await self._pace.rest(seconds)
        finally:
            self.story.retry_at = None

    def _finish(self, items: Sequence[Item]) -> None:
        self.story.attempts = 0
        self.story.done += len(items)
        self.story.last_success = self._wall()
        for item in items:
            self._ended(item, True)


class _Trial(msgspec.Struct):
    """
    How one hand-over went so far.

    :ivar certain: the last attempt ended with `Retry`, so nothing has happened yet.
    """

    attempts: int = 0
    bugs: int = 0
    certain: bool = False
    reason: str = ""

    def failed(self, outcome: Again | Refused | Bug) -> None:
        self.reason = outcome.reason
        self.bugs += isinstance(outcome, Bug)
        self.certain = isinstance(outcome, Again) and outcome.certain

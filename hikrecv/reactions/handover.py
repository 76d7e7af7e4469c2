"""One hand-over: an event, or a batch, from its first attempt to one of its five ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import NamedTuple

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.isapi.event import Event

from .age import Age, Ages
from .backoff import asked, backoff
from .book import Book
from .breaker import Breaker
from .calls import Calls
from .hold_probes import ALONE, EVERY, HoldProbes
from .order import Place
from .outcome import Again, Bug, Done, OnHold, Outcome, Refused
from .reaction import Reaction
from .too_old import TooOld
from .turns import Turns

PERHAPS = "perhaps done"
MOST_AHEAD_TRIED = 100
"""So many different events are tried before their turn while a reaction holds; then the same again."""
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

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.seq, self.n


class Story(msgspec.Struct):
    """
    What a reaction has lived through; times are seconds since 1970.

    :ivar attempts: of the hand-over that is being tried; 0 when none is.
    :ivar retry_at: when the next attempt is due, by the monotonic clock.
    :ivar trace: where the last error came from, when it was a bug.
    :ivar left_out: how many wanted events were not handed over, by reason.
    """

    done: int = 0
    attempts: int = 0
    retry_at: float | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    trace: str = ""
    left_out: Counter[str] = msgspec.field(default_factory=Counter)

    def failed(self, outcome: Again | Refused | OnHold | Bug, at: float) -> None:
        """A call did not succeed."""
        self.last_error, self.last_error_at = outcome.reason, at
        self.trace = outcome.trace if isinstance(outcome, Bug) else ""


class Pace(NamedTuple):
    """
    When a hand-over may go on; the waits raise to end it when the reaction is stopped.

    :param free: whether `allowed` would return at once.
    :param allowed: returns as soon as the reaction is neither paused nor throttled.
    :param rest: waits so many seconds, or until somebody is in a hurry.
    """

    free: Callable[[], bool]
    allowed: Callable[[], Awaitable[None]]
    rest: Callable[[float], Awaitable[None]]


Failed = Again | Refused | OnHold | Bug
Ahead = Callable[[Item, Container[Place]], Awaitable[Item | None]]
"""The next wanted event behind the item; none whose place is in the container."""


class Handover:
    """
    Carries events of one reaction to their ends; may be called side by side.

    Returned: done.  `Retry`, a time-out, a lost connection: again, for ever or until
    `max_age`.  `Reject`: a dead letter.  `Hold`: nothing else is tried, and this now
    and then, see `HoldProbes`.  Anything else: a bug, tried ``retry`` times, then a
    dead letter.

    At most once: the mark is in the ledger, synced, before each attempt.  After it
    only `Retry` and `Hold` say that nothing happened; any other failure, and a mark that is
    found where this life has set none, means *perhaps done*: a dead letter, and
    never again by itself.

    :param wall: the wall clock, in seconds since 1970; stored and compared with
        `received`, never waited for.
    :param ahead: finds what may be tried before its turn, when the event whose turn it is holds.
    :param ages: judges how old events are.
    :param ended: told of each event that came to its end, and whether it was done.
    """

    def __init__(
        self,
        reaction: Reaction,
        calls: Calls,
        book: Book,
        clock: IReactorTime,
        wall: Callable[[], float],
        pace: Pace,
        ahead: Ahead,
        ended: Callable[[Item, bool], None],
        ages: Ages,
    ) -> None:
        self.story = Story()
        self.turns = Turns(reaction.common.concurrency)
        self.breaker = Breaker()
        self.holding = HoldProbes()
        self._reaction = reaction
        self._calls = calls
        self._ages = ages
        self._too_old = TooOld(reaction, clock)
        self._book = book
        self._find_ahead = ahead
        # What was tried before its turn, until its turn comes.
        self._ahead: dict[Place, _Trial] = {}
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
            if self._ahead:
                items = self._unsettled(items, trial)
                if not self.holding.reason and len(items) > 1 and self._any_ahead(items):
                    # What is known of one says nothing about the others.
                    for item in items:
                        await self.carry([item])
                    return
                if not items:
                    return
            if not self._pace.free():
                await self._pace.allowed()
            if self.holding.reason:
                items, outcome = await self._while_it_holds(items, trial)
                if isinstance(outcome, OnHold):
                    continue  # it is over, by another event
            else:
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
            await self._note_failure(items, trial, outcome)
            if isinstance(outcome, OnHold):
                self._begin_to_hold(items[0], outcome)
            else:
                await self._rest(items, trial, outcome)

    def age(self, item: Item) -> Age:
        """How long ago it happened, as far as that can be known."""
        return self._ages.of(item.event, item.seq, self._reaction, made=item.is_end)

    async def bury(self, item: Item, reason: str, attempts: int) -> None:
        """Make a dead letter of it."""
        event = item.event
        _log.warn(
            "{reaction} gives up {event}: {reason}; when the cause is gone: "
            "hikrecv dead-letters retry --reaction {reaction}",
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
            age = self.age(item)
            if age.seconds <= most:
                young.append(item)
            elif trial.attempts:
                await self.bury(item, f"not done within {most:g} s: {trial.reason}", trial.attempts)
            else:
                self.leave_out(item, "too old")
                self._too_old.say(item.event, age, self.story.left_out["too old"])
        return young

    async def _marked(self, items: list[Item], trial: _Trial) -> list[Item]:
        mine = []
        for item in items:
            fresh = await self._book.ask("mark", item.event.key, self._ages.moment())
            if fresh or trial.certain:
                mine.append(item)
            elif item.event.duplicate_of is not None:
                self.leave_out(item, "repeated")
            else:
                await self.bury(item, f"{PERHAPS}: it was begun before, and how it ended is not known", 0)
        return mine

    def _note(self, outcome: Failed, item: Item, trial: _Trial) -> None:
        if isinstance(outcome, Again | Bug):
            self.breaker.failed(self._clock.seconds(), self._reaction.max_age)
        self.story.failed(outcome, self._wall())
        if isinstance(outcome, Bug) and trial.attempts == 1:
            _log.error(
                "{reaction} failed at {event}: {reason}\n{trace}",
                reaction=self._reaction.name,
                event=item.event.id,
                reason=outcome.reason,
                trace=outcome.trace,
            )

    async def _note_failure(self, items: Sequence[Item], trial: _Trial, outcome: Failed) -> None:
        for item in items:
            await self._book.ask("failed", item.seq, item.n, trial.attempts, outcome.reason, self._wall())

    def _last_word(self, outcome: Failed, trial: _Trial) -> str:
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

    async def _rest(self, items: Sequence[Item], trial: _Trial, outcome: Failed) -> None:
        wait = asked(outcome.after) if isinstance(outcome, Again) else None
        wait = backoff(trial.attempts) if wait is None else wait
        await self.wait(min(wait, self._youth(items)))

    def _youth(self, items: Sequence[Item]) -> float:
        """Seconds until the oldest of *items* is too old."""
        if self._reaction.max_age is None:
            return float("inf")
        oldest = max(self.age(item).seconds for item in items)
        return max(self._reaction.max_age - oldest, 0.0) + 0.001

    async def wait(self, seconds: float) -> None:
        """Wait for another attempt, visibly.  :raises Stopping: when there will be none."""
        self.story.retry_at = self._clock.seconds() + seconds
        try:
            await self._pace.rest(seconds)
        finally:
            self.story.retry_at = None

    # -- while it holds ---------------------------------------------------------

    def _begin_to_hold(self, item: Item, outcome: OnHold) -> None:
        if not self.holding.reason:
            _log.error(
                "ALARM: {reaction} holds at {event}: {reason}; it is tried again every {minutes} min, "
                "and at once after: hikrecv reactions resume {reaction}",
                reaction=self._reaction.name,
                event=item.event.id,
                reason=outcome.reason,
                minutes=round(EVERY / 60),
            )
        self.holding.begin(outcome.reason, self._clock.seconds())

    async def _while_it_holds(self, items: list[Item], trial: _Trial) -> tuple[list[Item], Outcome | None]:
        """
        Probe with *items* until something else than `OnHold` comes of it, or the hold is over without them.

        Side by side, one event probes and the others wait here for its end.
        """
        await self.holding.probing.acquire()
        try:
            while self.holding.reason:
                if self._ahead and not (items := self._unsettled(items, trial)):
                    return items, None
                if not (items := await self._until_due(items, trial)):
                    return items, None
                items, outcome = await self._in_turn(items, trial)
                if not isinstance(outcome, OnHold):
                    if outcome is not None:
                        self._go_on()
                    return items, outcome
                if not (items := await self._probed(items, trial, outcome)):
                    return items, None
            return items, OnHold("")
        finally:
            self.holding.probing.release()

    async def _until_due(self, items: list[Item], trial: _Trial) -> list[Item]:
        """Wait for the next probe; what of *items* is not too old then."""
        while items and (due := self.holding.due_in(self._clock.seconds())):
            await self.wait(min(due, self._youth(items)))
            items = await self._still_young(items, trial)
        return items

    async def _probed(self, items: list[Item], trial: _Trial, outcome: OnHold) -> list[Item]:
        """
        A probe was in vain; after some of them another event shows whether it is this one's fault.

        :returns: what of *items* is still to be tried.
        """
        trial.failed(outcome)
        self.holding.again(outcome.reason, self._clock.seconds())
        await self._note_failure(items, trial, outcome)
        _log.warn(
            "{reaction} still holds, {probes} probes were in vain: {reason}",
            reaction=self._reaction.name,
            probes=self.holding.probes,
            reason=outcome.reason,
        )
        if self.holding.probes < ALONE or not await self._try_ahead(items, trial):
            return items
        # One was done, so nobody keeps us out: it is these that are not taken.
        self._go_on()
        if len(items) == 1:
            reason = f"{outcome.reason}; the next event was done, so it is this one that is refused"
            await self.bury(items[0], reason, trial.attempts)
            return []
        for item in items:
            # By itself each of a batch may be done.
            self._ahead.setdefault(item.place, _Trial(trial.attempts, certain=True))
        return items

    async def _try_ahead(self, held: Sequence[Item], trial: _Trial) -> bool:
        """Try another event before its turn: one of the batch that holds, or the next one.  Was it done?"""
        turn = (self.holding.probes - ALONE) % (len(held) + 1)
        one_of_them = len(held) > 1 and turn < len(held) and held[turn].place not in self._ahead
        if len(self._ahead) >= MOST_AHEAD_TRIED:
            self._ahead = {place: each for place, each in self._ahead.items() if each.end is not None}
        item = held[turn] if one_of_them else await self._find_ahead(held[-1], self._ahead)
        if item is None:
            return False
        _log.warn(
            "{reaction} gives up the order for {event}: it is tried before {held}, which holds",
            reaction=self._reaction.name,
            event=item.event.id,
            held=held[0].event.id,
        )
        fresh = _Trial(trial.attempts, certain=True) if one_of_them else _Trial()
        mine = self._ahead.setdefault(item.place, fresh)
        _, outcome = await self._in_turn([item], mine)
        if outcome is None:  # too old, or begun in another life
            mine.end = False
        elif isinstance(outcome, Done):
            await self._book.ask("done", item.seq, item.n, self._wall())
            self._finish([item])
            mine.end = True
        else:
            mine.failed(outcome)
            if reason := self._last_word(outcome, mine):
                await self.bury(item, reason, mine.attempts)
                mine.end = False
        return isinstance(outcome, Done)

    def _unsettled(self, items: list[Item], trial: _Trial) -> list[Item]:
        """What of *items* did not come to its end before its turn."""
        left = []
        for item in items:
            if (mine := self._ahead.get(item.place)) is None or mine.end is None:
                left.append(item)
            else:
                del self._ahead[item.place]
                self._ended(item, mine.end)
        if len(left) == 1 and (mine := self._ahead.pop(left[0].place, None)) is not None:
            trial.attempts, trial.certain = max(trial.attempts, mine.attempts), mine.certain
        return left

    def _any_ahead(self, items: Sequence[Item]) -> bool:
        return any(item.place in self._ahead for item in items)

    def _go_on(self) -> None:
        self.holding.over()
        _log.info("{reaction} does not hold any more", reaction=self._reaction.name)

    def _finish(self, items: Sequence[Item]) -> None:
        self.story.attempts = 0
        self.story.done += len(items)
        self.story.last_success = self._wall()
        for item in items:
            self._ended(item, True)


class _Trial(msgspec.Struct):
    """
    How one hand-over went so far.

    :ivar certain: the last attempt ended with `Retry` or `Hold`, so nothing has happened yet.
    :ivar end: of one that was tried before its turn and has come to its end: was it done?
    """

    attempts: int = 0
    bugs: int = 0
    certain: bool = False
    reason: str = ""
    end: bool | None = None

    def failed(self, outcome: Failed) -> None:
        self.reason = outcome.reason
        self.bugs += isinstance(outcome, Bug)
        self.certain = isinstance(outcome, OnHold) or (isinstance(outcome, Again) and outcome.certain)

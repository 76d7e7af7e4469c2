"""One reaction's events: read past its cursor, filtered, handed over in order, and the cursor moved."""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.errors import JournalError
from hikrecv.isapi.event import Event
from hikrecv.journal.ledger import Place

from .age import Ages
from .backoff import backoff
from .batches import Collecting
from .bell import Bell
from .book import Book, Bookkeeper, Run
from .calls import Calls
from .feed import Feed
from .handover import Handover, Item, Pace, Stopping, Story
from .hold_probes import EVERY
from .intake import Intake
from .order import MOST_AHEAD, Order
from .outcome import Bug, Done, OnHold, Outcome, in_words
from .parallel import Parallel
from .reaction import Reaction
from .slices import branch, weight
from .status import State, Status

MOST_ZOMBIES = 3
"""With more calls that never came back a reaction is suspended."""
LOOKS_AHEAD = 50
"""Slices of the journal that are searched for an event that shows whether the held one is at fault."""
AT_A_STRETCH = 0.02
"""Seconds for which a courier may go on without letting the reactor do something else."""
_log = Logger()


class Courier:
    """
    Carries the events of one reaction.

    A straight line: take what comes next from the feed, leave out what is not
    wanted, hand over, move the cursor.  Whatever goes wrong in it is this
    reaction's alone: the journal is its queue, and others have their own courier.

    :param ledger: as in `Book`; *run* calls its methods in its own thread.
    :param wall: the wall clock in seconds since 1970; only stored and compared.
    :param place: the reaction's page in the ledger.
    :param ages: judges how old events are; by the wall clock alone without it.
    """

    def __init__(
        self,
        reaction: Reaction,
        calls: Calls,
        feed: Feed,
        ledger: Any,
        run: Run,
        clock: IReactorTime,
        wall: Callable[[], float],
        place: Place,
        ages: Ages | None = None,
    ) -> None:
        self.reaction = reaction
        self.calls = calls
        self.ages = Ages(feed, wall) if ages is None else ages
        self.order = Order(place.cursor, place.done)
        self.book = Book(reaction.name, ledger, run, clock)
        pace = Pace(self._free, self._allowed, self._rest)
        self.handover = Handover(
            reaction, calls, self.book, clock, wall, pace, self._ahead_of, self._ended, self.ages
        )
        self.paused = place.paused
        self.throttled = ""
        self._failing = ""
        self._throttle: Any = None
        self.handover.story = Story(
            last_success=place.last_success,
            last_error=place.last_error or "",
            last_error_at=place.last_error_at,
        )
        self._feed = feed
        self._clock = clock
        self._wall = wall
        once = reaction.delivery == "at-most-once"
        self._keeper = Bookkeeper(self.book, self.order, clock, sync=once)
        self._intake = Intake(
            reaction, self.order, feed, self.book, self.handover.story.left_out, wall, self.ages.moment
        )
        rule = reaction.common.batch
        self._batch: Collecting[Item] | None = None if rule is None else Collecting(rule)
        side_by_side = reaction.common.concurrency > 1 and rule is None
        self._parallel = Parallel(self.handover, feed, self._on_failure) if side_by_side else None
        self._straight = rule is None and not side_by_side and reaction.cooldown is None
        self._news = Bell(clock)
        self._nudge = Bell(clock)
        self._breath = Bell(clock)
        self._phase: State = "stopped"
        self._trouble = ""
        self._failure: Exception | None = None
        self._lost = 0
        self._caught_up = False
        self._stretch = clock.seconds()
        self._life: Deferred[None] | None = None

    # -- from outside -------------------------------------------------------

    def start(self) -> None:
        """Begin to carry."""
        self._phase = "starting"
        self._life = Deferred.fromCoroutine(self._live())

    def checked(self, outcome: Outcome) -> None:
        """It was asked for permission, and this is how the call ended."""
        story = self.handover.story
        if isinstance(outcome, Done):
            self._failing = ""
            story.last_success = self._wall()
            return
        if self._failing != outcome.reason:
            _log.error(
                "{reaction} failed when it was asked for permission: {reason}\n{trace}",
                reaction=self.reaction.name,
                reason=outcome.reason,
                trace=outcome.trace if isinstance(outcome, Bug) else "",
            )
        self._failing = outcome.reason
        story.failed(outcome, self._wall())

    @property
    def ready(self) -> bool:
        """May one of its hooks be called now?"""
        return self._free() and self._phase == "working"

    def wake(self) -> None:
        """Something was published.  Most of it nobody wants: that must not cost a turn of the coroutine."""
        if self._caught_up and self._intake.pass_over(self._feed.at_hand(self.order.read_to)):
            self._keeper.moved()
        if self.order.read_to < self._feed.last:
            self._news.ring()
        # In one turn of a busy reactor more can come than the feed remembers; reading it back costs
        # far more than taking it now.
        if self._feed.crowded(self.order.read_to):
            self._breath.ring()

    def pause(self) -> None:
        """Hand over nothing more; an attempt under way is left to end."""
        self.paused = True
        self._nudge.ring()

    def resume(self) -> None:
        """Go on at once, whatever it was waiting for."""
        self.paused = False
        self.handover.holding.hurry()
        self.handover.breaker.hurry()
        self._lift_throttle()

    def throttle(self, seconds: float, reason: str) -> None:
        """Hand over nothing for so long; then it goes on by itself."""
        self._lift_throttle()
        self.throttled = reason
        self._throttle = self._clock.callLater(seconds, self._lift_throttle)

    def _lift_throttle(self) -> None:
        self.throttled = ""
        if self._throttle is not None and self._throttle.active():
            self._throttle.cancel()
        self._throttle = None
        self._nudge.ring()

    async def stop(self, bound: float) -> None:
        """
        Hand over nothing more, call `hikrecv_stop`, and write the cursor down, in *bound* seconds.

        An attempt under way has half of them; then it is given up.
        """
        began = self._phase == "working"
        self._phase = "stopping"
        self._lift_throttle()
        self._nudge.ring()
        self._news.ring()
        if not await self._within(bound / 2, self._ending()):
            self._end()
        if began and "hikrecv_stop" in self.reaction.hooks:
            await self.calls.call("hikrecv_stop", min(bound / 4, self.reaction.common.timeout))
        await self._within(bound / 4, self._keeper.flush())
        self._keeper.close()
        self.calls.close()
        self._phase = "stopped"

    def status(self, **more: Any) -> Status:
        """What there is to see; *more* is what others know of it."""
        story, now = self.handover.story, self._clock.seconds()
        state, reason = self._state()
        return Status(
            name=self.reaction.name,
            plugin=self.reaction.plugin.name,
            state=state,
            reason=reason,
            position=self.order.cursor,
            lag_events=self._behind() if self.reaction.carries else 0,
            lag_seconds=self._lag() if self.reaction.carries else 0.0,
            done=story.done,
            attempts=story.attempts,
            retry_in=None if story.retry_at is None else max(0.0, story.retry_at - now),
            last_success=story.last_success,
            last_error=story.last_error,
            last_error_at=story.last_error_at,
            trace=story.trace,
            left_out=dict(story.left_out),
            lost=self._lost,
            zombies=self.calls.zombies,
            **more,
        )

    # -- the straight line --------------------------------------------------

    async def _live(self) -> None:
        failures, reached = 0, self.order.read_to
        while True:
            try:
                await self._prepare()
                await self._intake.prepare()
                await self._carry_on()
            except (Stopping, CancelledError):
                return
            except JournalError as error:
                self._trouble = f"the journal cannot be read: {in_words(error, named=False)}"
                _log.error("{reaction} waits: {reason}", reaction=self.reaction.name, reason=self._trouble)
            except Exception as error:
                self._trouble = f"the courier itself failed: {in_words(error)}"
                _log.failure("the courier of {reaction} failed", reaction=self.reaction.name)
            failures = failures + 1 if self.order.read_to == reached else 1
            self._start_over()
            reached = self.order.read_to
            try:
                await self._rest(backoff(failures))
            except (Stopping, CancelledError):
                return

    async def _prepare(self) -> None:
        """Call `hikrecv_start` until it succeeds, once in a courier's life."""
        failures = 0
        while self._phase == "starting":
            await self._allowed()
            if "hikrecv_start" not in self.reaction.hooks:
                break
            outcome = await self.calls.call("hikrecv_start", self.reaction.common.timeout)
            if isinstance(outcome, Done):
                break
            failures += 1
            self._trouble = f"hikrecv_start failed: {outcome.reason}"
            self.handover.story.failed(outcome, self._wall())
            _log.warn("{reaction}: {reason}", reaction=self.reaction.name, reason=self._trouble)
            if isinstance(outcome, OnHold):
                self.handover.holding.begin(outcome.reason, self._clock.seconds())
                self._trouble = ""
            await self._rest(EVERY if isinstance(outcome, OnHold) else backoff(failures))
        self._trouble = ""
        self.handover.holding.over()
        self._phase = "working"

    async def _carry_on(self) -> None:
        while True:
            await self._allowed()
            if self._failure is not None:
                raise self._failure
            if not self.reaction.carries:
                # It answers remote checks; only its beginning and its end are ours.
                await self._nudge.wait()
                continue
            if self._parallel is not None and self.order.ahead >= MOST_AHEAD:
                await self._news.wait()
                continue
            self._count_lost()
            pushes = await self._feed.after(self.order.read_to)
            self._trouble = ""
            for seq, events in pushes:
                await self._take(seq, events)
            # Only after a look that found nothing, and no wait since, is there nothing to miss by waiting.
            if not await self._hand_over_due() and not pushes:
                await self._wait_for_news()

    async def _take(self, seq: int, events: tuple[Event, ...]) -> None:
        items = self._intake.wanted(seq, events)
        if items:
            self.order.read(seq, [item.n for item in items], events[0].received.timestamp())
        else:
            self.order.read(seq)
            self._keeper.moved()
        for item in items:
            if self._straight:
                await self.handover.carry([item])
            else:
                await self._hand(item)
        if self._clock.seconds() - self._stretch > AT_A_STRETCH:
            await self._breath.wait(0.0)
            self._stretch = self._clock.seconds()

    async def _hand(self, item: Item) -> None:
        if await self._intake.holds_back(item):
            self.handover.leave_out(item, "cooling down")
        elif self._batch is not None:
            self._batch.add(item, weight((item.event,)), self._clock.seconds())
            if self._batch.full:
                await self.handover.carry(self._batch.take())
        elif self._parallel is not None:
            self._parallel.put(item)
        else:
            await self.handover.carry([item])

    async def _hand_over_due(self) -> bool:
        """Hand over what waited long enough; False when nothing did."""
        if self._batch is not None and self._batch.due_in(self._clock.seconds()) == 0:
            await self.handover.carry(self._batch.take())
            return True
        ends = self._intake.due()
        for item in ends:
            await self._hand(item)
        return bool(ends)

    async def _wait_for_news(self) -> None:
        batch = None if self._batch is None else self._batch.due_in(self._clock.seconds())
        dues = [due for due in (batch, self._intake.due_in()) if due is not None]
        self._caught_up = True
        try:
            await self._news.wait(min(dues, default=None))
        finally:
            self._caught_up = False
        self._stretch = self._clock.seconds()

    async def _ahead_of(self, held: Item, taken: Container[tuple[int, int]]) -> Item | None:
        """The next event behind *held* that may be handed over before its turn; none of *taken*."""
        read_to = held.seq - 1
        for _ in range(LOOKS_AHEAD):
            pushes = await self._feed.after(read_to)
            for seq, events in pushes:
                for event in events:
                    place = (seq, event.n)
                    behind = place > held.place and place not in taken
                    # Beside or before the held one something may be done already.
                    if (
                        behind
                        and place not in self.order.beyond
                        and await self._intake.may_go_ahead(seq, event)
                    ):
                        return Item(seq, event.n, event)
            if not pushes:
                break
            read_to = pushes[-1][0]
        return None

    # -- what became of them --------------------------------------------------

    def _count_lost(self) -> None:
        """Retention went past us: what is gone is gone, but never silently."""
        first = self._feed.first
        if first - 1 <= self.order.read_to:
            return
        gone = self._feed.kept(self.order.read_to + 1, first - 1)
        self.order.read(first - 1)
        if gone:
            self._lost += gone
            _log.error(
                "{reaction} has lost {count} pushes: the journal gave them up before it had read them; "
                "it goes on at {seq}",
                reaction=self.reaction.name,
                count=gone,
                seq=first,
            )

    def _ended(self, item: Item, done: bool) -> None:
        self._keeper.finish(item.seq, item.n, self.handover.story.last_success if done else None)
        if self.reaction.cooldown is not None:
            Deferred.fromCoroutine(self._intake.ended(item, done)).addErrback(
                lambda failure: failure.trap(CancelledError) and None
            )
        if self._parallel is not None:
            self._news.ring()

    def _on_failure(self, error: Exception) -> None:
        """Beside the straight line something of ours went wrong: go back to the cursor."""
        self._failure = error
        self._news.ring()

    def _start_over(self) -> None:
        """Forget what is in hand; it is read again from the cursor."""
        self._failure = None
        if self._parallel is not None:
            self._parallel.cancel()
        if self._batch is not None:
            self._batch.take()
        self.order.again()

    # -- when it may go on ----------------------------------------------------

    def _free(self) -> bool:
        """Would `_allowed` return at once?"""
        held = self.paused or self.throttled or self._phase == "stopping"
        return not held and self.calls.zombies <= MOST_ZOMBIES

    async def _allowed(self) -> None:
        while not self._free():
            if self._phase == "stopping":
                raise Stopping
            await self._nudge.wait(1.0 if self.calls.zombies > MOST_ZOMBIES else None)

    async def _rest(self, seconds: float) -> None:
        if self._phase != "stopping":
            await self._nudge.wait(seconds)
        if self._phase == "stopping":
            raise Stopping

    async def _ending(self) -> None:
        """Return when nothing is under way any more."""
        if self._life is not None:
            await branch(self._life)
        if self._parallel is not None:
            await self._parallel.idle()

    def _end(self) -> None:
        if self._life is not None:
            self._life.cancel()
        if self._parallel is not None:
            self._parallel.cancel()

    async def _within(self, seconds: float, work: Coroutine[Any, Any, None]) -> bool:
        """Did *work* end in time?  It is not ended by us."""
        try:
            await branch(Deferred.fromCoroutine(work)).addTimeout(seconds, self._clock)
        except TimeoutError:
            return False
        return True

    # -- what there is to see ---------------------------------------------------

    def _state(self) -> tuple[State, str]:
        story = self.handover.story
        if self._phase in ("stopping", "stopped"):
            return self._phase, ""
        if self.paused:
            return "paused", "by the operator"
        if self.throttled:
            return "throttled", self.throttled
        if self.calls.zombies > MOST_ZOMBIES:
            return "suspended", f"{self.calls.zombies} calls were given up and never came back"
        if self.book.trouble or self._trouble:
            return "blocked", self.book.trouble or self._trouble
        if self.handover.holding.reason:
            return "holding", self.handover.holding.reason
        if self._phase == "starting":
            return "starting", ""
        if story.retry_at is not None:
            return "probing" if self.handover.breaker.is_open else "retrying", story.last_error
        if self._failing:
            return "failing", self._failing
        idle = self._caught_up or not self.reaction.carries
        return "waiting" if idle else "working", ""

    def _behind(self) -> int:
        """Pushes that are kept and not done."""
        return self._feed.kept(max(self.order.cursor + 1, self._feed.first), self._feed.last)

    def _lag(self) -> float:
        if self.order.cursor >= self._feed.last:
            return 0.0
        oldest = self.order.oldest
        known = 0.0 if oldest is None else self._wall() - oldest
        return max(known, self._feed.age(self.order.cursor + 1), 0.0)

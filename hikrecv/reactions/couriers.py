"""Owns the couriers: begins, wakes, stops and exchanges them, and keeps the ledger written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.errors import LedgerBusy, LedgerError
from hikrecv.journal.holds import beginning
from hikrecv.journal.ledger import Place

from .age import Ages
from .book import Run, share_of
from .calls import Calls
from .courier import Courier
from .feed import Feed
from .outcome import in_words
from .reaction import Reaction
from .status import State, Status
from .watchdog import Lookout, Slot

UPKEEP = 1.0
"""Seconds at most between two commits of what the ledger has grouped."""
EARLY = 0.01
"""The same at least; in between it is the `SHARE` of the life so far."""
PRUNE = 3_600.0
STOP = 10.0
"""Seconds that a courier has to stop when it is changed, rewound or removed."""
LOSING = 1.0
"""The same when the ledger is lost: there is nothing to write down."""
CURE = "say where it goes on: hikrecv reactions rewind NAME --to now|SEQ"
LOST = f"the ledger is lost, so nobody knows what this reaction has done; {CURE}"
BEYOND = f"its place is beyond the end of the journal, which is another one then; {CURE}"
UNKNOWN = f"nobody knows where it began, since journal/holds could not be read; {CURE}"
MOST_UNTOLD = 8
"""Pushes of one turn of the reactor after which the couriers are woken in the midst of it."""
_NOWHERE: Mapping[str, int] = MappingProxyType({})
_log = Logger()


class Couriers:
    """
    The reactions of a receiver at work.

    Every courier has its own place, thread and troubles; what is here costs all of
    them and therefore does little.  Operators' requests are carried out one after
    the other.

    :param ledger: the open ledger, or None when it is lost: then nobody is given
        anything until `Dispatch.rewind` says where to go on.
    :param run: calls a function in the ledger's thread: ``run(ledger.mark, name, key, at)``.
    :param wall: the wall clock in seconds since 1970; only stored and compared.
    :param calls: makes the way to a reaction's hooks (`hikrecv.reactions.calls.Workplace`).
    :param slot: the one that the calls write; its watchdog is started and stopped here.
    :param anew: makes a new ledger in which the named reactions have no place, in the
        ledger's thread (``partial(Ledger.anew, path)``).
    :param reopen: opens the ledger, in its thread, if it could not be used when this was made
        (*ledger* is None) though it is not lost; called until it does not raise `LedgerBusy`.
    :param keep_marks: seconds for which the journal keeps events, and marks are kept at least.
    :param ages: judges how old events are, and by which clock the ledger forgets.
    :ivar ledger: the one in use; None as long as it is lost.
    :ivar committed: up to which seq each reaction needs the journal no more, as the ledger has it on disk.
    """

    def __init__(
        self,
        feed: Feed,
        ledger: Any,
        run: Run,
        clock: IReactorTime,
        wall: Callable[[], float],
        calls: Callable[[Reaction], Calls],
        slot: Slot,
        *,
        anew: Callable[[Iterable[str]], Any] | None = None,
        reopen: Callable[[], Any] | None = None,
        keep_marks: float = 0.0,
        ages: Ages | None = None,
    ) -> None:
        self._feed = feed
        self.ledger = ledger
        self._run = run
        self._clock = clock
        self._wall = wall
        self._calls = calls
        self._anew, self._reopen = anew, reopen
        self._ledger_error = LOST
        self._keep_marks = keep_marks
        self.ages = Ages(feed, wall) if ages is None else ages
        self._reactions: dict[str, Reaction] = {}
        self._couriers: dict[str, Courier] = {}
        self._unplaced: dict[str, str] = {}
        # Those of them that wait for the ledger and for nobody else, and where they would begin.
        self._waiting: dict[str, tuple[int | None, int]] = {}
        # Where those were that have no courier at this moment: being exchanged is no reason to lose events.
        self._held: dict[str, int] = {}
        self._dead: dict[str, int] = {}
        self._lookout = Lookout(slot, clock.seconds, self._throttle)
        self._one_by_one = DeferredLock()
        self._upkeep: Any = None
        self._waking: Any = None
        self._untold = 0
        self._began = clock.seconds()
        self._pruned = float("-inf")
        self._stopped = False
        self.committed: dict[str, int] = {}

    # -- life ---------------------------------------------------------------

    async def start(self, reactions: Mapping[str, Reaction], begins: Mapping[str, int] = _NOWHERE) -> None:
        """
        Begin with *reactions*, each where it was, a new one where its `from` says.

        :param begins: the first seq of those that have no place in the ledger, decided before anything
            was acknowledged for them; 0 when nobody knows, then the operator has to say.
        """
        self._began = self._clock.seconds()
        self._lookout.start()
        self._feed.changed.append(self.wake)
        if self._reopen is not None:
            await self._open(self._reopen)
        await self._one_by_one.run(self._exchange, reactions, begins, everything=True, now=self._feed.last)
        self._look_after()

    async def stop(self, bound: float) -> None:
        """Stop all couriers side by side and write everything down, in *bound* seconds at most."""
        self._stopped = True
        if self.wake in self._feed.changed:
            self._feed.changed.remove(self.wake)
        for timer in (self._upkeep, self._waking):
            if timer is not None and timer.active():
                timer.cancel()
        self._lookout.stop()
        work = Deferred.fromCoroutine(self._stop_all(list(self._couriers), bound))
        await work.addTimeout(bound, self._clock).addErrback(_log_failure, "stopping the reactions")
        if self.ledger is not None:
            await self._run(self.ledger.commit).addErrback(_log_failure, "the last commit of the ledger")

    def wake(self) -> None:
        """
        Something was published: wake the couriers, but not before the reactor's next turn.

        What is to be answered now is answered first, and many pushes wake once; but
        not so many that the feed has forgotten the first of them by then.
        """
        self._untold += 1
        if self._waking is None:
            self._waking = self._clock.callLater(0, self._wake_all)
        elif self._untold >= MOST_UNTOLD:
            self._waking.cancel()
            self._wake_all()

    def _wake_all(self) -> None:
        self._waking, self._untold = None, 0
        for courier in tuple(self._couriers.values()):
            try:
                courier.wake()
            except Exception:
                _log.failure("waking {reaction} failed", reaction=courier.reaction.name)

    async def reload(
        self,
        reactions: Mapping[str, Reaction],
        begins: Mapping[str, int] = _NOWHERE,
        *,
        everything: bool = False,
    ) -> None:
        """
        Go on with *reactions*: what is new begins, what is gone stops, what changed goes on where it was.

        :param begins: as for :meth:`start`.
        :param everything: exchange also those whose tables are the same: something changed
            that all of them use, such as ``[devices]``.
        """
        await self._one_by_one.run(
            self._exchange, reactions, begins, everything=everything, now=self._feed.last
        )

    def courier(self, name: str) -> Courier | None:
        """The courier of a reaction that has its place."""
        return self._couriers.get(name)

    # -- what there is to see -----------------------------------------------

    def status(self) -> list[Status]:
        """One row a reaction, in the order of the configuration."""
        return [self._row(name, reaction) for name, reaction in self._reactions.items()]

    def holds(self) -> dict[str, int]:
        """Up to which seq each reaction that has its place needs the journal no more."""
        carrying = ((name, courier) for name, courier in self._couriers.items() if courier.reaction.carries)
        return self._held | {name: courier.order.cursor for name, courier in carrying}

    # -- inside: exchanging couriers -------------------------------------------

    async def _exchange(
        self, reactions: Mapping[str, Reaction], begins: Mapping[str, int], *, everything: bool, now: int
    ) -> None:
        """*now* is the newest push when this was asked for: what comes meanwhile a new reaction gets, too."""
        old = self._reactions
        # At the start they are to be seen before they have their places.
        self._reactions = old or dict(reactions)
        places = await self._places()
        self._reactions = dict(reactions)
        same = set() if everything else {name for name in old if _same(old[name], reactions.get(name))}
        # A reaction that has not changed keeps the instance that is running.
        self._reactions.update({name: old[name] for name in same})
        await self._stop_all([name for name in self._couriers if name not in same], STOP)
        for name in places.keys() - reactions.keys():
            if places[name].removed_at is None:
                await self._run(self.ledger.removed, name, self.ages.moment())
        for name in (name for name in reactions if name not in same):
            try:
                await self._begin(name, begins.get(name), now)
            except LedgerError as error:
                self._wait(name, begins.get(name), now, error)
        self._waiting = {name: then for name, then in self._waiting.items() if name in reactions}
        self._unplaced = {name: why for name, why in self._unplaced.items() if name in reactions}
        self._held = {name: cursor for name, cursor in self._held.items() if name in self._unplaced}

    async def _places(self) -> dict[str, Place]:
        if self.ledger is None:
            return {}
        try:
            displaced: Sequence[str] = await self._run(self.ledger.displaced, self._feed.last)
            self._unplaced.update(dict.fromkeys(displaced, BEYOND))
            await self._count_dead()
            places: dict[str, Place] = await self._run(self.ledger.places)
        except LedgerError as error:
            # Each reaction will hear it again, and wait.
            _log.error("the reactions wait: {reason}", reason=error)
            return {}
        return places

    async def _begin(self, name: str, begins: int | None, now: int) -> None:
        """Give the reaction its courier, if anybody knows where it was, or that it is new."""
        if self._stopped:
            return
        reaction = self._reactions[name]
        place = await self._place(reaction, begins, now)
        if not place.placed:
            self._unplaced.setdefault(name, self._ledger_error)
            _log.error("{reaction} waits: {reason}", reaction=name, reason=self._unplaced[name])
            return
        self._unplaced.pop(name, None)
        self._waiting.pop(name, None)
        courier = Courier(
            reaction,
            self._calls(reaction),
            self._feed,
            self.ledger,
            self._run,
            self._clock,
            self._wall,
            place,
            self.ages,
        )
        self._couriers[name] = courier
        courier.start()

    def _wait(self, name: str, begins: int | None, now: int, error: LedgerError) -> None:
        """It has no courier before the ledger can be used; *begins* and *now* are for one that is new."""
        if isinstance(error, LedgerBusy):
            self._waiting[name] = begins, now
        if self._unplaced.get(name) != str(error):
            _log.error("{reaction} waits: {reason}", reaction=name, reason=error)
        self._unplaced[name] = str(error)

    async def _place(self, reaction: Reaction, begins: int | None, now: int) -> Place:
        if not reaction.carries:
            return Place(cursor=self._feed.last)
        if self._reopen is not None:
            raise LedgerBusy(self._ledger_error)
        if self.ledger is None:
            return Place(cursor=0, placed=False)
        name, start = reaction.name, reaction.common.start
        if begins is None:
            begins = now + 1 if start == "now" else self._cursor(start) + 1
        if begins:
            await self._run(self.ledger.add, name, begins - 1)
        elif name not in await self._run(self.ledger.places):
            self._unplaced[name] = UNKNOWN
            return Place(cursor=0, placed=False)
        await self._run(self.ledger.returned, name)
        places: dict[str, Place] = await self._run(self.ledger.places)
        return places[name]

    async def _stop_all(self, names: Iterable[str], bound: float) -> None:
        names = list(names)
        self._held |= {name: cursor for name, cursor in self.holds().items() if name in names}
        stopping = [Deferred.fromCoroutine(self._couriers.pop(name).stop(bound)) for name in names]
        for each in stopping:
            each.addErrback(_log_failure, "stopping a reaction")
        await DeferredList(stopping)

    # -- inside: looking after them ----------------------------------------------

    def _look_after(self) -> None:
        work = Deferred.fromCoroutine(self._keep_up())
        work.addErrback(_log_failure, "the upkeep of the ledger")
        work.addBoth(lambda _: self._plan_upkeep())

    def _plan_upkeep(self) -> None:
        if not self._stopped:
            wait = share_of(self._clock.seconds() - self._began, EARLY, UPKEEP)
            self._upkeep = self._clock.callLater(wait, self._look_after)

    async def _keep_up(self) -> None:
        if self._reopen is not None:
            await self._open(self._reopen)
        if self.ledger is None:
            return
        try:
            self.committed, self._dead = await self._run(self._commit)
            await self.ages.keep(partial(self._run, self.ledger.keep_clocks))
        except LedgerBusy as error:
            self._tell(str(error))
            return
        except LedgerError as error:
            await self._one_by_one.run(self._lose, str(error))
            return
        self._tell("")
        if self._waiting:
            await self._one_by_one.run(self._begin_waiting)
        if self._clock.seconds() - self._pruned >= PRUNE:
            self._pruned = self._clock.seconds()
            for name in await self._run(self._prune):
                _log.info("forgot {reaction}, which is not in the configuration any more", reaction=name)

    async def _open(self, reopen: Callable[[], Any]) -> None:
        try:
            self.ledger = await self._run(reopen)
            self.ages.opened(await self._run(self.ledger.clocks), await self._run(self.ledger.newest))
            self._reopen = None
        except LedgerBusy as error:
            self._tell(str(error))
        except LedgerError as error:
            await self._one_by_one.run(self._lose, str(error))

    def _commit(self) -> tuple[dict[str, int], dict[str, int]]:
        """In the ledger's thread."""
        self.ledger.commit()
        self.ledger.check()
        places: dict[str, Place] = self.ledger.places()
        held = {name: place.holds for name, place in places.items() if place.holds is not None}
        return held, self.ledger.dead_counts()

    def _tell(self, error: str) -> None:
        """Say once that the ledger cannot be used, and once that it can again."""
        if error and error != self._ledger_error:
            _log.error("{error}; it is tried again", error=error)
        elif not error and self._ledger_error != LOST:
            _log.info("the ledger can be used again")
        self._ledger_error = error or LOST

    async def _begin_waiting(self) -> None:
        for name, (begins, now) in list(self._waiting.items()):
            try:
                await self._begin(name, begins, now)
            except LedgerError as error:
                self._wait(name, begins, now, error)

    async def _lose(self, reason: str) -> None:
        """Nobody knows what was done: nothing is handed over until an operator says where to go on."""
        _log.critical("ALARM: {reason}; the reactions wait, events are received and kept", reason=reason)
        self._ledger_error, self._reopen = reason, None
        names = [name for name, reaction in self._reactions.items() if reaction.carries]
        self._unplaced.update(dict.fromkeys(names, reason))
        self._waiting.clear()
        await self._stop_all([name for name in names if name in self._couriers], LOSING)
        self.ledger = None

    def _prune(self) -> Iterable[str]:
        names: Iterable[str] = self.ledger.prune(self.ages.moment(), keep=self._keep_marks)
        return names

    async def _count_dead(self) -> None:
        self._dead = await self._run(self.ledger.dead_counts)

    def _throttle(self, name: str, seconds: float, reason: str) -> None:
        """An enricher has no courier; it has a breaker of its own."""
        if (courier := self._couriers.get(name)) is not None:
            courier.throttle(seconds, reason)
            _log.error("{reaction} is throttled: {reason}", reaction=name, reason=reason)

    def _row(self, name: str, reaction: Reaction) -> Status:
        times, longest = self._lookout.seen(name)
        seen: dict[str, Any] = {"dead": self._dead.get(name, 0), "kept": times, "kept_longest": longest}
        if (courier := self._couriers.get(name)) is not None:
            return courier.status(**seen)
        reason = self._unplaced.get(name, "")
        # What waits for the ledger alone goes on by itself; the others need an operator.
        state: State = "blocked" if name in self._waiting else "unplaced" if reason else "stopped"
        return Status(name=name, plugin=reaction.plugin.name, state=state, reason=reason, **seen)

    def _cursor(self, to: str | int) -> int:
        return beginning(to, first=self._feed.first, last=self._feed.last) - 1


def _same(old: Reaction, new: Reaction | None) -> bool:
    """Would *new* behave as *old* does?"""
    return (
        new is not None
        and old.common == new.common
        and old.context.settings == new.context.settings
        and old.plugin.subject is new.plugin.subject
    )


def _log_failure(failure: Any, what: str) -> None:
    if not failure.check(CancelledError):
        _log.error("{what} failed: {reason}", what=what, reason=in_words(failure.value))

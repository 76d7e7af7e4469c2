"""Looking back without a receiver: events for rules, history for one reaction, and nothing else moves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater

from .archive import Archive
from .assembly import Tools, check
from .clock import trusted_clocks
from .config import Config
from .errors import HikrecvError
from .isapi.event import Event
from .journal.ledger import DeadLetter, Ledger, Place
from .journal.steady import SteadyClock
from .push import Push
from .reactions.age import Ages
from .reactions.calls import Workplace
from .reactions.courier import Courier
from .reactions.enrich import Enrichment
from .reactions.feed import Feed
from .reactions.isolate import isolation
from .reactions.reaction import Reaction
from .reactions.replay import Line, Replay, knows_dry_runs
from .reactions.watchdog import Slot
from .state import State

STOP = 10.0
LOOK = 0.05


class Offline:
    """
    A journal and a configuration, put together for looking back.

    Events are decoded and enriched as the configuration says.  Nothing in the state
    directory is changed, but for the marks of what must not be repeated.

    :param folder: where the configuration lies.
    :raises ConfigErrors: when something in it is wrong.
    """

    def __init__(self, state: State, config: Config, folder: Path, reactor: Any) -> None:
        tools = Tools(state, config, reactor)
        tools.read = self._push
        self._reactor, self._state = reactor, state
        self._parts = check(config, tools, folder=folder)
        self._archive = Archive(state, config, self._parts.decoders)
        journal = self._archive.journal
        isolated = isolation(reactor, lambda: config, folder=folder, state_dir=state.root)
        self.calls = Workplace(reactor, reactor.callFromThread, Slot(), isolated)
        self._feed = Feed(
            self._archive.events,
            maybeDeferred,
            reactor,
            last=journal.last,
            first=lambda: journal.first,
            enrichment=Enrichment(self._parts.enrichers, self.calls.attempts, reactor.seconds),
        )

    async def _push(self, seq: int) -> Push:
        return self._archive.push(seq)

    def reaction(self, name: str) -> Reaction:
        """The reaction of that name.  :raises HikrecvError: when the configuration has none."""
        try:
            return self._parts.reactions[name]
        except KeyError:
            known = ", ".join(self._parts.reactions) or "none; name the file with --config"
            raise HikrecvError(
                f"there is no reaction {name} in the configuration; there are: {known}"
            ) from None

    async def events(self, start: int, stop: int | None = None) -> AsyncIterator[tuple[float, Event]]:
        """Every event from the push *start* to *stop*, each with the share that is behind it."""
        first, last = max(start, self._feed.first), min(stop or self._feed.last, self._feed.last)
        behind = first - 1
        while behind < last and (pushes := await self._feed.after(behind)):
            for seq, events in pushes:
                for event in events if seq <= last else ():
                    yield (seq - first + 1) / (last - first + 1), event
            behind = pushes[-1][0]

    async def replay(
        self, name: str, start: int, stop: int | None, *, dry_run: bool, act: bool
    ) -> AsyncIterator[Line]:
        """As :meth:`hikrecv.reactions.dispatch.Dispatch.replay`; the lock has to be held."""
        async with self._courier(name, dry_run=dry_run) as courier:
            replay = Replay(courier, self._feed, self._reactor, dry_run=dry_run, act=act)
            async for line in replay.over(start, self._feed.last if stop is None else stop):
                yield line

    async def retry(
        self, name: str, letters: Iterable[DeadLetter], *, act: bool
    ) -> AsyncIterator[tuple[DeadLetter, Line]]:
        """Hand the events of dead letters of the reaction *name* over once more; the lock has to be held."""
        async with self._courier(name, dry_run=False) as courier:
            replay = Replay(courier, self._feed, self._reactor, act=act)
            for letter in letters:
                yield letter, await replay.letter(letter)

    @asynccontextmanager
    async def _courier(self, name: str, *, dry_run: bool) -> AsyncIterator[Courier]:
        """A courier that has nothing to carry; it is started when a hook may be called."""
        reaction = self.reaction(name)
        careful = reaction.careful
        with _book(self._state, careful and not dry_run) as ledger:
            last = self._feed.last
            ages = Ages(
                self._feed,
                time.time,
                trusted=trusted_clocks(self._parts.config, ledger.real),
                steady=SteadyClock(self._state.steady),
            )
            ledger.add(name, last)
            courier = Courier(
                reaction,
                self.calls(reaction),
                self._feed,
                ledger,
                maybeDeferred,
                self._reactor,
                time.time,
                Place(cursor=last),
                ages,
            )
            try:
                if not dry_run or knows_dry_runs(reaction.plugin.subject):
                    await self._begin(courier)
                yield courier
            finally:
                await courier.stop(STOP)

    async def _begin(self, courier: Courier) -> None:
        courier.start()
        while not courier.ready:
            status = courier.status()
            if status.reason:
                raise HikrecvError(f"{status.name} cannot begin: {status.reason}")
            await deferLater(self._reactor, LOOK)


class _Aside:
    """A ledger that is forgotten, but for the marks: what must not be repeated is known for ever."""

    def __init__(self, real: Ledger | None) -> None:
        self._forgotten = Ledger.open(":memory:")
        self.real = real
        self.mark = (real or self._forgotten).mark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forgotten, name)

    def __enter__(self) -> _Aside:
        return self

    def __exit__(self, *_: object) -> None:
        for ledger in filter(None, (self.real, self._forgotten)):
            ledger.close()


def _book(state: State, marks: bool) -> _Aside:
    """:raises LedgerError: when marks are to be kept and the ledger is lost."""
    return _Aside(Ledger.open(state.ledger, expected=True) if marks else None)

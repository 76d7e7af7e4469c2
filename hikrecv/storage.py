"""What is kept, opened together: journal, index, ledger, and the threads in which the last two live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from .config import Config
from .errors import (
    Gone,
    IndexBroken,
    JournalBroken,
    JournalError,
    LedgerBusy,
    LedgerError,
    StateError,
    StateTooNew,
)
from .history import Decodes, Interpreter, Told, read_back
from .holding import Holding
from .indexing import Indexer
from .journal.database import usable
from .journal.fact import WINDOW
from .journal.holds import Named, read_holds
from .journal.index import Index
from .journal.journal import Journal
from .journal.ledger import Ledger
from .journal.record import Entry
from .journal.state import Layout
from .journal.steady import SteadyClock
from .journal.store import Store
from .journal.verify import look_over
from .push import Push
from .reactions.reaction import Reaction
from .state import State

UNKNOWN = 512
"""Pushes that are decoded at start when the index cannot tell what came before."""
PATIENCE = 1.0
"""Seconds that a thread gets to end."""
_log = Logger()


class Storage:
    """
    An open state directory; the caller holds its lock.

    The ledger and the index are used in one thread each, through `in_ledger` and
    `in_index`: the reactor never waits for SQLite.

    :param on_broken: called when a write or a sync of the journal failed.
    :raises StateError: when the directory cannot be used.
    """

    def __init__(
        self, state: State, config: Config, reactor: Any, on_broken: Callable[[JournalBroken], object]
    ) -> None:
        self._state, self._reactor = state, reactor
        self._pools = [ThreadPool(0, 1, name) for name in ("hikrecv ledger", "hikrecv index")]
        for pool in self._pools:
            # The interpreter must not wait at its end for a thread that waits for a disk.
            pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._ending = False
        self.ledger, self.reopen_ledger = self._open_ledger()
        self.steady = SteadyClock(state.steady)
        if self.ledger is not None:
            self.steady.at_least(self.ledger.newest())
        self._first_index = _open_index(state)
        store = Store()
        found = read_holds(store, Layout(state.root))
        self.journal = Journal.open(
            state.root,
            config.journal,
            from_thread=reactor.callFromThread,
            on_broken=on_broken,
            on_damage=partial(reactor.callFromThread, _alarm),
            steady=self.steady,
            acknowledged=max(
                self._first_index.last_seq, _highest(self.ledger), 0 if found is None else found.acknowledged
            ),
            zeroed=bool(config.privacy.mask),
        )
        self.holding = Holding(state.root, self.journal, found, self.in_ledger, reactor.seconds, store=store)
        _report(self.journal)
        self._first_index = self._fitting(self._first_index)

    def hold(self, reactions: Mapping[str, Reaction]) -> dict[str, int]:
        """
        Have it on disk what the journal holds for *reactions*, and where the new ones begin.

        To be called before anything can be acknowledged.

        :returns: see `Holding.begin`.
        :raises StateError: when it cannot be written.
        """
        places = None if self.ledger is None else self.ledger.places()
        return self.holding.begin(named(reactions), places)

    def start(self) -> None:
        """Start the threads, and look the journal over in one of them."""
        for pool in self._pools:
            pool.start()
        self.save_clock()
        self.in_index(self._look_over).addErrback(
            lambda failure: _log.failure("the journal could not be looked over", failure)
        )

    def _look_over(self) -> None:
        with suppress(Gone):
            for damaged in look_over(self.journal.view()):
                self.journal.damages(damaged)

    def in_ledger(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Call *function* in the ledger's thread."""
        return deferToThreadPool(self._reactor, self._pools[0], function, *arguments)

    def in_index(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Call *function* in the index's thread, where reading back happens too."""
        return deferToThreadPool(self._reactor, self._pools[1], function, *arguments)

    async def read(self, seq: int) -> Push:
        """One push, read where that keeps nobody waiting.  :raises JournalError: when it cannot be had."""
        entry: Entry = await self.in_index(self.journal.read, seq)
        return entry.push

    def indexer(self, decoder: Decodes) -> Indexer:
        """What keeps the index up to date; it owns the index from now on."""
        indexer = Indexer(
            self._first_index,
            partial(Index.anew, self._state.index),
            lambda seq: self.read_back(indexer.index, decoder, seq),
            self.in_index,
            self._reactor,
            last=self.journal.durable,
        )
        return indexer

    def read_back(self, index: Index, decoder: Decodes, start: int) -> Iterator[Told]:
        """The sighted events from *start* on, as far as they are kept; in the index's thread."""
        first = self.journal.first
        start = max(start, first)
        facts = list(index.facts(before=start)) if index.last_seq >= start - 1 else []
        return read_back(self._entries, decoder, start, first=first, facts=facts)

    def _entries(self, start: int, stop: int | None = None) -> Iterator[Entry]:
        for entry in self.journal.entries(start, stop):
            if self._ending:
                raise JournalError("the journal is about to close: the receiver is stopping")
            yield entry

    def end_reading(self) -> None:
        """
        End what is being read back; whoever reads gets a `JournalError`.

        Before the first event is told, thousands are decoded in one go, which takes seconds.
        """
        self._ending = True

    def warm(self, interpreter: Interpreter) -> None:
        """Let *interpreter* know what came before: from the index, and by decoding what it lacks."""
        durable, known = self.journal.durable, self._first_index.last_seq
        interpreter.restore(self._first_index.facts())
        missing = durable - known
        begin = known + 1 if missing <= WINDOW else durable - UNKNOWN
        for entry in self.journal.entries(max(begin, self.journal.first), durable + 1):
            interpreter.read(entry)

    def save_clock(self) -> Deferred[None]:
        """Save the steady clock, in the ledger's thread.  A full disk costs a little of its time."""
        return self.in_ledger(self._save_clock)

    def _save_clock(self) -> None:
        with suppress(OSError):
            self.steady.save()

    def _open_ledger(self) -> tuple[Ledger | None, Callable[[], Ledger] | None]:
        """
        The ledger, or None: then what opens it later, or None too when the reactions wait for the operator.

        Nothing of it keeps events from being received.
        """
        journal = self._state.journal
        lost = journal.is_dir() and any(journal.iterdir())
        try:
            return Ledger.open(self._state.ledger, expected=lost), None
        except LedgerBusy as error:
            # A full disk, say: it is all there, and nobody should be asked to begin another.
            _log.error("{error}; the reactions wait, and it is tried again", error=error)
            return None, partial(self._use, partial(Ledger.open, self._state.ledger, expected=lost))
        except LedgerError as error:
            _log.critical("{error}; the reactions wait", error=error)
            return None, None

    def new_ledger(self, reactions: Any) -> Ledger:
        """Begin a new ledger in place of a lost one; in the ledger's thread."""
        if self.ledger is not None:
            self.ledger.abandon()
        return self._use(partial(Ledger.anew, self._state.ledger, reactions))

    def _use(self, make: Callable[[], Ledger]) -> Ledger:
        self.ledger = make()
        return self.ledger

    def close(self) -> Deferred[None]:
        """Write what is queued and close everything but the index, which its indexer closes."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self.journal.close()
        await self.save_clock()
        if self.ledger is not None:
            await self.in_ledger(self.ledger.close).addErrback(
                lambda failure: _log.error("the ledger was not closed: {error}", error=failure.value)
            )
        await self.in_ledger(self.holding.close)
        for pool in self._pools:
            # It waits for its thread, which is over by now, unless the disk does not answer.
            ending = Thread(target=pool.stop, daemon=True)
            ending.start()
            ending.join(PATIENCE)

    def _fitting(self, index: Index) -> Index:
        """*index*, or an empty one when it belongs to another journal."""
        journal = self.journal
        standing = index.standing(journal.first, journal.durable, journal.view().word_of)
        if standing in ("current", "behind"):
            return index
        index.close()
        _log.warn("the index belongs to another journal; it is made again")
        return Index.anew(self._state.index)


def named(reactions: Mapping[str, Reaction]) -> dict[str, Named]:
    """What the journal has to know of the *reactions* that take events."""
    return {
        name: Named(each.common.start, each.common.hold) for name, each in reactions.items() if each.carries
    }


def _open_index(state: State) -> Index:
    try:
        return Index.open(state.index)
    except IndexBroken as error:
        _log.warn("{error}", error=error)
    except StateError as error:
        # Such as one that root's command left behind: derived, so nobody has to be asked.
        if isinstance(error, StateTooNew) or usable(state.index):
            raise
        _log.warn("{error}: this user may not use its file; it is made again from the journal", error=error)
    return Index.anew(state.index)


def _highest(ledger: Ledger | None) -> int:
    places = ledger.places().values() if ledger is not None else ()
    return max((place.cursor for place in places), default=0)


def _alarm(sentence: str) -> None:
    _log.critical("ALARM: {sentence}", sentence=sentence)


def _report(journal: Journal) -> None:
    report = journal.report
    if journal.shortage:
        _log.warn("{sentence}", sentence=journal.shortage)
    if report.cut:
        _log.info(
            "{cut} bytes of pushes that were never acknowledged were cut at the journal's end", cut=report.cut
        )
    for damaged in report.damages:
        _log.critical(
            "ALARM: numbers {first} to {last} were acknowledged and cannot be read: {why}",
            first=damaged.first,
            last=damaged.last,
            why=damaged.reason,
        )
    if report.new_word:
        _log.info("events get ids under the new word {word}: {why}", word=journal.word, why=report.new_word)

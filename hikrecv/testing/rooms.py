"""The rooms of a receiver for tests: the real ones, on a test's clock, without threads and sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hikrecv.clock import trusted_clocks
from hikrecv.config import Bytes, Config, JournalTable
from hikrecv.errors import JournalBroken
from hikrecv.history import Interpreter, Told, read_back
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.journal.journal import Journal
from hikrecv.journal.ledger import Ledger
from hikrecv.journal.store import Store
from hikrecv.metrics import Metrics
from hikrecv.push import Push
from hikrecv.reactions.age import Ages
from hikrecv.reactions.attempt import Attempts
from hikrecv.reactions.calls import Workplace
from hikrecv.reactions.dispatch import Dispatch
from hikrecv.reactions.early import Early, decoders, enrichers
from hikrecv.reactions.enrich import Enrichment
from hikrecv.reactions.feed import Feed
from hikrecv.reactions.reaction import build
from hikrecv.reactions.remote_check import RemoteCheck
from hikrecv.reactions.threads import Threads
from hikrecv.reactions.watchdog import Slot
from hikrecv.receiver import Receiver
from hikrecv.testing.bench import Bench, Subject, known
from hikrecv.testing.thread import Apart

T = TypeVar("T")

_JOURNAL = JournalTable(segment=Bytes(4_000_000), ballast=Bytes(0))


class Rooms:
    """
    What `hikrecv.service` puts together, from the same classes.

    :param given: plugins by name, beside those that are installed.
    :param published: hears of every durable push, as the couriers do.
    :raises ConfigError: for the first thing that is wrong.
    """

    def __init__(
        self,
        bench: Bench,
        config: Config,
        given: Mapping[str, Subject],
        published: Callable[[int, tuple[Event, ...], int], None],
    ) -> None:
        self._bench, self._clock = bench, bench.clock
        plugins = known(given, config.plugin_dirs)
        self.reactions, errors = build(config, plugins, bench.services)
        early, wrong = enrichers(config, plugins, self.reactions, bench.services)
        others, odd = decoders(config, plugins, self.reactions, bench.services)
        for error in (*errors, *wrong, *odd):
            raise error
        self.journal = self._open_journal()
        self.ledger = Ledger.open(bench.folder / "ledger.sqlite")
        self._decoder = Decoder(self.journal.word, config.devices, others)
        slot = _Patient()
        workplace = _Workplace(bench.clock, bench.apart, slot)
        self.feed = self._feed(early, workplace)
        self._trusted = trusted_clocks(config, self.ledger)
        ages = Ages(self.feed, bench.wall, trusted=self._trusted)
        self.dispatch = Dispatch(
            self.feed, self.ledger, maybeDeferred, self._clock, bench.wall, workplace, slot, ages=ages
        )
        self.receiver = self._receiver(config, published)
        bench.kept = self._push

    def close(self) -> None:
        """Let go of the files; the dispatch has stopped."""
        self.feed.close()
        self.journal.close()
        self.ledger.close()

    def _open_journal(self) -> Journal:
        return Journal.open(
            self._bench.folder,
            _JOURNAL,
            from_thread=_at_once,
            on_broken=_broken,
            wall=self._bench.wall,
            monotonic=self._clock.seconds,
            threaded=False,
            store=_Unsynced(),
        )

    def _feed(self, early: list[Early], workplace: Workplace) -> Feed:
        return Feed(
            self._read_back,
            maybeDeferred,
            self._clock,
            last=self.journal.durable,
            first=lambda: self.journal.first,
            enrichment=Enrichment(early, workplace.attempts, self._clock.seconds),
        )

    def _receiver(self, config: Config, published: Callable[..., None]) -> Receiver:
        interpreter = Interpreter(self._decoder)
        for entry in self.journal.entries(self.journal.first):
            interpreter.read(entry)
        decides = RemoteCheck(
            config.remote_check.reactions,
            config.remote_check.budget,
            self.dispatch,
            maybeDeferred,
            self._note,
            self._clock,
            self._bench.wall,
        )
        return Receiver(
            self.journal,
            interpreter,
            (published, self._trusted.publish, self.feed.publish),
            privacy=config.privacy,
            metrics=Metrics(),
            decides=decides,
            now=self._clock.seconds,
        )

    def _read_back(self, start: int) -> Iterator[Told]:
        return read_back(self.journal.entries, self._decoder, start, first=self.journal.first)

    def _push(self, seq: int) -> Push:
        return self.journal.read(seq).push

    def _note(self, kind: str, data: dict[str, Any]) -> Deferred[None]:
        kept = self.journal.note(kind, data)
        self.journal.commit()
        return kept.durable


class _Workplace(Workplace):
    """Where the test waits for every plain hook."""

    def __init__(self, clock: Clock, apart: Apart, slot: Slot) -> None:
        super().__init__(clock, _at_once, slot)
        self._hooks = partial(_OneByOne, apart)

    def attempts(self, name: str) -> Attempts:
        return Attempts(name, self._clock, self._hooks(name), self._slot)


class _OneByOne(Threads):
    def __init__(self, apart: Apart, name: str) -> None:
        super().__init__(name, _at_once)
        self._apart = apart

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        try:
            return succeed(self._apart.call(function))
        except BaseException:
            return fail(Failure())


class _Patient(Slot):
    """A test may be slow because the machine is; nobody is throttled for it."""

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)


class _Unsynced(Store):
    """A test's journal need not survive a power cut."""

    def sync(self, fd: int) -> None: ...

    def sync_directory(self, directory: Path) -> None: ...


def _at_once(function: Callable[..., Any], *arguments: Any) -> None:
    function(*arguments)


def _broken(error: JournalBroken) -> None:
    raise error

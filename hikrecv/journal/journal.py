"""The journal: what was received, on disk and in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred, fail

from ..config import JournalTable
from ..errors import Gone, JournalBroken, JournalError, JournalFull, StateError
from ..push import Push
from .ballast import SHARE, Ballast
from .committer import Committer
from .damages import Damages, refuse
from .holds import Hold, Word, held_bytes
from .pool import Pool
from .quarantine import keep_copy
from .record import NOTE, PUSH, Damaged, Entry, Note, note_parts, push_head, record_size
from .recovery import Recovered, Report, recover
from .retention import Allowance, Retained, Rules, allowance
from .room import shortage
from .scribe import Scribe, Waiting
from .segment import PAGE
from .state import Layout
from .steady import SteadyClock
from .store import NO_ROOM, Buffer, Store
from .view import View, pushes

MOST_QUEUED = 1_000_000_000
"""Bytes that may wait for the disk.  Whoever appends has a bound of its own; this one is the last."""
GATHERED_BYTES = 1_000_000
GATHERED_RECORDS = 64
"""So many bytes or records are gathered before the journal's thread gets them."""
_CLOSED = JournalError("the journal is closed: the receiver is stopping")


class Appended(NamedTuple):
    """
    A record's number, given at once, and the moment at which it is on disk.

    :param durable: fires on the caller's thread, in the order of the numbers; it fails with
        :class:`JournalFull` (later, perhaps) or :class:`JournalBroken` (never again).
    """

    seq: int
    durable: Deferred[None]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """
    The journal in numbers.

    :param last: the highest number given; *durable* the highest on disk.
    :param bytes: what the segments take of *budget*, spares included.
    :param full: why nothing can be kept at the moment, or "".
    :param broken: why nothing will be kept any more, or "".
    :param tight: why the oldest go although there is budget left (the disk is full), or "".
    :param damaged: how many numbers cannot be read, as far as anybody tried.
    :param queued: records that wait for the disk, and *queued_bytes* what they take.
    :param seconds: time spent in writing and syncing *groups* groups of *records* records.
    """

    word: str
    first: int
    last: int
    durable: int
    bytes: int
    budget: int
    segments: int
    spares: int
    full: str
    tight: str
    broken: str
    damaged: int
    queued: int
    queued_bytes: int
    groups: int
    records: int
    seconds: float


class Journal:
    """
    The writer's side of a journal: append, read, retain.

    Use :meth:`open`, under the :class:`Lock` of the state directory.  The methods belong to one thread, the
    reactor's; what `view`, `read` and `entries` give may be used in any.

    :ivar word: the journal's word, part of every event's id.
    :ivar report: what was found when it was opened.
    :ivar damages: hears of what cannot be read, and counts it.
    :ivar shortage: a sentence when the disk is too small for what the journal may take, else "".
    """

    def __init__(
        self,
        scribe: Scribe,
        view: Callable[[], View],
        *,
        recovered: Recovered,
        rules: Rules,
        from_thread: Callable[..., object],
        on_broken: Callable[[JournalBroken], object],
        on_damage: Callable[[str], object] | None,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        steady: SteadyClock,
    ) -> None:
        self.shortage = ""
        self.damages = Damages(on_damage or str, self.quarantine, monotonic)
        self._on_damage: Callable[[Damaged], object] = refuse if on_damage is None else self.damages
        for damaged in recovered.report.damages:
            self.damages.know(damaged)
        scribe.missed, scribe.alarm = self.damages, on_damage or str
        self.word: str = recovered.word
        self.report: Report = recovered.report
        self.view = view
        self._scribe, self._rules = scribe, rules
        self._wall, self._from_thread = wall, from_thread
        self.steady = steady
        steady.ends_at(recovered.last)
        self._committer = Committer(
            scribe, partial(from_thread, self._settle), partial(from_thread, self._break)
        )
        self._on_broken = on_broken
        self._rounds: set[Deferred[Retained]] = set()
        self._last = recovered.last
        self._looked = True
        self._queued = self._queued_bytes = 0
        self._gathered: list[Waiting] = []
        self._gathered_bytes = 0
        self._together = 1
        self._thread: Thread | None = None
        self._closed: Deferred[None] | None = None

    @classmethod
    def open(
        cls,
        state: Path,
        table: JournalTable,
        *,
        from_thread: Callable[..., object],
        on_broken: Callable[[JournalBroken], object],
        on_damage: Callable[[str], object] | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        steady: SteadyClock | None = None,
        acknowledged: int = 0,
        zeroed: bool = False,
        threaded: bool = True,
        store: Store | None = None,
    ) -> Journal:
        """
        Open the journal of a state directory, or begin one.

        :param from_thread: calls a function with arguments on the caller's thread: `reactor.callFromThread`.
        :param on_broken: called once, when a write or a sync failed; the service then has to stop.
        :param on_damage: gets a sentence, in the thread that reads, of what cannot be read: each number once.
            Without it, to read on through damage is an error.
        :param steady: judges what is too old; without it only what was kept by this journal ages.
        :param acknowledged: the highest number that index and ledger remember: if the journal does not have
            it, that is reported, and no number up to it is given again.
        :param zeroed: retired segments are zeroed before they are used again.
        :param threaded: without a thread nothing happens before :meth:`commit`.
        :raises StateTooNew: when a newer hikrecv wrote it; nothing was changed.
        :raises StateError: when it cannot be read or written.
        """
        store, layout = store or Store(), Layout(state)
        now = partial(_nanoseconds, wall)
        recovered = _recover(store, layout, acknowledged)
        total = sum(segment.size for segment in recovered.used)
        disk = store.free(state) + total + sum(segment.size for segment in recovered.spares)
        disk += table.ballast if layout.ballast.name in store.names(state) else 0
        ballast = Ballast(store, layout, min(table.ballast, disk // SHARE))
        rules = Rules.of(table, PAGE, disk - ballast.size)
        pool = Pool(
            store,
            layout,
            rules,
            ballast,
            generation=recovered.generation,
            total=total,
            now=now,
            zeroed=zeroed,
        )
        pool.adopt(recovered.spares)
        scribe = Scribe(store, layout, rules, recovered, pool, ballast, now=now)
        journal = cls(
            scribe,
            lambda: View(store, layout, mark=scribe.mark, segments=scribe.used, indexes=scribe.indexes),
            recovered=recovered,
            rules=rules,
            from_thread=from_thread,
            on_broken=on_broken,
            on_damage=on_damage,
            wall=wall,
            monotonic=monotonic,
            steady=steady or SteadyClock(wall=wall, boottime=monotonic),
        )
        journal.shortage = shortage(table, disk, state)
        if threaded:
            journal._start()
        return journal

    # -- appending --------------------------------------------------------

    def append(self, push: Push) -> Appended:
        """Keep a push.  It is not copied: its bytes go to the disk from where they are."""
        return self._append(PUSH, push.received, push_head(push), push.body)

    def note(self, kind: str, data: Any) -> Appended:
        """Keep a note of our own, such as a decision.  :raises TypeError: when *data* is not plain data."""
        head, body = note_parts(kind, data)
        return self._append(NOTE, _nanoseconds(self._wall), head, body)

    def _append(self, kind: int, at: int, head: bytes, body: Buffer) -> Appended:
        self._last += 1
        if self._closed is not None:
            return Appended(self._last, fail(_CLOSED))
        if self._queued_bytes > MOST_QUEUED:
            self._committer.put(partial(self._scribe.refused.add, self._last, self._last))
            return Appended(self._last, fail(JournalFull("the disk does not keep up with the devices")))
        durable: Deferred[None] = Deferred()
        size = record_size(len(head), len(body))
        self._queued += 1
        self._queued_bytes += size
        self._gather(Waiting(self._last, kind, at, head, body, size, durable))
        return Appended(self._last, durable)

    def _gather(self, item: Waiting) -> None:
        # A thread that is woken for each record takes the interpreter's lock from the reactor twice, and
        # syncs for one or two.  So what comes in one turn of the reactor goes together at the turn's end;
        # but a record that comes alone, as the ones before it did, goes at once.
        alone = self._queued == 1 and self._together == 1
        if alone or self._thread is None:
            self._committer.put([item])
            return
        if not self._gathered:
            self._from_thread(self._hand_over)
        self._gathered.append(item)
        self._gathered_bytes += item.size
        if self._gathered_bytes >= GATHERED_BYTES or len(self._gathered) >= GATHERED_RECORDS:
            self._hand_over()

    def _hand_over(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered:
            self._together = len(gathered)
            self._committer.put(gathered)

    def _settle(self, group: Sequence[Waiting], error: JournalError | None) -> None:
        self._queued -= len(group)
        for item in group:
            self._queued_bytes -= item.size
            if error is None:
                item.durable.callback(None)
            else:
                item.durable.errback(type(error)(*error.args))

    # -- reading ----------------------------------------------------------

    @property
    def first(self) -> int:
        """The lowest number that is kept; one above `durable` when there is none."""
        return self.view().first

    @property
    def last(self) -> int:
        """The highest number that was given; it may not be on disk yet."""
        return self._last

    @property
    def durable(self) -> int:
        """The highest number that is on disk."""
        return self._scribe.mark.seq

    def kept(self, first: int, last: int) -> int:
        """How many of these numbers were not refused for want of room; some may be gone again."""
        return self._scribe.refused.kept(first, last)

    def read(self, seq: int) -> Entry:
        """
        One push.

        :raises Gone: when it is not kept any more, not on disk yet, or no push.
        :raises JournalError: when it is damaged.
        """
        for item in self.items(seq, seq + 1):
            if isinstance(item, Entry):
                return item
            if isinstance(item, Damaged):
                self._on_damage(item)
                refuse(item)
        raise Gone(f"there is no push with number {seq}; the last on disk is {self.durable}")

    def entries(
        self, start: int, stop: int | None = None, *, damage: Callable[[Damaged], object] | None = None
    ) -> Iterator[Entry]:
        """
        The pushes from number *start* to before *stop*, as far as they are on disk now, in order.

        :param damage: hears of what cannot be read, at its place in the order, instead of `on_damage`.
        :raises Gone: when *start* is no longer kept, or is retired while it is being read.
        """
        return pushes(self.items(start, stop), damage or self._on_damage)

    def items(self, start: int, stop: int | None = None) -> Iterator[Entry | Note | Damaged]:
        """The same with the notes, and with what cannot be read."""
        return self.view().items(start, stop)

    # -- keeping house ----------------------------------------------------

    def retain(self, holds: Mapping[str, Hold]) -> Deferred[Retained]:
        """
        Let go of what is too old or too much; to be called every minute or so, and soon after the start.

        Until it was called once the journal does not know what is still waited for, and removes nothing.

        What is too old is judged by the steady clock alone, which learns here how far the journal is.

        :param holds: for each reaction what it still needs.

        It fails with :class:`JournalBroken` when the disk has failed.
        """
        refusal = self._committer.broken or (_CLOSED if self._closed is not None else None)
        if refusal is not None:
            return fail(refusal)
        result: Deferred[Retained] = Deferred()
        keep = self._rules.keep / 1e9
        self.steady.note(self.durable, keep)
        too_old, too_long = self.steady.older_than(keep), self.steady.older_than(keep / 8)
        done = partial(self._from_thread, self._retained, result)
        self._rounds.add(result)
        self._committer.put(
            lambda: self._scribe.retain(dict(holds), done, too_old=too_old, too_long=too_long)
        )
        return result

    def hold(self, holds: Mapping[str, Hold]) -> None:
        """Say between two rounds how far the reactions are; *holds* as for :meth:`retain`."""
        self._scribe.holds = dict(holds)

    def look(self) -> None:
        """See that all files are there, and room for the ledger; to be called every second or so."""
        # One at a time: behind a disk that does not answer they would pile up.
        if self._looked and self._committer.broken is None and self._closed is None:
            self._looked = False
            self._committer.put(self._look)

    def _look(self) -> None:
        """In the journal's thread."""
        try:
            self._scribe.look()
        finally:
            self._looked = True

    def held_bytes(self, seq: int) -> int:
        """How much a reaction holds back that still needs *seq* and what came after it."""
        return held_bytes(self._scribe.used, seq)

    def allowance(self, word: Word) -> Allowance:
        """How much a reaction may hold back; asks the disk how much it still gives."""
        return allowance(self._rules, word, self._scribe.pool.total, self._scribe.free())

    def _retained(self, result: Deferred[Retained], done: Retained) -> None:
        self._rounds.discard(result)
        result.callback(done)

    def _break(self, error: JournalBroken) -> None:
        rounds, self._rounds = self._rounds, set()
        for result in rounds:
            result.errback(error)
        self._on_broken(error)

    def quarantine(self, damaged: Damaged) -> None:
        """Keep a copy of the damaged bytes beside the journal."""
        store, layout = self.view().store, self.view().layout
        # Among the chores, so that the segment is not used again while it is copied, and nobody waits for it.
        self._committer.put(lambda: self._scribe.chores.append(keep_copy(store, layout, damaged)))

    def status(self) -> Status:
        """How the journal is."""
        scribe, committer = self._scribe, self._committer
        return Status(
            word=self.word,
            first=self.first,
            last=self._last,
            durable=self.durable,
            bytes=scribe.pool.total,
            budget=self._rules.budget,
            segments=len(scribe.used),
            spares=len(scribe.pool.spares),
            full=scribe.full,
            tight=scribe.tight,
            damaged=self.damages.count,
            broken=str(committer.broken or ""),
            queued=self._queued,
            queued_bytes=self._queued_bytes,
            groups=committer.groups,
            records=committer.records,
            seconds=committer.seconds,
        )

    def commit(self) -> None:
        """Without a thread: do all that is waiting to be done."""
        self._committer.run_out()

    def close(self) -> Deferred[None]:
        """Write what is queued, and let go of the files.  No append succeeds afterwards."""
        if self._closed is None:
            self._closed = Deferred()
            self._hand_over()
            self._committer.put(self._committer.end)
            if self._thread is None:
                self._committer.run_out()
                self._closed.callback(None)
        return self._closed

    def _start(self) -> None:
        self._thread = Thread(target=self._run, name="hikrecv journal", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._committer.run()
        if self._closed is not None:
            self._from_thread(self._closed.callback, None)


def _recover(store: Store, layout: Layout, acknowledged: int) -> Recovered:
    try:
        return recover(store, layout, acknowledged)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise StateError(f"cannot use {layout.state}: {error}") from error
    store.unlink(layout.ballast)
    try:
        return recover(store, layout, acknowledged)
    except OSError as error:
        raise StateError(f"cannot use {layout.state}: {error}") from error


def _nanoseconds(wall: Callable[[], float]) -> int:
    return int(wall() * 1e9)

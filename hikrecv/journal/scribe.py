"""What the journal's one thread does: write a group, sync it, go on to the next segment, keep house."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from twisted.internet.defer import Deferred

from ..errors import JournalFull
from .holds import Hold
from .mark import BEGIN_AT, REFUSED_AT, Mark, pack_begin, pack_refused
from .pool import DiskFull, Pool
from .record import PADS, frame
from .recovery import Recovered
from .refused import Refused
from .retention import Loser, Retained, Rules, may_go, refuse_to_lose
from .room import SMALLEST
from .segment import DATA, PAGE, STEP, Index, Segment, index_size, segment_size, write_seal
from .state import Layout
from .store import NO_ROOM, Buffer, Store

T = TypeVar("T")


class Waiting(msgspec.Struct):
    """A record that has its number and is not on disk yet.  *size* is what it takes there."""

    seq: int
    kind: int
    at: int
    head: bytes
    body: Buffer
    size: int
    durable: Deferred[None]


class Active:
    """The segment that is written on.  *fresh* until its header was written, together with a first group."""

    def __init__(self, segment: Segment, fd: int, *, end: int = DATA, fresh: bool = True) -> None:
        self.segment, self.fd, self.end, self.fresh = segment, fd, end, fresh
        self.index: list[tuple[int, int]] = []
        self.newest = 0


class Batch(msgspec.Struct, frozen=True):
    """The bytes to write for a group, or for its beginning, and where they leave the segment."""

    buffers: list[Buffer]
    count: int
    last: int
    end: int
    newest: int
    index: list[tuple[int, int]]


class Scribe:
    """
    Writes segments.  Nothing here knows of threads or of the reactor, but it belongs to one thread.

    Others may read `used`, `mark` and `indexes` at any time: these are replaced, or only grow.

    :param now: wall clock, nanoseconds since 1970.
    :param ballast: bytes to hold back for the day when the disk is full.
    :ivar holds: what the reactions still need, from any thread; before it is known nothing goes.
    :ivar full: why nothing can be kept, or "".
    :ivar tight: why the oldest go although there is budget left, or "".
    :ivar refused: numbers that were given and never kept; to be asked from any thread.
    """

    def __init__(
        self,
        store: Store,
        layout: Layout,
        rules: Rules,
        recovered: Recovered,
        pool: Pool,
        *,
        now: Callable[[], int],
        ballast: int = 0,
    ) -> None:
        self._store, self._layout, self._rules, self._now = store, layout, rules, now
        self._word, self._last = recovered.word, recovered.last
        self.pool, self._ballast = pool, ballast
        self.used = recovered.used
        self.mark = recovered.mark
        self.indexes: dict[int, Index] = {}
        self.full = self.tight = ""
        self.chores: deque[Iterator[None]] = deque()
        self.holds: Mapping[str, Hold] | None = None
        self._losers: dict[str, Loser] = {}
        self.refused = Refused(recovered.refused)
        self._mark_fd = store.open(layout.mark, write=True)
        self._active = self._reopen(recovered)
        self.chores.append(self._prepare_ahead())

    # -- writing ----------------------------------------------------------

    def write(self, group: Sequence[Waiting]) -> int:
        """
        Write and sync as many of *group*, from its first, as one segment takes; returns how many.

        :raises JournalFull: nothing of it was promised, and room may be found later.
        :raises OSError: a write or a sync failed; this scribe must not be used again.
        """
        try:
            active = self._active_for(group[0])
            batch = self._assemble(active, group)
            self._put(active, batch)
        except JournalFull as error:
            self.full = str(error)
            raise
        self.full = ""
        self._store.sync(active.fd)
        self._advance(active, batch)
        return batch.count

    def _active_for(self, first: Waiting) -> Active:
        active = self._active
        if active is None or active.end + first.size > active.segment.capacity:
            active = self._begin(self._next_segment(first.size), first.seq)
        return active

    def _assemble(self, active: Active, group: Sequence[Waiting]) -> Batch:
        buffers: list[Buffer] = [active.segment.pack()] if active.fresh else []
        stamp, capacity, durable = active.segment.stamp, active.segment.capacity, self.mark.seq
        last, end, newest, count = self._last, active.end, active.newest, 0
        indexed, index = active.index[-1][1] if active.index else -STEP, []
        for item in group:
            if end + item.size > capacity:
                break
            if end - indexed >= STEP:
                index.append((item.seq, end))
                indexed = end
            seq, body, at, size = item.seq, item.body, item.at, item.size
            start = frame(item.kind, item.head, body, at, seq, last, durable, stamp)
            buffers += (start, body, PADS[size - len(start) - len(body)])
            last, end, newest, count = seq, end + size, max(newest, at), count + 1
        # Zeros to the end of the page: of a recycled file, a page written in part would be read first.
        buffers.append(bytes(-end % PAGE))
        return Batch(buffers, count, last, end, newest, index)

    def _put(self, active: Active, batch: Batch) -> None:
        try:
            self._store.write(active.fd, batch.buffers, 0 if active.fresh else active.end)
        except OSError as error:
            # Only a file system that allocates anew on overwriting gets here.  The next group overwrites
            # what was written of this one, and no chain of numbers leads into the rest.
            if error.errno in NO_ROOM:
                raise JournalFull(f"the disk of {self._layout.journal} is full: free some space") from None
            raise

    def _advance(self, active: Active, batch: Batch) -> None:
        if active.fresh:
            active.fresh = False
            self.used = (*self.used, active.segment)
        active.index += batch.index
        active.end, active.newest, self._last = batch.end, batch.newest, batch.last
        self._move_mark(Mark(active.segment.generation, batch.end, batch.last))

    def refuse(self, group: Sequence[Waiting]) -> None:
        """Their numbers are never given again; that is written down with the next mark."""
        for item in group:
            self.refused.add(item.seq, item.seq)

    def _move_mark(self, mark: Mark) -> None:
        try:
            self._store.write(self._mark_fd, [mark.pack()], 0)
            if self.refused.news:
                self._store.write(self._mark_fd, [pack_refused(self.refused.told())], REFUSED_AT)
        except OSError as error:
            if error.errno not in NO_ROOM:  # an old mark is true, too
                raise
        self.mark = mark

    # -- from one segment to the next -------------------------------------

    def _reopen(self, recovered: Recovered) -> Active | None:
        if recovered.tail is None:
            return None
        segment, tail = recovered.used[-1], recovered.tail
        fd = self._store.open(self._layout.segment(segment.generation), write=True)
        active = Active(segment, fd, end=tail.end, fresh=False)
        active.index, active.newest = list(tail.index), tail.newest
        self.indexes[segment.generation] = active.index
        return active

    def _next_segment(self, record: int) -> Segment:
        """One that takes a record of that size.  :raises JournalFull: when there is no room for it."""
        size = max(segment_size(record), self._rules.size)
        ordinary = size == self._rules.size
        while self.chores and not (ordinary and self.pool.spares):
            self.do_chore()
        try:
            return _finish(self._obtain(size))
        except DiskFull as full:
            return self._smaller(segment_size(record), full)
        except JournalFull:
            self.pool.drop_ballast(self._ballast)
            raise

    def _smaller(self, least: int, full: DiskFull) -> Segment:
        """A segment as large as the disk still has room for, though none of the old may go."""
        size = self._rules.size
        least = max(least, min(SMALLEST, size))
        while size > least:
            size = max(size // 2 // PAGE * PAGE, least)
            with suppress(DiskFull):
                return self.pool.create(size)
        self.pool.drop_ballast(self._ballast)
        raise full

    def _begin(self, spare: Segment, first: int, *, shorten: bool = False) -> Active:
        try:
            fd = self.pool.open(spare)
        except JournalFull:
            self.pool.put_back(spare)
            raise
        if self._active is not None:
            self._leave(self._active, shorten=shorten)
        segment = msgspec.structs.replace(
            spare,
            salt=secrets.randbits(64),
            word=self._word,
            first=first,
            previous=self._last,
            created=self._now(),
        )
        self._active = active = Active(segment, fd)
        self.indexes[segment.generation] = active.index
        self.chores.append(self._prepare_ahead())
        return active

    def _leave(self, active: Active, *, shorten: bool) -> None:
        if active.fresh:
            self._store.close(active.fd)
            del self.indexes[active.segment.generation]
            self.pool.put_back(active.segment)
            return
        sealed = msgspec.structs.replace(
            active.segment, end=active.end, last=self._last, newest=active.newest
        )
        self._update(sealed)
        self.chores.append(self._seal(sealed, active, shorten=shorten))

    def _seal(self, sealed: Segment, active: Active, *, shorten: bool) -> Iterator[None]:
        spared = 0
        if shorten:
            size = -(-(sealed.end + index_size(active.index)) // PAGE) * PAGE
            spared, sealed = sealed.size - size, msgspec.structs.replace(sealed, size=size)
        write_seal(self._store, active.fd, sealed, active.index)
        if spared:
            self._store.truncate(active.fd, sealed.size)
            self._store.sync(active.fd)
            self.pool.total -= spared
        self._store.close(active.fd)
        self._update(sealed)
        del self.indexes[sealed.generation]
        yield

    def _update(self, segment: Segment) -> None:
        self.used = tuple(segment if old.generation == segment.generation else old for old in self.used)

    # -- keeping house ----------------------------------------------------

    def do_chore(self) -> None:
        """One step of what is to be done when no group waits.  :raises OSError: as `write` does."""
        try:
            next(self.chores[0])
        except StopIteration:
            self.chores.popleft()

    def retain(
        self, holds: Mapping[str, Hold], done: Callable[[Retained], object], *, too_old: int, too_long: int
    ) -> None:
        """
        Put a round of retention among the chores; *done* hears what it did.

        :param too_old: numbers up to here are older than events are kept, and *too_long* than one segment
            is filled.
        """
        self.chores.append(self._retain(holds, done, too_old=too_old, too_long=too_long))

    def free(self) -> int:
        """Bytes that the disk still gives the journal; from any thread."""
        try:
            return self._store.free(self._layout.state)
        except OSError:
            # Somebody unmounted it, say: whoever writes next finds out, and this is only for an estimate.
            return self._rules.budget

    def close(self, *, broken: bool) -> None:
        """Finish the chores, unless the disk has failed, and let go of the files."""
        while self.chores and not broken:
            self.do_chore()
        if not broken:
            self._store.sync(self._mark_fd)
        if self._active is not None:
            self._store.close(self._active.fd)
        self._store.close(self._mark_fd)
        self._store.let_go()

    def _retain(
        self, holds: Mapping[str, Hold], done: Callable[[Retained], object], *, too_old: int, too_long: int
    ) -> Iterator[None]:
        self.holds = holds
        count = freed = 0
        with suppress(JournalFull):  # the process has too many open files: the next round does the rest
            while self._due(too_old) and self._oldest_goes():
                size = self.used[0].size
                yield from self._retire_oldest()
                count, freed = count + 1, freed + size
            if self.pool.spares and self._lasts_too_long(too_long):
                self._begin_early()
        yield from self._prepare_ahead()
        if self.pool.spares:
            self.full = ""
            self.pool.take_ballast(self._ballast)
        losers = tuple(self._losers.values())
        self._losers.clear()
        done(Retained(count, freed, losers))

    def _due(self, too_old: int) -> bool:
        if len(self.used) < 2:
            return False
        return 0 < too_old >= self.used[1].first - 1 or self.pool.total > self._rules.budget

    def _lasts_too_long(self, too_long: int) -> bool:
        # Whole segments go, so one that fills slowly must not keep its oldest events for years.
        active = self._active
        return (
            active is not None and not active.fresh and active.end > DATA and active.segment.first <= too_long
        )

    def _begin_early(self) -> None:
        active = self._begin(self.pool.spares.popleft(), self._last + 1, shorten=True)
        self._store.write(active.fd, [active.segment.pack()], 0)
        self._store.sync(active.fd)
        self._advance(active, Batch([], 0, self._last, DATA, 0, []))

    def _prepare_ahead(self) -> Iterator[None]:
        try:
            yield from self._prepare()
        except JournalFull:
            pass  # it is tried again when a segment is needed, and after each round of retention

    def _prepare(self) -> Iterator[None]:
        if not self.pool.spares:
            self.pool.put_back((yield from self._obtain(self._rules.size)))

    def _obtain(self, size: int) -> Generator[None, None, Segment]:
        """One of that size, used before or new.  What the disk refuses is taken from the oldest."""
        yield from self._make_room(size)
        while not (size == self._rules.size and self.pool.spares):
            try:
                segment = self.pool.create(size)
            except DiskFull as full:
                if not self._oldest_goes(self._rules.hold_within(self.pool.total)):
                    raise DiskFull(self._why_nothing_goes() or str(full)) from None
                self.tight = str(full)
                # The disk is full for others too, and a ledger that cannot be written holds reactions up.
                self.pool.drop_ballast(self._ballast)
                yield from self._retire_oldest()
            else:
                self.tight = ""
                return segment
        return self.pool.spares.popleft()

    def _make_room(self, size: int) -> Iterator[None]:
        while not self.pool.room_for(size):
            if size == self._rules.size and self.pool.spares:
                return
            if not self._oldest_goes():
                why = "the journal's budget is used up and nothing may go: raise [journal] max"
                raise JournalFull(self._why_nothing_goes() or why)
            yield from self._retire_oldest()

    def _oldest_goes(self, hold: int | None = None) -> bool:
        # Before the reactions' places are known, what they wait for is not ours to remove.
        if self.holds is None or len(self.used) < 2 or self.used[0].generation in self.indexes:
            return False
        goes, losers = may_go(self.used, self.holds, self._rules.hold if hold is None else hold)
        for loser in losers:
            known = self._losers.get(loser.reaction, loser)
            self._losers[loser.reaction] = Loser(loser.reaction, known.first, loser.last)
        return goes

    def _why_nothing_goes(self) -> str:
        names = refuse_to_lose(self.used, self.holds or {}) if self.used else []
        if not names:
            return ""
        return (
            f'{" and ".join(names)} (hold = "always") has not had the oldest events, so nothing may go: '
            f"let it catch up (see `hikrecv reactions`), or let go: hikrecv reactions release {names[0]}"
        )

    def _retire_oldest(self) -> Iterator[None]:
        work = self.pool.retire(self.used[0])
        self.used = self.used[1:]
        begin = self.used[0].previous + 1
        written = self._move_begin(begin)
        yield from work
        if not written:
            self._move_begin(begin)

    def _move_begin(self, seq: int) -> bool:
        """Say that nothing below *seq* need be there; False when there was no room even for that."""
        try:
            self._store.write(self._mark_fd, [pack_begin(seq)], BEGIN_AT)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return False
        self._store.sync(self._mark_fd)
        return True


def _finish(work: Generator[None, None, T]) -> T:
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result

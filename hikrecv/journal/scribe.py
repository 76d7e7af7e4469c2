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
from .ballast import Ballast
from .damages import refuse
from .holds import Hold
from .mark import BEGIN_AT, REFUSED_AT, Mark, pack_begin, pack_refused
from .pool import DiskFull, Pool
from .record import PADS, Damaged, frame
from .recovery import Recovered
from .refused import Refused
from .retention import Loser, Retained, Rules, may_go, refuse_to_lose
from .room import SMALLEST
from .segment import DATA, PAGE, STEP, Index, Segment, index_size, segment_size, write_seal
from .state import Layout
from .store import NO_ROOM, Buffer, Store, replace

T = TypeVar("T")
_CHUNK = 1 << 20


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

    def __init__(self, segment: Segment, fd: int, inode: int, *, end: int = DATA, fresh: bool = True) -> None:
        self.segment, self.fd, self.inode, self.end, self.fresh = segment, fd, inode, end, fresh
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
    :ivar missed: hears of numbers whose segment somebody removed.
    :ivar alarm: gets a sentence about such a file that cost nothing.
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
        ballast: Ballast,
        *,
        now: Callable[[], int],
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
        self.missed: Callable[[Damaged], object] = refuse
        self.alarm: Callable[[str], object] = str
        self._active = self._reopen(recovered)
        ballast.lay()
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
            active = self._begin_next(first)
        return active

    def _begin_next(self, first: Waiting) -> Active:
        while True:
            spare = self._next_segment(first.size)
            try:
                return self._begin(spare, first.seq)
            except FileNotFoundError:
                self.pool.gone(spare)  # somebody removed it; there are others

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

    def _is_there(self, active: Active) -> bool:
        try:
            return self._store.identity(self._layout.segment(active.segment.generation)).inode == active.inode
        except FileNotFoundError:
            return False

    def _restore(self, active: Active) -> None:
        """Write the segment that is written on anew: nothing is lost as long as it is open."""
        path = self._layout.segment(active.segment.generation)
        fresh = path.with_name(path.name + ".new")
        self._store.unlink(fresh)
        try:
            fd = self._store.create(fresh, active.segment.size)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.alarm(f"{path} was removed while it is written, and there is no room to write it anew")
            return
        for offset in range(0, active.end, _CHUNK):
            data = self._store.read(active.fd, min(_CHUNK, active.end - offset), offset)
            self._store.write(fd, [data], offset)
        self._store.sync(fd)
        self._store.rename(fresh, path)
        self._store.sync_directory(self._layout.journal)
        self._store.close(active.fd)
        active.fd, active.inode = fd, self._store.identity(path).inode
        self.alarm(f"{path} was removed while it is written; it was written anew and nothing is lost")

    def _restore_mark(self) -> None:
        replace(self._store, self._layout.mark, self.mark.pack())
        try:
            fresh = self._store.open(self._layout.mark, write=True)
        except OSError:
            self._store.unlink(self._layout.mark)  # the old one is still written; the next look sees that
            raise
        self._store.close(self._mark_fd)
        self._mark_fd = fresh
        begin = (self.used[0].previous if self.used else self._last) + 1
        self._store.write(self._mark_fd, [pack_begin(begin)], BEGIN_AT)
        self._store.write(self._mark_fd, [pack_refused(self.refused.told())], REFUSED_AT)
        self._store.sync(self._mark_fd)
        self.alarm(f"{self._layout.mark} was removed while the receiver runs; it was made again")

    def _miss(self, segment: Segment) -> None:
        """The file of a segment is gone: what was in it is lost, and the rest goes on."""
        self.used = tuple(other for other in self.used if other.generation != segment.generation)
        self.indexes.pop(segment.generation, None)
        self.pool.gone(segment)
        reason = "its segment was removed while the receiver was running"
        self.missed(Damaged(segment.first, segment.last, reason, segment.name))

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
        inode = self._store.identity(self._layout.segment(segment.generation)).inode
        active = Active(segment, fd, inode, end=tail.end, fresh=False)
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
            self._ballast.drop()
            raise

    def _smaller(self, least: int, full: DiskFull) -> Segment:
        """A segment as large as the disk still has room for, though none of the old may go."""
        size = self._rules.size
        least = max(least, min(SMALLEST, size))
        while size > least:
            size = max(size // 2 // PAGE * PAGE, least)
            with suppress(DiskFull):
                return self.pool.create(size)
        self._ballast.drop()
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
        inode = self._store.identity(self._layout.segment(segment.generation)).inode
        self._active = active = Active(segment, fd, inode)
        self.indexes[segment.generation] = active.index
        self.chores.append(self._prepare_ahead())
        return active

    def _leave(self, active: Active, *, shorten: bool) -> None:
        if active.fresh:
            self._store.close(active.fd)
            del self.indexes[active.segment.generation]
            self.pool.put_back(active.segment)
            return
        if not self._is_there(active):
            self._restore(active)
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
        self.indexes.pop(sealed.generation, None)
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
            return max(self._store.free(self._layout.state) - self._ballast.owed, 0)
        except OSError:
            # Somebody unmounted it, say: whoever writes next finds out, and this is only for an estimate.
            return self._rules.budget

    def look(self) -> None:
        """
        See that every file is still there, and make the best of it when one is not.

        What was removed by hand is a loss to be told at once and not when it is read or retired; the segment
        that is written on is still open, so that what it holds is written anew under its name.
        """
        try:
            self._look()
        except OSError as error:
            # No descriptor is left to look with, or to write with what is gone: the next look does it.
            if error.errno not in NO_ROOM:
                raise

    def _look(self) -> None:
        try:
            names = set(self._store.names(self._layout.journal))
        except FileNotFoundError:
            return  # all of it is gone, or unmounted: whoever writes next finds out
        active = self._active
        if active is not None and not active.fresh and not self._is_there(active):
            self._restore(active)
        own = None if active is None else active.segment.name
        for segment in self.used:
            if segment.name not in names and segment.name != own:
                self._miss(segment)
        for spare in tuple(self.pool.spares):
            if spare.name not in names:
                self.pool.gone(spare)
        if self._layout.mark.name not in names:
            self._restore_mark()
        self._ballast.look()
        while self.pool.spares and self._ballast.wanting:
            spare = self.pool.spares.pop()
            self.pool.remove(spare)
            self._ballast.given(spare.size)

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
            self._ballast.lay()
        losers = tuple(self._losers.values())
        self._losers.clear()
        done(Retained(count, freed, losers))

    def _due(self, too_old: int) -> bool:
        if len(self.used) < 2:
            return False
        return too_old >= self.used[1].first - 1 or self.pool.total > self._rules.budget

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
                    raise DiskFull(self._why_nothing_goes("free some space") or str(full)) from None
                self.tight = str(full)
                # The disk is full for others too, and a ledger that cannot be written holds reactions up.
                self._ballast.drop()
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
                raise JournalFull(self._why_nothing_goes("raise [journal] max") or why)
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

    def _why_nothing_goes(self, cure: str) -> str:
        """Who refuses to lose the oldest, and what can be done; *cure* is what gives the journal room."""
        names = refuse_to_lose(self.used, self.holds or {}) if self.used else []
        if not names:
            return ""
        return (
            f'{" and ".join(names)} (hold = "always") has not had the oldest events, so nothing may go: '
            f"see `hikrecv reactions`, {cure}, or let go: hikrecv reactions release {names[0]}"
        )

    def _retire_oldest(self) -> Iterator[None]:
        try:
            work = self.pool.retire(self.used[0])
        except FileNotFoundError:
            self._miss(self.used[0])
            self._move_begin((self.used[0].previous if self.used else self._last) + 1)
            return
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

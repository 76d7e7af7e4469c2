"""Opening a journal: what is there, what is damaged, what was never promised, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .mark import BEGIN_AT, REFUSED_AT, Mark, pack_begin, pack_refused, read_begin, read_mark, read_refused
from .quarantine import keep_copy
from .record import Damaged
from .refused import Range, Refused, between
from .segment import Segment, Window, write_seal
from .state import Layout, new_word, prepare, read_word, write_word
from .store import Store
from .survey import Survey, missing, missing_before, survey
from .tail import Tail, examine

_CHUNK = 1 << 20


class Report(msgspec.Struct, frozen=True):
    """
    What was found at start.

    :param cut: bytes of records that were being written when the last run ended and were never promised.
    :param damages: what had been kept and cannot be read: each one is an alarm.
    :param new_word: why the journal got a new word; "" when it kept its own.
    """

    cut: int = 0
    damages: tuple[Damaged, ...] = ()
    new_word: str = ""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """
    A journal as the writer goes on with it.

    :param used: segments with records, oldest first.
    :param tail: the end of the last one, when it is written on; None to begin another.
    :param last: the highest number that must not be given again.
    :param refused: numbers below it that were given and never kept.
    """

    word: str
    used: tuple[Segment, ...]
    spares: tuple[Segment, ...]
    generation: int
    tail: Tail | None
    last: int
    mark: Mark
    report: Report
    refused: tuple[Range, ...] = ()


def recover(store: Store, layout: Layout, acknowledged: int = 0) -> Recovered:
    """
    Make the directory a journal that can be written on.  It may be cut short anywhere and done again.

    :param acknowledged: the highest number that anybody outside the journal remembers.
    :raises StateTooNew: before anything was changed.
    """
    prepare(store, layout)
    return _Recovery(store, layout, survey(store, layout), acknowledged).run()


class _Recovery:
    def __init__(self, store: Store, layout: Layout, found: Survey, acknowledged: int) -> None:
        self._store, self._layout, self._found = store, layout, found
        self._mark, self._begin = read_mark(store, layout.mark), read_begin(store, layout.mark)
        self._acknowledged = max(acknowledged, self._mark.seq if self._mark else 0)
        self._used = list(found.used)
        self._damages: list[Damaged] = []
        self._between: list[Range] = []

    def run(self) -> Recovered:
        self._sweep()
        self._seal_all_but_the_last()
        tail = self._examine_the_last()
        last = self._last(tail)
        for damaged in (*self._damages, *self._cut(tail)):
            for _ in keep_copy(self._store, self._layout, damaged):
                pass
        word, reason = self._word(tail, last)
        self._between += tail.refused if tail else ()
        refused = self._refused(last)
        cut = tail.cut if tail else 0
        if tail is not None:
            self._write_again(self._used[-1], tail)
        if tail is not None and reason:
            self._seal(-1, tail)
            tail = None
        return Recovered(
            word=word,
            used=tuple(self._used),
            spares=self._found.spares,
            generation=self._found.generation,
            tail=tail,
            last=last,
            mark=self._write_mark(tail, last, refused),
            report=Report(cut, tuple(self._damages), reason),
            refused=refused,
        )

    def _sweep(self) -> None:
        begun = [name for name in self._store.names(self._layout.journal) if name.endswith(".seg.new")]
        for name in (*self._found.dead, *begun):
            self._store.unlink(self._layout.journal / name)
        for name in self._found.unreadable:
            self._store.rename(self._layout.journal / name, self._layout.quarantine / name)
            reason = "the segment has no readable header; it was moved to the quarantine"
            self._damages.append(Damaged(0, 0, reason, name))
        for segment, length in self._found.misfits:
            if length > segment.size:
                self._shorten(segment)
            elif segment.end > length:
                self._damages += self._examine(segment, segment.last).damages

    def _shorten(self, segment: Segment) -> None:
        # It was sealed early, and the crash came before its rest was given back.
        fd = self._store.open(self._layout.journal / segment.name, write=True)
        try:
            self._store.truncate(fd, segment.size)
            self._store.sync(fd)
        finally:
            self._store.close(fd)

    def _seal_all_but_the_last(self) -> None:
        # A segment is sealed after the next one was begun: a crash between the two leaves it open.
        for place, following in enumerate(self._used[1:]):
            if not self._used[place].end:
                tail = self._examine(self._used[place], following.previous)
                self._damages += tail.damages
                self._between += tail.refused
                self._seal(place, tail)
        self._damages += (*missing_before(self._used, self._begin), *missing(self._used))

    def _examine_the_last(self) -> Tail | None:
        if not self._used or self._used[-1].end:
            return None
        segment = self._used[-1]
        here = self._mark is not None and self._mark.generation == segment.generation
        tail = self._examine(segment, self._acknowledged, self._mark.end if here and self._mark else None)
        self._damages += tail.damages
        return tail

    def _examine(self, segment: Segment, acknowledged: int, known: int | None = None) -> Tail:
        fd = self._store.open(self._layout.journal / segment.name)
        try:
            return examine(Window(self._store, fd), segment, acknowledged, known)
        finally:
            self._store.close(fd)

    def _cut(self, tail: Tail | None) -> tuple[Damaged, ...]:
        if tail is None or not tail.cut:
            return ()
        name, number = self._used[-1].name, tail.last + 1
        return (Damaged(number, number, "cut", name, tail.end, tail.end + tail.cut),)

    def _last(self, tail: Tail | None) -> int:
        last = tail.last if tail else self._used[-1].last if self._used else max(self._begin - 1, 0)
        if last < self._acknowledged:
            reason = "acknowledged records are missing at the end of the journal"
            self._damages.append(Damaged(last + 1, self._acknowledged, reason))
        return max(last, self._acknowledged)

    def _refused(self, last: int) -> tuple[Range, ...]:
        """What was written down, and what the records say; above *last* numbers are given again."""
        known = Refused([*read_refused(self._store, self._layout.mark), *between(self._used), *self._between])
        return tuple((begin, min(end, last)) for begin, end in known.ranges if begin <= last)

    def _word(self, tail: Tail | None, last: int) -> tuple[str, str]:
        """The word to go on with, on disk before it is used, and why it is a new one if it is."""
        word, same_place = read_word(self._store, self._layout)
        reason = self._why_a_new_word(word, same_place, tail, last)
        if reason:
            word = new_word()
            self._ensure_mark()
            write_word(self._store, self._layout, word)
        return word, reason

    def _why_a_new_word(self, word: str, same_place: bool, tail: Tail | None, last: int) -> str:
        if not word:
            return "its word was lost" if self._used else "it is new"
        if not same_place:
            return "it was restored, or copied from another directory"
        if tail is not None and tail.cut:
            return "records that were being written were cut from its end"
        if last and any(damaged.last == last for damaged in self._damages):
            return "its end is damaged"
        return ""

    def _write_again(self, segment: Segment, tail: Tail) -> None:
        # What lies behind the mark may be in the page cache and not on disk; and after a sync that failed
        # the kernel takes it for written.  Written once more and synced, it is kept or the disk says no.
        mark = self._mark
        begin = mark.end if mark is not None and mark.generation == segment.generation else 0
        fd = self._store.open(self._layout.journal / segment.name, write=True)
        try:
            for offset in range(begin, tail.end, _CHUNK):
                data = self._store.read(fd, min(_CHUNK, tail.end - offset), offset)
                self._store.write(fd, [data], offset)
            self._store.sync(fd)
        finally:
            self._store.close(fd)

    def _seal(self, place: int, tail: Tail) -> None:
        sealed = msgspec.structs.replace(self._used[place], end=tail.end, last=tail.last, newest=tail.newest)
        fd = self._store.open(self._layout.journal / sealed.name, write=True)
        try:
            write_seal(self._store, fd, sealed, tail.index)
        finally:
            self._store.close(fd)
        self._used[place] = sealed

    def _ensure_mark(self) -> None:
        if self._layout.mark.name not in self._store.names(self._layout.journal):
            self._store.close(self._store.create(self._layout.mark, 0))

    def _write_mark(self, tail: Tail | None, last: int, refused: Sequence[Range]) -> Mark:
        segment = self._used[-1] if self._used else None
        mark = (
            Mark(segment.generation, tail.end if tail else segment.end, last) if segment else Mark(seq=last)
        )
        self._ensure_mark()
        fd = self._store.open(self._layout.mark, write=True)
        try:
            begin = self._begin or (self._used[0].previous if self._used else last) + 1
            self._store.write(fd, [pack_begin(begin)], BEGIN_AT)
            self._store.write(fd, [mark.pack()], 0)
            self._store.write(fd, [pack_refused(refused)], REFUSED_AT)
            self._store.sync(fd)
        finally:
            self._store.close(fd)
        self._store.sync_directory(self._layout.journal)
        return mark

"""Reading a journal from another process: nothing is created or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ..errors import StateError
from .damages import refuse
from .mark import Mark, read_begin, read_mark, read_refused
from .record import Damaged, Entry, Note
from .refused import Refused, between
from .segment import DATA, Segment, Window, header_at
from .state import Layout, check_format, read_word
from .store import Store
from .survey import survey
from .tail import examine
from .view import View, pushes


class JournalReader:
    """
    The journal of a state directory, whether a receiver writes it at this moment or not.

    It shows what is on disk for certain.  After a crash the last group may become visible only when the
    receiver was started again.

    :param on_damage: hears of what cannot be read and was asked for; by default that is an error.
    :raises StateError: when there is no journal.
    :raises StateTooNew: when a newer hikrecv wrote it.
    """

    def __init__(
        self,
        state: Path,
        *,
        store: Store | None = None,
        on_damage: Callable[[Damaged], object] = refuse,
    ) -> None:
        self._on_damage = on_damage
        self._store, self._layout = store or Store(), Layout(state)
        self._names: frozenset[str] = frozenset()
        self._passed: list[tuple[int, int]] = []
        self.view: View = View(self._store, self._layout, (), Mark())
        try:
            check_format(self._store, self._layout)
            self.refresh()
        except OSError as error:
            raise StateError(f"cannot read {state}: {error.strerror}") from error

    @property
    def first(self) -> int:
        """The lowest number that was kept at the last look; one above the last when there is none."""
        return self.view.first

    @property
    def last(self) -> int:
        """The highest number that was on disk at the last look."""
        return self.view.last

    @property
    def word(self) -> str:
        """The journal's word; the one of an older entry may be another, see :attr:`Entry.word`."""
        return read_word(self._store, self._layout)[0]

    def refresh(self) -> int:
        """Look again; returns the highest number that is on disk now."""
        mark = read_mark(self._store, self._layout.mark)
        names = self._segment_names()
        known = mark is not None and names == self._names and bool(self.view.segments)
        if known and mark is not None and mark.generation == self.view.segments[-1].generation:
            self.view = msgspec.structs.replace(self.view, mark=mark)
        else:
            self._names = names
            self.view = self._look(mark or Mark())
        self._pass(self.view.mark)
        return self.last

    def _pass(self, mark: Mark) -> None:
        # The open segment has no index on disk.  Where a mark stood the next record begins, which is all
        # that is needed for following it.
        active = self.view.segments[-1] if self.view.segments else None
        if active is None or active.end or active.generation != mark.generation:
            return
        if mark.generation not in self.view.indexes:
            self._passed = []
            indexes = {mark.generation: self._passed}
            self.view = msgspec.structs.replace(self.view, indexes=indexes)
        if not self._passed or mark.seq >= self._passed[-1][0]:
            self._passed.append((mark.seq + 1, mark.end))

    def kept(self, first: int, last: int) -> int:
        """How many of these numbers were not refused for want of room; some may be gone again."""
        known = read_refused(self._store, self._layout.mark)
        return Refused([*known, *between(self.view.segments)]).kept(first, last)

    def items(self, start: int, stop: int | None = None) -> Iterator[Entry | Note | Damaged]:
        """As :meth:`View.items`, of what there was at the last look.  :raises Gone: as it does."""
        return self.view.items(start, stop)

    def entries(
        self, start: int, stop: int | None = None, *, damage: Callable[[Damaged], object] | None = None
    ) -> Iterator[Entry]:
        """The pushes among them; *damage*, or else `on_damage`, hears of what cannot be read."""
        return pushes(self.items(start, stop), damage or self._on_damage)

    def _segment_names(self) -> frozenset[str]:
        try:
            return frozenset(self._store.names(self._layout.journal))
        except FileNotFoundError:
            raise StateError(
                f"there is no journal in {self._layout.state}: has a receiver run with this state directory?"
            ) from None

    def _look(self, mark: Mark) -> View:
        while True:
            try:
                used = self._used()
                reach = self._reach(used[-1], mark) if used else mark
                # The begin is moved before a segment goes, so it has to be looked at after the segments.
                begin = read_begin(self._store, self._layout.mark)
                return View(self._store, self._layout, used, reach, begin=begin)
            except FileNotFoundError:
                continue  # retired between the look at the directory and the look into the file

    def _used(self) -> tuple[Segment, ...]:
        used = list(survey(self._store, self._layout).used)
        for place, following in enumerate(used[1:]):
            if not used[place].end:
                used[place] = self._closed(used[place], following.previous)
        return tuple(used)

    def _closed(self, segment: Segment, last: int) -> Segment:
        """A segment that will be sealed, or was not before a crash, as it will be."""
        with self._window(segment) as window:
            tail = examine(window, segment, last)
        return msgspec.structs.replace(segment, end=tail.end, last=tail.last, newest=tail.newest)

    def _reach(self, segment: Segment, mark: Mark) -> Mark:
        """The mark, or what the records say where they say more: after a power cut it may be an old one."""
        if segment.end:
            return Mark(segment.generation, segment.end, max(mark.seq, segment.last))
        if mark.generation != segment.generation:
            mark = Mark(segment.generation, DATA, max(mark.seq, segment.previous))
        offset, ends = mark.end, {mark.seq: mark.end}
        with self._window(segment) as window:
            while header := header_at(window, offset, segment.stamp):
                offset += header.size
                # The seal has the last record's number, and is there before the header says so.
                ends.setdefault(header.seq, offset)
                if header.durable > mark.seq:
                    mark = Mark(segment.generation, ends.get(header.durable, mark.end), header.durable)
        return mark

    @contextmanager
    def _window(self, segment: Segment) -> Iterator[Window]:
        fd = self._store.open(self._layout.segment(segment.generation))
        try:
            yield Window(self._store, fd)
        finally:
            self._store.close(fd)

"""The files of the segments: made, used again, removed, and what they take of the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from errno import EDQUOT, ENOSPC

from ..errors import JournalFull
from .ballast import Ballast
from .quarantine import drop_copies
from .retention import Rules
from .segment import DATA, Segment
from .state import Layout
from .store import NO_ROOM, Store

_DISK_FULL = frozenset({ENOSPC, EDQUOT})
_SPARES = 2
"""Retired segments that are kept to be written on again; a further one is removed."""
_ZEROS = bytes(1 << 20)
_SLICE = 4


class DiskFull(JournalFull):
    """The disk has no room for a file of that size; for a smaller one, perhaps, or when another one goes."""


class Pool:
    """
    Prepared segments, and the bytes that all segments take.

    What takes long is a generator: whoever runs it may do other things at each `yield`.

    :param total: bytes of the segments that are used.
    :param zeroed: overwrite a retired segment with zeros before it waits for its next use.
    """

    def __init__(
        self,
        store: Store,
        layout: Layout,
        rules: Rules,
        ballast: Ballast,
        *,
        generation: int,
        total: int,
        now: Callable[[], int],
        zeroed: bool = False,
    ) -> None:
        self._store, self._layout, self._rules, self._now = store, layout, rules, now
        self._generation, self._zeroed = generation, zeroed
        self._ballast = ballast
        self.spares: deque[Segment] = deque()
        self.total = total

    def adopt(self, spares: tuple[Segment, ...]) -> None:
        """Take over what was prepared by an earlier run, or remove it where it does not fit."""
        for spare in spares:
            self.total += spare.size
            if spare.size == self._rules.size and len(self.spares) < _SPARES and not self._zeroed:
                self.spares.append(spare)
            else:
                self.remove(spare)

    def put_back(self, segment: Segment) -> None:
        """A prepared segment that waits for its use, or that was not used after all."""
        if segment.size != self._rules.size:  # whoever takes a spare counts on its size
            self.remove(segment)
            return
        spare = Segment(generation=segment.generation, size=segment.size, created=segment.created)
        self.spares.append(spare)

    def room_for(self, size: int) -> bool:
        """Whether the journal's own budget allows another file of *size* bytes."""
        return self.total + size <= self._rules.budget

    def create(self, size: int) -> Segment:
        """
        Prepare a new file.

        :raises DiskFull: when the disk has no room for it.
        :raises JournalFull: when the process's files are exhausted.
        """
        owed = self._ballast.owed
        if owed and self._store.free(self._layout.state) < size + owed:
            raise DiskFull(self._sentence(size, "what is left is for the ledger and the index"))
        segment = self._fresh(size)
        path = self._layout.segment(segment.generation)
        try:
            fd = self._store.create(path, size)
        except OSError as error:
            if error.errno in NO_ROOM:
                full = DiskFull if error.errno in _DISK_FULL else JournalFull
                raise full(self._sentence(size, str(error.strerror))) from None
            raise
        try:
            self._store.write(fd, [segment.pack()], 0)
            self._store.sync(fd)
        finally:
            self._store.close(fd)
        self._store.sync_directory(self._layout.journal)
        self.total += size
        return segment

    def open(self, segment: Segment) -> int:
        """Open its file to be written.  :raises JournalFull: when the process has too many open files."""
        try:
            return self._store.open(self._layout.segment(segment.generation), write=True)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise JournalFull(f"cannot open a segment ({error.strerror})") from None
            raise

    def retire(self, segment: Segment) -> Iterator[None]:
        """
        Make it a spare when one is wanted, else remove it, as the result is iterated.

        :raises JournalFull: at once, when it cannot be done now.
        """
        if segment.size == self._rules.size and len(self.spares) < _SPARES:
            return self._recycle(segment, self.open(segment))
        return self._retire_for_good(segment)

    def _recycle(self, segment: Segment, fd: int) -> Iterator[None]:
        # The new name is on disk before the new header is written, and that before anything else is: a
        # reader that has the file open finds another generation in it, one that opens it by name finds none.
        spare = self._fresh(segment.size)
        try:
            old, new = self._layout.segment(segment.generation), self._layout.segment(spare.generation)
            self._store.rename(old, new)
            self._store.sync_directory(self._layout.journal)
            drop_copies(self._store, self._layout, segment.name)
            yield
            if self._zeroed:
                yield from self._zero(fd, segment.size)
            self._store.write(fd, [spare.pack()], 0)
            self._store.sync(fd)
        finally:
            self._store.close(fd)
        self.spares.append(spare)
        yield

    def _retire_for_good(self, segment: Segment) -> Iterator[None]:
        self.remove(segment)
        self._store.sync_directory(self._layout.journal)
        drop_copies(self._store, self._layout, segment.name)
        yield

    def remove(self, segment: Segment) -> None:
        """Give its bytes back to the disk."""
        self._store.unlink(self._layout.segment(segment.generation))
        self.total -= segment.size

    def gone(self, segment: Segment) -> None:
        """Its file was removed by somebody else."""
        self.spares = deque(spare for spare in self.spares if spare.generation != segment.generation)
        self.total -= segment.size

    def _fresh(self, size: int) -> Segment:
        self._generation += 1
        return Segment(generation=self._generation, size=size, created=self._now())

    def _zero(self, fd: int, size: int) -> Iterator[None]:
        for offset in range(DATA, size, _SLICE * len(_ZEROS)):
            most = min(_SLICE * len(_ZEROS), size - offset)
            full, rest = divmod(most, len(_ZEROS))
            self._store.write(fd, [_ZEROS] * full + [_ZEROS[:rest]], offset)
            self._store.sync(fd)
            yield

    def _sentence(self, size: int, why: str) -> str:
        return (
            f"no room for another {size // 1000} kB at {self._layout.journal} ({why}):"
            " free some space, or lower `keep` or `max` in [journal]"
        )

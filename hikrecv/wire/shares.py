"""How much of the journal the less known may fill in a day: shared at the door, not by eviction."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from xxhash import xxh3_64_hexdigest

from ..config import JournalTable
from ..senders import SenderClass

DAY = 86_400.0
SLICES = 24
"""A day is counted in so many pieces: the oldest is forgotten as a whole."""
PARTS = {SenderClass.STRANGER: 10, SenderClass.ADMITTED: 2}
"""What part of ``[journal] max`` all senders of a class may add together in a day."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What outlives a restart.

    :param at: wall clock, seconds.
    :param piece: seconds of one slice.
    :param added: bytes by slice for each class, the present slice first.
    """

    version: int
    at: float
    piece: float
    added: dict[str, list[int]]


class Shares:
    """
    Bytes that strangers, and admitted senders, have added to the journal lately.

    "Lately" is `keep` or a day, whichever is shorter: what is older is gone from the
    journal by itself, or was spread over so long a time that it pushed nothing out.  A
    class has a bound only where a better known one is configured (:attr:`bounds`).

    Within a process the monotonic clock counts; over a restart the wall clock says how
    long it took, and when that went backwards no time has passed.
    """

    def __init__(self, table: JournalTable, now: Callable[[], float] = time.monotonic) -> None:
        self._most = {cls: table.max // part for cls, part in PARTS.items()}
        self._piece = min(float(table.keep), DAY) / SLICES
        self._now = now
        self._began = now()
        self._added = {cls: [0] * SLICES for cls in PARTS}
        self._total = dict.fromkeys(PARTS, 0)
        self.bounds: frozenset[SenderClass] = frozenset()
        self.changed = False

    def total(self, standing: SenderClass) -> int:
        """Bytes that this class has added lately."""
        self._advance()
        return self._total[standing]

    def most(self, standing: SenderClass) -> int:
        """Bytes that it may add."""
        return self._most[standing]

    def take(self, standing: SenderClass, size: int) -> int:
        """Take *size* bytes from the share of a class; else the seconds until it may try again."""
        if standing not in self.bounds:
            return 0
        self._advance()
        if self._total[standing] + size > self._most[standing]:
            return self._wait(standing)
        self._count(standing, size)
        return 0

    def give_back(self, standing: SenderClass, size: int) -> None:
        """What was taken and not used."""
        if standing in self.bounds:
            self._advance()
            self._count(standing, -min(size, self._added[standing][0]))

    def _count(self, standing: SenderClass, size: int) -> None:
        self._added[standing][0] += size
        self._total[standing] += size
        self.changed = True

    def _wait(self, standing: SenderClass) -> int:
        """Seconds until the oldest slice that holds anything is forgotten."""
        oldest = max((n for n, size in enumerate(self._added[standing]) if size), default=0)
        return int(self._began + (SLICES - oldest) * self._piece - self._now()) + 1

    def _advance(self) -> None:
        steps = int((self._now() - self._began) / self._piece)
        if steps <= 0:
            return
        self._began += steps * self._piece
        for cls, added in self._added.items():
            self._added[cls] = ([0] * min(steps, SLICES) + added)[:SLICES]
            self._total[cls] = sum(self._added[cls])

    # -- over a restart -----------------------------------------------------------

    def dump(self, wall: float) -> bytes:
        """The counts with a checksum; *wall* is the clock now, seconds."""
        self._advance()
        self.changed = False
        added = {cls.name.lower(): list(sizes) for cls, sizes in self._added.items()}
        data = msgspec.json.encode(Kept(1, wall, self._piece, added))
        return data + b"\n" + xxh3_64_hexdigest(data).encode() + b"\n"

    def load(self, raw: bytes, wall: float) -> None:
        """
        Go on with what :meth:`dump` gave.

        :raises ValueError: it is damaged, or of a newer version.
        """
        data, _, rest = raw.partition(b"\n")
        if xxh3_64_hexdigest(data).encode() != rest.strip():
            raise ValueError("its checksum is wrong")
        kept = msgspec.json.decode(data, type=Kept)
        if kept.version != 1:
            raise ValueError(f"it is of version {kept.version}, and this hikrecv reads version 1")
        passed = max(0.0, wall - kept.at)
        for cls in PARTS:
            self._restore(self._added[cls], kept.added.get(cls.name.lower(), []), kept.piece, passed)
            self._total[cls] = sum(self._added[cls])

    def _restore(self, added: list[int], sizes: list[int], piece: float, passed: float) -> None:
        # The length of a slice follows `keep`, which may have changed meanwhile.
        for number, size in enumerate(sizes):
            slot = int((passed + number * piece) / self._piece)
            if slot < SLICES:
                added[slot] += size

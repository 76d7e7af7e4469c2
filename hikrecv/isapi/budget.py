"""What reading one push may cost."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

Clock = Callable[[], float]
"""CPU seconds of the thread that reads, such as `time.thread_time`."""


class OverBudget(Exception):
    """Reading on would cost too much; the message says of what there is too much."""


class Bounds(msgspec.Struct, frozen=True):
    """
    What one push may ask of its reader.

    A device's own needs a hundredth of it: its alert has a hundred values in a few
    kilobytes, a list of 2,000 records has 60,000 in 2 MB, and pictures are not read.
    What is bounded is what costs: so a hostile body ends where an honest one never
    comes to, after a time that does not depend on how long the body is.

    :param documents: that become events, and places at which one is looked for.
    :param values: whatever is handled one by one: values, brackets, elements, escapes, fields.
    :param scanned: bytes of text that are gone through, again for each time.
    :param depth: containers or elements inside one another.
    :param seconds: of the thread's CPU, the last resort; only with a clock.
    """

    documents: int = 2_048
    values: int = 100_000
    scanned: int = 8_000_000
    depth: int = 64
    seconds: float = 0.5


USUAL = Bounds()
_SELDOM = 15
"""A look at the thread's clock costs as much as a whole small field, so not every document brings one."""


class Budget:
    """
    What is left of it while one push is being read.

    Every reader asks before it works, so that what is too much is never begun.

    :ivar scanned: bytes of text that may still be gone through.
    :ivar values: likewise values, and so on.
    """

    __slots__ = ("_bounds", "_clock", "_until", "depth", "documents", "scanned", "values")

    def __init__(self, bounds: Bounds = USUAL, clock: Clock | None = None) -> None:
        self._bounds = bounds
        self.documents, self.values, self.scanned = bounds.documents, bounds.values, bounds.scanned
        self.depth = bounds.depth
        self._clock = clock
        self._until: float | None = None

    def scan(self, size: int) -> None:
        """*size* bytes are about to be gone through."""
        self.scanned -= size
        if self.scanned < 0:
            raise OverBudget(f"more than {self._bounds.scanned} bytes to read")

    def expect(self, values: int) -> None:
        """As many *values* will be taken: too many are not begun."""
        if values > self.values:
            raise OverBudget(f"more than {self._bounds.values} values")

    def take(self, values: int) -> None:
        """As many *values* are about to be handled one by one, or have been."""
        self.values -= values
        if self.values < 0:
            raise OverBudget(f"more than {self._bounds.values} values")

    def document(self) -> None:
        """One more document, or place at which one is looked for."""
        self.documents -= 1
        if self.documents < 0:
            raise OverBudget(f"more than {self._bounds.documents} documents")
        if not self.documents & _SELDOM:
            self.on_time()

    def on_time(self) -> None:
        """Look at the clock, which counts from the first look: few pushes ever come to one."""
        if self._clock is None:
            return
        now = self._clock()
        if self._until is None:
            self._until = now + self._bounds.seconds
        elif now > self._until:
            raise OverBudget(f"more than {self._bounds.seconds:g} s")

    def too_deep(self) -> OverBudget:
        """What is raised for a document whose parts are nested deeper than :attr:`depth`."""
        return OverBudget(f"nested deeper than {self._bounds.depth}")

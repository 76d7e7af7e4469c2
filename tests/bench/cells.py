"""What is measured, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .bodies import Name, request
from .running import Load


class Cell(NamedTuple):
    """One body, sent in one way over so many connections."""

    body: Name
    way: str
    connections: int

    @property
    def title(self) -> str:
        """How it is called in tables."""
        return f"{self.body} {self.way} {self.connections}"

    def load(self, folder: Path, seconds: float) -> Load:
        """What the generator is to do."""
        close, chunked = self.way == "close", self.way == "chunked"
        made = request(self.body, keep_alive=not close, chunked=chunked)
        path = made.write(folder / f"{self.body}-{self.way}.request")
        return Load(str(path), made.offset, self.connections, seconds, close=close)


GOALS = (
    Cell("W1", "keep-alive", 16),
    Cell("W1", "close", 16),
    Cell("W1", "close", 64),
    Cell("W2", "close", 64),
    Cell("W2", "keep-alive", 128),
    Cell("W3", "close", 64),
    Cell("W1", "chunked", 16),
    Cell("W1", "keep-alive", 128),
)
"""What the goals speak of."""

MORE = (
    Cell("W1", "keep-alive", 1),
    Cell("W2", "keep-alive", 1),
    Cell("W2", "keep-alive", 16),
    Cell("W3", "keep-alive", 16),
)
"""What helps to see why."""


class Wanted(NamedTuple):
    """
    A goal against the best peer of a cell.

    :param rate: at least so many times its events a second, must and aim.
    :param cpu: at most such a share of its CPU time an event.
    :param p99: at most such a share of its p99.
    :param store: at least so many times the events of Go with a store like ours.
    """

    rate: tuple[float, float] | None = None
    cpu: tuple[float, float] | None = None
    p99: tuple[float, float] | None = None
    store: tuple[float, float] | None = None


WANTED: Mapping[Cell, Wanted] = {
    Cell("W1", "keep-alive", 16): Wanted((3, 5), (0.35, 0.2), store=(2, 3.5)),
    Cell("W1", "close", 16): Wanted((2.5, 4), (0.4, 0.25)),
    Cell("W1", "close", 64): Wanted((2.5, 4), (0.4, 0.25), p99=(0.5, 0.25), store=(2, 3.5)),
    Cell("W2", "close", 64): Wanted((3, 5), (0.4, 0.25), store=(0.7, 1.2)),
    Cell("W2", "keep-alive", 128): Wanted((3, 5), (0.4, 0.25)),
    Cell("W3", "close", 64): Wanted((2.5, 4.5), (0.4, 0.25), store=(1.3, 2.2)),
    Cell("W1", "chunked", 16): Wanted((1, 2)),
}

PEAK = Cell("W1", "keep-alive", 128), 128_000_000, 64_000_000
"""Where memory is judged, and the bytes that must and should not be passed."""

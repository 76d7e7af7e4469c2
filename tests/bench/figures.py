"""Medians with their spread, ratios, and whether the goals are reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal, NamedTuple

import msgspec

from .cells import PEAK, WANTED, Cell
from .running import Measured
from .servers import Kind

Verdict = Literal["aim", "must", "missed", "open"]


class Spread(msgspec.Struct, frozen=True):
    """A median with the least and the greatest of what it is the median of."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        known = sorted(values)
        return cls(median(known), known[0], known[-1])


class Row(msgspec.Struct, frozen=True):
    """One server in one cell; CPU in s, times in ms, memory in bytes."""

    server: str
    kind: Kind
    cell: str
    rate: Spread
    cpu: Spread
    p50: Spread
    p99: Spread
    peak: Spread
    busy: float
    after: float
    good: bool

    @classmethod
    def of(cls, server: str, kind: Kind, cell: Cell, runs: Sequence[Measured]) -> Row:
        """The medians of *runs*."""
        spreads = {
            name: Spread.of(getattr(run, name) for run in runs)
            for name in ("rate", "cpu", "p50", "p99", "peak")
        }
        return cls(
            server=server,
            kind=kind,
            cell=cell.title,
            busy=max(run.busy for run in runs),
            after=max(run.after for run in runs),
            good=all(run.good for run in runs),
            **spreads,
        )


class Goal(NamedTuple):
    """One figure beside what is wanted of it."""

    what: str
    must: str
    aim: str
    found: str
    verdict: Verdict


class Table:
    """All rows, by cell and server."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def of(self, cell: str) -> list[Row]:
        """The rows of a cell."""
        return [row for row in self.rows if row.cell == cell]

    def one(self, cell: str, server: str) -> Row | None:
        """One row, if it was measured and every request was answered well."""
        return next((row for row in self.of(cell) if row.server == server and row.good), None)

    def best(self, cell: str) -> Row | None:
        """The peer that takes the most events a second."""
        peers = [row for row in self.of(cell) if row.kind == "peer" and row.good]
        return max(peers, key=lambda row: row.rate.median, default=None)

    def goals(self, skipped: Mapping[str, str]) -> list[Goal]:
        """Every goal of :data:`WANTED` that can be judged; against "best" only when nobody was left out."""
        found: list[Goal] = []
        for cell, wanted in WANTED.items():
            ours, best = self.one(cell.title, "hikrecv"), self.best(cell.title)
            if ours is None:
                continue
            if best is not None and not skipped:
                against = f"{cell.title} / {best.server}"
                if wanted.rate:
                    found.append(_at_least(f"{against}: events/s", wanted.rate, ours.rate, best.rate))
                if wanted.cpu:
                    found.append(_at_most(f"{against}: CPU", wanted.cpu, ours.cpu, best.cpu))
                if wanted.p99:
                    found.append(_at_most(f"{against}: p99", wanted.p99, ours.p99, best.p99))
            store = self.one(cell.title, "go+segment")
            if wanted.store and store is not None:
                found.append(
                    _at_least(f"{cell.title} / go+segment: events/s", wanted.store, ours.rate, store.rate)
                )
        cell, must, aim = PEAK
        ours = self.one(cell.title, "hikrecv")
        if ours is not None:
            found.append(below(f"{cell.title}: peak memory", must, aim, ours.peak.median, "MB", 1e-6))
        return found


def below(what: str, must: float, aim: float, found: float, unit: str, factor: float = 1) -> Goal:
    """A figure that must be below something."""
    verdict: Verdict = "aim" if found <= aim else "must" if found <= must else "missed"
    words = [f"{value * factor:.3g} {unit}" for value in (must, aim, found)]
    return Goal(what, *words, verdict)


def above(what: str, must: float, aim: float, found: float, unit: str = "") -> Goal:
    """A figure that must be above something."""
    verdict: Verdict = "aim" if found >= aim else "must" if found >= must else "missed"
    words = [f"{value:.3g}{unit}" for value in (must, aim, found)]
    return Goal(what, *words, verdict)


def _at_least(what: str, wanted: tuple[float, float], ours: Spread, theirs: Spread) -> Goal:
    return above(what, *wanted, ours.median / theirs.median, " x")


def _at_most(what: str, wanted: tuple[float, float], ours: Spread, theirs: Spread) -> Goal:
    return below(what, *wanted, ours.median / theirs.median if theirs.median else 0.0, "x")

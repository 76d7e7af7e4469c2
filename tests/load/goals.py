"""What was measured, beside what is wanted of it."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table


class Figure(NamedTuple):
    """
    One thing that was measured.

    :param goal: it must not be above this.
    """

    name: str
    measured: float
    goal: float
    unit: str

    @property
    def good(self) -> bool:
        return self.measured <= self.goal


def table(found: list[tuple[Figure, int]]) -> Table:
    """Each figure with its goal, and in which try it was reached."""
    grid = Table(box=None, pad_edge=False)
    for heading, justify in (("FIGURE", "left"), ("MEASURED", "right"), ("AT MOST", "right"), ("", "left")):
        grid.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for figure, tries in found:
        verdict = "reached" if figure.good else "MISSED"
        grid.add_row(
            figure.name,
            f"{figure.measured:,.1f} {figure.unit}".strip(),
            f"{figure.goal:,.0f} {figure.unit}".strip(),
            verdict if tries == 1 else f"{verdict} in try {tries}",
        )
    return grid

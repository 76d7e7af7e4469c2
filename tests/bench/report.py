"""What was found, as tables and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from .figures import Goal, Row, Spread, Table

_COLORS = {"aim": "green", "must": "yellow", "missed": "red", "open": "dim"}


def show(console: Console, table: Table, cells: Sequence[str]) -> None:
    """One table a cell, hikrecv first."""
    for cell in cells:
        best = table.best(cell)
        grid = RichTable(title=cell, title_justify="left")
        for name in (
            "",
            "events/s",
            "x best",
            "CPU us/event",
            "of best",
            "p50 ms",
            "p99 ms",
            "peak MB",
            "load core",
        ):
            grid.add_column(name, justify="left" if not name else "right")
        for row in table.of(cell):
            grid.add_row(*_line(row, best), style=None if row.good else "dim")
        console.print(grid)


def goals(console: Console, found: Sequence[Goal], skipped: Mapping[str, str]) -> None:
    """Every goal with its verdict."""
    grid = RichTable(title="goals", title_justify="left")
    for name in ("", "must", "aim", "found", ""):
        grid.add_column(name)
    for goal in found:
        grid.add_row(
            goal.what, goal.must, goal.aim, goal.found, f"[{_COLORS[goal.verdict]}]{goal.verdict}[/]"
        )
    console.print(grid)
    for name, why in skipped.items():
        console.print(f"skipped {name}: {why}; nothing is said about the best peer", markup=False)


def _line(row: Row, best: Row | None) -> list[str]:
    times, share = "", ""
    if best is not None and row is not best:
        times = f"{row.rate.median / best.rate.median:.2f}"
        share = f"{row.cpu.median / best.cpu.median:.2f}" if best.cpu.median else ""
    return [
        row.server + ("" if row.good else " (errors)") + (" *" if row is best else ""),
        _spread(row.rate),
        times,
        _spread(row.cpu, 1e6),
        share,
        f"{row.p50.median:.1f}",
        f"{row.p99.median:.1f}",
        f"{row.peak.median / 1e6:.0f}",
        f"{row.busy:.0%}",
    ]


def _spread(found: Spread, factor: float = 1) -> str:
    median, least, most = (f"{value * factor:,.0f}" for value in (found.median, found.least, found.most))
    return f"{median} ({least}-{most})"


def plot(table: Table, cells: Sequence[str], path: Path) -> None:
    """Events a second and CPU time of hikrecv and its peers, one group of bars a cell."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hikrecv"  # the same figures give the same file
    from matplotlib import pyplot

    names = list(dict.fromkeys(row.server for row in table.rows if row.kind != "floor"))
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(10, 7.5), sharex=True)
    width = 0.8 / max(len(names), 1)
    for place, name in enumerate(names):
        rows = [table.one(cell, name) for cell in cells]
        at = [number + place * width for number in range(len(cells))]
        color = "#c0392b" if name == "hikrecv" else str(0.25 + 0.55 * place / len(names))
        above.bar(at, [row.rate.median if row else 0 for row in rows], width, label=name, color=color)
        below.bar(at, [row.cpu.median * 1e6 if row else 0 for row in rows], width, color=color)
    for axis, title in ((above, "events a second, on disk before the 200"), (below, "CPU us an event")):
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_yscale("log")
        axis.grid(axis="y", linewidth=0.3)
    below.set_xticks([number + 0.4 for number in range(len(cells))], cells, rotation=20, ha="right")
    above.legend(ncols=len(names), fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, 1.2))
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)

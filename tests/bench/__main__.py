"""
`make bench`: hikrecv and what a user would pick instead, on the same core, at the same durability.

``python -m tests.bench --quick`` takes a few minutes, the whole about forty.  Prints tables, writes
``bench-results.json``, and with ``--docs`` puts tables and plot into the documentation.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console

from . import alone, page, report
from .cells import GOALS, MORE
from .figures import Goal, Row, Table
from .rounds import Bench
from .servers import ROOT, servers

PLOT = ROOT / "docs" / "_static" / "bench.svg"
PAGE = ROOT / "docs" / "explanation" / "speed.md"


class Results(msgspec.Struct, frozen=True):
    """What a run found; *skipped* says who could not take part, and why."""

    rows: list[Row]
    goals: list[Goal]
    skipped: dict[str, str]


def main(words: list[str]) -> int:
    """Measure, print, and write down; 1 when a goal that could be judged is missed."""
    asked = _options().parse_args(words)
    if asked.again is not None:
        results = msgspec.json.decode(asked.again.read_bytes(), type=Results)
    elif (os.cpu_count() or 1) < 2:
        sys.stderr.write("bench: two cores are needed, one for the server and one for the generator\n")
        return 2
    else:
        results = _measured(asked)
        asked.results.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    _tell(Console(width=140), results, asked.docs)
    return int(any(goal.verdict == "missed" for goal in results.goals))


def _measured(asked: argparse.Namespace) -> Results:
    cells = [cell for cell in (GOALS if asked.quick else GOALS + MORE) if _named(asked.only, cell.title)]
    chosen = [server for server in servers() if _named(asked.servers, server.name)]
    names = {server.name for server in chosen}
    missing = {
        server.name: "not asked for"
        for server in servers()
        if server.kind == "peer" and server.name not in names
    }
    times, seconds = asked.times or (2 if asked.quick else 5), asked.seconds or (1.0 if asked.quick else 2.5)
    folder = Path(tempfile.mkdtemp(prefix="hikrecv-bench-", dir=asked.folder))
    try:
        bench = Bench(folder, chosen)
        table = Table(bench.run(cells, times, seconds) if cells else [])
        skipped = bench.skipped | missing
        goals = table.goals(skipped) + ([] if asked.no_alone else _alone(bench, asked))
    finally:
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return Results(rows=table.rows, goals=goals, skipped=skipped)


def _alone(bench: Bench, asked: argparse.Namespace) -> list[Goal]:
    ours = next((server for server in bench.servers if server.kind == "hikrecv"), None)
    if ours is None:
        return []
    found = alone.journal(bench.folder)
    found += alone.lag(bench, ours, 4.0 if asked.quick else 15.0)
    found += alone.keeping_up(bench, ours, 10.0 if asked.quick else 60.0)
    found += alone.start(
        bench, ours, asked.pushes if asked.pushes is not None else 0 if asked.quick else 1_000_000
    )
    return found


def _tell(console: Console, results: Results, docs: bool) -> None:
    table = Table(results.rows)
    titles = list(dict.fromkeys(row.cell for row in table.rows))
    report.show(console, table, titles)
    report.goals(console, results.goals, results.skipped)
    if docs and titles:
        report.plot(table, titles, PLOT)
        page.write(PAGE, os.path.relpath(PLOT, PAGE.parent), table, results.goals, results.skipped)


def _named(names: str | None, title: str) -> bool:
    return names is None or any(name.strip() == title for name in names.split(","))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, only what the goals need"
    )
    parser.add_argument("--times", type=int, help="rounds; the figures are medians of them")
    parser.add_argument("--seconds", type=float, help="seconds of each measurement")
    parser.add_argument("--servers", help="only these, by name, with commas between")
    parser.add_argument("--only", help='only these cells, such as "W1 close 16", with commas between')
    parser.add_argument(
        "--pushes", type=int, help="how many pushes are in the journal when the start is measured"
    )
    parser.add_argument("--no-alone", action="store_true", help="leave out what is measured of hikrecv alone")
    parser.add_argument("--folder", type=Path, help="where events go meanwhile: on the disk to be measured")
    parser.add_argument("--keep", action="store_true", help="leave that folder")
    parser.add_argument("--again", type=Path, help="show what an earlier run wrote, and measure nothing")
    parser.add_argument("--docs", action="store_true", help="put tables and plot into the documentation")
    parser.add_argument("--results", type=Path, default=Path("bench-results.json"))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The figures in the documentation: a table of all servers, the goals, and the picture."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .figures import Goal, Table

BLOCK = re.compile(r"(<!-- bench: begin -->\n).*?(<!-- bench: end -->)", re.DOTALL)
_VERDICTS = {"aim": "aim reached", "must": "reached", "missed": "**missed**", "open": "open"}


def write(page: Path, plot: str, table: Table, goals: Sequence[Goal], skipped: Mapping[str, str]) -> None:
    """Put what was measured into *page*; *plot* is where it finds the picture."""
    lines = "\n".join(_lines(plot, table, goals, skipped))
    page.write_text(
        BLOCK.sub(lambda found: f"{found[1]}{lines}\n{found[2]}", page.read_text("utf-8")), "utf-8"
    )


def _lines(plot: str, table: Table, goals: Sequence[Goal], skipped: Mapping[str, str]) -> Iterator[str]:
    today = datetime.now().astimezone().date()
    yield f"Measured on {today}: {_machine()}; one core for the server, one for the generator."
    yield "Medians; events a second that are on the disk before their 200, and below them CPU us an event.\n"
    yield f"![Events a second and CPU time of hikrecv and others]({plot})\n"
    servers = list(dict.fromkeys(row.server for row in table.rows))
    yield from _table(("", *servers), _cells(table, servers))
    yield "\nWhat was wanted, and what was found:\n"
    yield from _table(
        ("", "must", "aim", "found", ""),
        ((goal.what, goal.must, goal.aim, goal.found, _VERDICTS[goal.verdict]) for goal in goals),
    )
    for name, why in skipped.items():
        yield f"\nNot measured: {name} ({why})."


def _cells(table: Table, servers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for cell in dict.fromkeys(row.cell for row in table.rows):
        rows = [table.one(cell, server) for server in servers]
        yield (
            cell,
            *(f"{row.rate.median:,.0f}<br>{row.cpu.median * 1e6:,.0f}" if row else "-" for row in rows),
        )


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _machine() -> str:
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    name = cpu[1] if cpu else platform.processor()
    return f"{os.cpu_count()} x {name}, Linux {platform.release()}, Python {platform.python_version()}"

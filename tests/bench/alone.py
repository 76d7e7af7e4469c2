"""What is measured of hikrecv alone: the reactor's lag, keeping up, start and idle memory."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from .cells import Cell
from .figures import Goal, above, below
from .procfs import resident
from .rounds import Bench, say
from .running import Running
from .servers import Place, Server, configure

OFFERED = 300
"""W1 a second, for the reactor's lag."""


def lag(bench: Bench, server: Server, seconds: float) -> list[Goal]:
    """How late the reactor is while W1 come at a steady rate."""
    say("hikrecv: the reactor's lag")
    place = bench.place(server.name)
    found = place.folder / "lag.json"
    configure(place, more=f'[reactions.lag]\nplugin = "lag"\nfile = "{found}"\n')
    cell = Cell("W1", "keep-alive", 16)
    with bench.start(server, place) as running:
        running.send(cell.load(bench.folder, 1.0))
        running.rest()
        load = cell.load(bench.folder, seconds)
        running.send(type(load)(load.request, load.offset, 16, seconds, rate=OFFERED))
    configure(place)
    # The warm-up and the start are in it; they are a small part of the ticks.
    late = sorted(json.loads(found.read_text())[-int(seconds * 700) :])
    p99 = late[int(0.99 * (len(late) - 1))] * 1e3
    return [below(f"reactor lag p99 at {OFFERED} W1/s", 2, 1.2, p99, "ms")]


def keeping_up(bench: Bench, server: Server, seconds: float) -> list[Goal]:
    """Index and reaction may lag behind the answers, but not more and more."""
    found = []
    for cell in (Cell("W2", "close", 64), Cell("W2", "keep-alive", 128)):
        say(f"hikrecv: {cell.title} for {seconds:g} s")
        with bench.start(server, bench.place("hikrecv")) as running:
            measured = running.drive(cell.load(bench.folder, seconds))
        behind = measured.after / seconds
        title = f"{cell.title}, {seconds:g} s at {measured.rate:.0f}/s: index and reaction behind at the end"
        found.append(below(title, 0.05, 0.01, behind, "of the time"))
    return found


def start(bench: Bench, server: Server, pushes: int) -> list[Goal]:
    """Exec to the first accepted connection, and memory at rest; with so many *pushes* in the journal."""
    found = []
    for many in sorted({0, pushes}):
        say(f"hikrecv: start with {many} pushes")
        place = bench.place("hikrecv-start")
        configure(place)
        text = (place.folder / "hikrecv.toml").read_text().replace("[journal]\nmax = 1000000000", "[journal]")
        (place.folder / "hikrecv.toml").write_text(text)
        if many:
            _fill(bench, server, place, many)
        times, sizes = [], []
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                running = Running(server, place, error=bench.folder / "start.log")
                stack.callback(running.stop)
                times.append(running.wait_until_ready())
                running.rest()
                sizes.append(resident(running.process.pid))
        found += [
            below(f"{many:,} pushes: exec to first connection", 1.5, 0.8, sorted(times)[1], "s"),
            below(f"{many:,} pushes: idle memory", 75e6, 60e6, sorted(sizes)[1], "MB", 1e-6),
        ]
    return found


def _fill(bench: Bench, server: Server, place: Place, many: int) -> None:
    cell = Cell("W2", "keep-alive", 128)
    with bench.start(server, place) as running:
        sent, began = 0, time.monotonic()
        while sent < many:
            sent += running.send(cell.load(bench.folder, 10.0)).answered
            say(f"  {sent:,} after {time.monotonic() - began:.0f} s")
        running.rest()


def journal(folder: Path, *, records: int = 2_000, size: int = 290_000) -> list[Goal]:
    """The journal against the same writes and syncs in a bare loop, in this process."""
    from .disk import bare, kept

    say("the journal against a bare loop")
    ratios = []
    for turn in range(5):
        place = folder / f"disk-{turn}"
        place.mkdir()
        ratios.append(kept(place, records, size) / bare(place, records, size))
    ratios.sort()
    return [above("journal against a bare loop", 0.6, 0.85, ratios[2], " x")]


def pin(core: int) -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, {core})

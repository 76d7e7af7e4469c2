"""The measurement: every server in turn, again and again, so that a busy moment hits all alike."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .cells import Cell
from .figures import Row
from .running import Measured, Running, free_port
from .servers import JOURNAL, Missing, Place, Server, compile_c, configure

WARM = 0.4
"""Seconds of each cell before it is measured: what compiles while it runs has done so by then."""


class Bench:
    """
    One run of the benchmark.

    :param folder: for events and results; on the disk that is to be measured.
    :ivar skipped: who could not take part, and why.
    """

    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        self.folder, self.tools = folder, folder / "tools"
        self.tools.mkdir(parents=True, exist_ok=True)
        compile_c(Path(__file__).with_name("load.c"), self.tools / "load")
        self.skipped: dict[str, str] = {}
        self.servers: list[Server] = []
        for server in servers:
            try:
                server.build(self.tools)
                self.servers.append(server)
            except Missing as missing:
                self.skipped[server.name] = str(missing)
        self._runs: dict[tuple[str, Cell], list[Measured]] = defaultdict(list)

    def run(self, cells: Sequence[Cell], times: int, seconds: float) -> list[Row]:
        """Measure all *cells* of all servers so many *times*; gives the medians."""
        self._fill()
        for turn in range(times):
            # Nobody is at her best just after the start, so it is another cell that comes first each time.
            first = turn * len(cells) // times
            for server in self.servers:
                say(f"{turn + 1}/{times} {server.name}")
                self._visit(server, (*cells[first:], *cells[:first]), seconds)
        return [
            Row.of(server.name, server.kind, cell, runs)
            for cell in cells
            for server in self.servers
            if (runs := self._runs.get((server.name, cell)))
        ]

    def place(self, name: str) -> Place:
        """Where the server *name* works; hikrecv goes on where it was, the others begin anew."""
        folder = self.folder / name.replace(" ", "-")
        if name != "hikrecv":
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        return Place(self.tools, folder, free_port())

    def start(self, server: Server, place: Place) -> Running:
        """Start it and wait until it listens."""
        error = self.folder / f"{server.name.replace(' ', '-')}.log"
        running = Running(server, place, error=error)
        try:
            running.wait_until_ready()
        except BaseException as problem:
            running.stop()
            problem.add_note(f"{server.name} said: {error.read_text()[-2000:]}")
            raise
        return running

    def _fill(self) -> None:
        """A receiver of some age has a full journal, and writes over the oldest segments."""
        ours = next((server for server in self.servers if server.kind == "hikrecv"), None)
        if ours is None:
            return
        say("hikrecv fills its journal")
        place = self.place(ours.name)
        configure(place)
        cell = Cell("W1", "keep-alive", 16)
        with self.start(ours, place) as running:
            sent = 0
            while sent < 1.2 * JOURNAL / 290_000:
                sent += running.send(cell.load(self.folder, 1.0)).answered
            running.rest()

    def _visit(self, server: Server, cells: Sequence[Cell], seconds: float) -> None:
        place = self.place(server.name)
        with self.start(server, place) as running:
            for cell in cells:
                if cell.way == "chunked" and server.name.startswith("C"):
                    continue  # it knows lengths only
                running.send(cell.load(self.folder, WARM))
                running.rest()
                self._runs[server.name, cell].append(running.drive(cell.load(self.folder, seconds)))
                self._sweep(server, place)
        if server.kind != "hikrecv":
            shutil.rmtree(place.folder, ignore_errors=True)

    def _sweep(self, server: Server, place: Place) -> None:
        # A folder with a hundred thousand files is no fair place, nor is a full disk.
        if server.kind == "peer":
            for file in place.folder.iterdir():
                file.unlink(missing_ok=True)


def say(what: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"bench: {what}\n")
    sys.stderr.flush()

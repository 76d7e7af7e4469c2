"""
`make hostile`: attacks on a real receiver, on loopback, and what they cost it and the others.

Prints a table, and exits with 1 when the receiver's memory or its CPU time for each
megabyte is above the ceiling of that attack, when something was kept that may not be, or
when a known device was not answered 200.  The others' p99 is shown beside that of quiet
times, and fails only far above it: the machine has other things to do, too.
``python -m tests.hostile WORD`` does only the attacks with that word in their names.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from ..bench.procfs import forget_peak, used
from ..functional.harness import Receiver
from ..load.crowd import Crowd
from ..load.sides import quantile
from .attacks import MB, SHARES, Attack, decoding
from .senders import TABLES, good_neighbour

QUIET = 3.0
"""Seconds in which the good neighbour is alone."""
SLOW = 5.0
"""Seconds of the others' p99 that fail in any case: a device gives up after ten."""
SIZE = 27 * MB
"""Of each body that costs much; some come out larger, and all must be below `limits.body`."""


class Outcome(NamedTuple):
    """What an attack cost; *wrong* is "" or what should not be."""

    attack: Attack
    sent: int
    rss: float
    cpu: float
    quiet: float
    p99: float
    wrong: str

    @property
    def good(self) -> bool:
        return not self.wrong


def attacked(attacks: list[Attack]) -> Iterator[Outcome]:
    """Do them one after the other; neighbours in the list with the same tables use one receiver."""
    for (tables, _), group in groupby(attacks, lambda each: (each.tables, each.files)):
        # What takes from others is judged by what is in the journal, and begins with an empty one.
        for some in [list(group)] if not tables.startswith(TABLES) else ([each] for each in group):
            with tempfile.TemporaryDirectory(prefix="hikrecv-hostile-") as folder:
                receiver = Receiver(Path(folder) / "receiver", tables)
                try:
                    some[0].start(receiver)
                    quiet, _ = _neighbour(receiver.port, QUIET)
                    for attack in some:
                        sys.stderr.write(f"hostile: {attack.name} ...\n")
                        yield _measured(attack, receiver, quiet)
                finally:
                    receiver.end()


def _measured(attack: Attack, receiver: Receiver, quiet: list[float]) -> Outcome:
    assert receiver.process is not None
    pid, port = receiver.process.pid, receiver.port
    forget_peak(pid)
    before = used(pid).cpu
    neighbour = Crowd(good_neighbour, port)
    try:
        neighbour.hears()
        sent, failed = 0, ""
        try:
            sent = attack.run(receiver)
        except AssertionError as error:
            failed = str(error)
        neighbour.tell()
        waits, refused = neighbour.hears()
    finally:
        neighbour.end()
    after = used(pid)
    rss, cpu = after.peak / MB, (after.cpu - before) / max(1.0, sent / MB)
    p99, alone = quantile(waits, 0.99), quantile(quiet, 0.99)
    troubles = [
        failed,
        rss > attack.rss and f"more than {attack.rss:.0f} MB of memory",
        cpu > attack.cpu and f"more than {attack.cpu:g} s of CPU a megabyte",
        p99 > max(SLOW, 50 * alone) and f"the others waited {p99:.1f} s",
        bool(refused) and f"a known device was told {refused}",
        attack.holds(receiver),
    ]
    wrong = "; ".join(str(each) for each in troubles if each)
    return Outcome(attack, sent, rss, cpu, alone * 1000, p99 * 1000, wrong)


def _neighbour(port: int, seconds: float) -> tuple[list[float], dict[str, int]]:
    neighbour = Crowd(good_neighbour, port)
    try:
        neighbour.hears()
        with contextlib.suppress(TimeoutError):
            neighbour.hears(seconds)
        neighbour.tell()
        waits, refused = neighbour.hears()
        return waits, refused
    finally:
        neighbour.end()


def table(found: list[Outcome]) -> Table:
    """Each attack with what it cost."""
    grid = Table(box=None, pad_edge=False)
    grid.add_column("ATTACK")
    for heading in ("SENT MB", "RSS MB", "AT MOST", "CPU s/MB", "AT MOST", "P99 ms", "QUIET"):
        grid.add_column(heading, justify="right")
    grid.add_column("")
    for each in found:
        grid.add_row(
            each.attack.name,
            f"{each.sent / MB:,.1f}",
            f"{each.rss:,.0f}",
            f"{each.attack.rss:,.0f}",
            f"{each.cpu:.3f}",
            f"{each.attack.cpu:g}",
            f"{each.p99:,.0f}",
            f"{each.quiet:,.0f}",
            each.wrong or "held",
        )
    return grid


def main(words: list[str]) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard) if soft < hard else (soft, hard))
    attacks = [
        each for each in (*SHARES, *decoding(SIZE)) if not words or any(word in each.name for word in words)
    ]
    if not attacks:
        sys.stderr.write(f"hostile: no attack is called {' or '.join(words)}\n")
        return 2
    found: list[Outcome] = []
    for outcome in attacked(attacks):
        found.append(outcome)
        if outcome.wrong:
            sys.stderr.write(f"hostile: {outcome.attack.name}: {outcome.wrong}\n")
    Console(width=150).print(table(found))
    return 0 if all(each.good for each in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

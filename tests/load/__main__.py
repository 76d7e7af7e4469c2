"""
`make load`: thousands of connections against a real receiver, on loopback.

Prints what was measured beside what is wanted, and exits with 1 when something is
not reached.  What is missed is measured again, because others may be using this
machine; the table says so.  ``python -m tests.load idle slow`` measures only those.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from ..functional.harness import Receiver
from .crowd import raise_file_limit
from .figures import FIGURES, TABLES
from .goals import Figure, table

TRIES = 3


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        sys.stderr.write(f"load: unknown {unknown[0]}; there are {', '.join(FIGURES)}\n")
        return 2
    raise_file_limit()
    found = [(figure, tries) for name in names or FIGURES for figure, tries in _figures(name)]
    Console(width=120).print(table(found))
    return 0 if all(figure.good for figure, _ in found) else 1


def _figures(name: str) -> list[tuple[Figure, int]]:
    found: list[Figure] = []
    tries = 0
    while tries < TRIES and not (found and all(figure.good for figure in found)):
        sys.stderr.write(f"load: {name} ...\n")
        tries += 1
        found = _measure(name)
    return [(figure, tries) for figure in found]


def _measure(name: str) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hikrecv-load-") as folder:
        receiver = Receiver(Path(folder), TABLES)
        try:
            receiver.start()
            return FIGURES[name](receiver)
        finally:
            receiver.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

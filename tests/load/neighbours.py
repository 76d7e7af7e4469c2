"""What one reaction in trouble costs the answer of every device: nothing, or nearly."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .goals import Figure
from .sides import Side, by_turns

ROUNDS = 6
SECONDS = 2.5
"""Of each round, with the neighbour and without."""
BURN = """
import time
from hikrecv import hookimpl
@hookimpl
def hikrecv_event(event):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        pass
"""


class Trouble(NamedTuple):
    """
    A reaction that nobody wants to live beside.

    :param most: what it may cost at p99; in ms, or in percent of what the answer takes without it.
    """

    name: str
    source: str
    settings: str = ""
    most: tuple[float, str] = (10, "%")


def _async(body: str) -> str:
    return f"""
import os
from twisted.internet.defer import CancelledError, Deferred
from hikrecv import hookimpl
@hookimpl
async def hikrecv_event(event):
{body}
"""


TROUBLES = (
    Trouble("hangs", _async("    await Deferred()"), 'timeout = "1s"'),
    Trouble(
        "is cancelled and goes on",
        _async(
            "    while True:\n        try:\n            await Deferred()\n"
            "        except CancelledError:\n            pass"
        ),
        'timeout = "1s"',
    ),
    Trouble("fails always", _async("    raise ValueError('of no use')")),
    Trouble("raises SystemExit", _async("    raise SystemExit(1)")),
    Trouble(
        "ends its process, isolated",
        "import os\nfrom hikrecv import hookimpl\n@hookimpl\ndef hikrecv_event(event): os._exit(1)\n",
        "isolate = true",
    ),
    Trouble("burns the processor in its thread", BURN, most=(10, "ms")),
    Trouble("burns the processor, isolated", BURN, "isolate = true"),
)


def beside(trouble: Trouble, folder: Path) -> list[Figure]:
    """The answer's p99 with *trouble* as a neighbour, against the same without it."""
    table = f'[reactions.trouble]\nplugin = "trouble"\n{trouble.settings}\n'
    bare = Side(folder / "bare", "", {})
    troubled = Side(folder / "beside", table, {"trouble": trouble.source})
    by_turns([bare, troubled], ROUNDS, SECONDS)
    most, unit = trouble.most
    cost = troubled.p99 - bare.p99 if unit == "ms" else (troubled.p99 / bare.p99 - 1) * 100
    p99 = f"{bare.p99:.2f} -> {troubled.p99:.2f} ms"
    name = f"beside one that {trouble.name}: the answer's p99 ({p99}) is longer by"
    return [Figure(name, cost, most, unit)]

"""
`make load-reactions`: what many reactions cost the answer, and how soon a plugin in trouble is seen.

Two receivers take turns: one has no reaction, the other 50 with a `when`, or one in some kind of
trouble. Prints what was measured beside what is wanted, and exits with 1 when something is not
reached. What is missed is measured again, because others may be using this machine; the table says so.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from ..functional.harness import NOTING, Device, Receiver, noted, until
from .goals import Figure, table
from .neighbours import TROUBLES, beside
from .sides import RATE, Side, by_turns

REACTIONS = 50
ROUNDS = 8
SECONDS = 4.0
"""Of each round, at each of the two."""
TRIES = 3

RULES = (
    'family == "face-match" and match.similarity >= 0.9 and match.library == "staff"',
    'family == "plate" and like(plate.text, "B AB*") and plate.confidence > 0.8',
    'device.id == "gate" and targets.kind == "human" and (hour >= 22 or hour < 6)',
    'type in ["fielddetection", "regionEntrance"] and targets.kind == "vehicle"',
    'channel.name == "Yard" and not (freshness == "resent") and state == "active"',
)
NOOP = """
from hikrecv import hookimpl
@hookimpl
async def hikrecv_event(event): pass
"""
PLUGINS = {
    "cannot be imported": "import no_such_library\n",
    "hangs at its start": """
from twisted.internet.defer import Deferred
from hikrecv import hookimpl
@hookimpl
async def hikrecv_start():
    await Deferred()
@hookimpl
async def hikrecv_event(event): pass
""",
    "hangs in its thread": """
import threading
from hikrecv import hookimpl
@hookimpl
def hikrecv_start():
    threading.Event().wait()
@hookimpl
def hikrecv_event(event): pass
""",
    "raises at every event": """
from hikrecv import hookimpl
@hookimpl
async def hikrecv_event(event):
    raise ValueError("of no use")
""",
}
IN_TROUBLE = ("blocked", "starting", "retrying", "probing")


def with_rules(folder: Path) -> list[Figure]:
    """The answer's p99 and the CPU time, beside a receiver without reactions."""
    table = "[reactions.r{n}]\nplugin = \"noop\"\nwhen = '{rule}'\n"
    tables = "".join(table.format(n=n, rule=RULES[n % len(RULES)]) for n in range(REACTIONS))
    sides = [Side(folder / name, text, {"noop": NOOP}) for name, text in (("bare", ""), ("rules", tables))]
    by_turns(sides, ROUNDS, SECONDS)
    bare, rules = sides
    cost = (rules.cpu - bare.cpu) / len(rules.waits) / REACTIONS
    p99 = f"{bare.p99:.1f} -> {rules.p99:.1f} ms"
    return [
        Figure(
            f"{REACTIONS} rules at {RATE:g}/s: the answer's p99 ({p99}) is longer by",
            (rules.p99 / bare.p99 - 1) * 100,
            20,
            "%",
        ),
        Figure(f"{REACTIONS} rules at {RATE:g}/s: CPU of each for an event", cost * 1e6, 10, "us"),
    ]


def in_trouble(folder: Path) -> list[Figure]:
    """How long until each trouble is seen, and what the reaction beside them is given."""
    names = dict(zip(("one", "two", "three", "four"), PLUGINS, strict=True))
    plugins = {name: PLUGINS[trouble] for name, trouble in names.items()}
    tables = "".join(f'[reactions.{name}]\nplugin = "{name}"\n' for name in (*names, "fine"))
    receiver = Receiver(folder / "trouble", tables, plugins={**plugins, "fine": NOTING})
    try:
        receiver.start()
        device = Device(receiver.port, large_every=0)
        began = time.monotonic()
        device.send()
        seen: dict[str, float] = {}
        until(lambda: _look(receiver, seen, began) == len(names), "each trouble is seen", 30.0)
        for _ in range(499):
            device.send()
        device.hang_up()
        time.sleep(1.0)
        missing = 500 - len(noted(receiver, "fine"))
    finally:
        receiver.end()
    figures = [Figure(f"a plugin that {names[name]}: seen after", seen[name], 1, "s") for name in names]
    return [*figures, Figure("500 events, of which a reaction beside them is not given", missing, 0, "")]


def _look(receiver: Receiver, seen: dict[str, float], began: float) -> int:
    for row in receiver.tell("reactions"):
        if row["name"] != "fine" and row["state"] in IN_TROUBLE:
            seen.setdefault(row["name"], time.monotonic() - began)
    return len(seen)


def _measured(what: str, measure: Callable[[Path], list[Figure]]) -> list[tuple[Figure, int]]:
    found: list[Figure] = []
    tries = 0
    while tries < TRIES and not (found and all(figure.good for figure in found)):
        sys.stderr.write(f"load: {what} ...\n")
        tries += 1
        with tempfile.TemporaryDirectory(prefix="hikrecv-load-") as folder:
            found = measure(Path(folder))
    return [(figure, tries) for figure in found]


def main(words: list[str]) -> int:
    """Measure everything, or what is named by a part of its name."""
    measures = [("many rules", with_rules), ("plugins in trouble", in_trouble)]
    measures += [(f"beside one that {each.name}", partial(beside, each)) for each in TROUBLES]
    found = []
    for what, measure in measures:
        if not words or any(word in what for word in words):
            for figure, tries in _measured(what, measure):
                sys.stderr.write(f"load: {figure.name} {figure.measured:,.1f} {figure.unit}\n")
                found.append((figure, tries))
    Console(width=140).print(table(found))
    return 0 if all(figure.good for figure, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

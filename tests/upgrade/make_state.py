"""
Makes a state directory with a past, to be kept as test data: `python tests/upgrade/make_state.py NAME`.

Run at the commit whose formats are to be kept.  A receiver lives through what a receiver lives through
in years: `kill -9` under load, a reaction paused, one removed, one that refuses, one that acts at most
once, names masked, a record whose bytes rot.  What that hikrecv itself says of the result is written
beside the archive, and is what a newer one must find in it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tarfile
import tempfile
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
STATES = HERE / "states"
CONFIG = """
[journal]
keep = "36500d"
max = "2MB"
segment = "200KB"
ballast = "100KB"

[privacy]
mask = ["names"]

[devices.gate]
mac = "ac:cb:51:00:00:46"

[reactions.hq]
plugin = "noting"

[reactions.door]
plugin = "noting"
families = ["access"]
delivery = "at-most-once"
max_age = "36500d"

[reactions.refuses]
plugin = "refusing"
families = ["access"]

[reactions.rests]
plugin = "noting"
"""
"""What the state lived with; `keep` is longer than any test data can grow old."""

GONE = '\n[reactions.gone]\nplugin = "noting"\n'
REFUSING = """
from hikrecv import Reject, hookimpl

@hookimpl
async def hikrecv_event(event, context):
    if event.access.serial_no % 5 == 0:
        raise Reject("fives are refused")
"""


def load_harness() -> ModuleType:
    """The functional tests' harness."""
    spec = spec_from_file_location("functional_harness", HERE.parent / "functional" / "harness.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def live(harness: ModuleType, folder: Path) -> Any:
    """A receiver's life up to a `kill -9`; gives the receiver."""
    from hikrecv.testing.profiles import Identity, minmoe

    plugins = {"noting": harness.NOTING, "refusing": REFUSING}
    receiver = harness.Receiver(folder, CONFIG + GONE, plugins=plugins).start()
    terminal = Identity(70)
    serial = 0

    def punch() -> None:
        nonlocal serial
        serial += 1
        message = minmoe.verified(terminal, datetime.now().astimezone(), serial, person=serial % 3)
        assert harness.post(receiver.port, message).status == 200

    for _ in range(5):
        punch()
    receiver.wait_until_idle()
    receiver.tell("reactions.pause", name="rests")
    receiver.stop()
    receiver.configure(CONFIG)
    receiver.start()
    with harness.Fleet(4, large_every=0) as fleet:
        fleet.start(receiver.port)
        for _ in range(2):
            fleet.wait_for(20)
            receiver.kill()
            receiver.start()
            fleet.go_to(receiver.port)
        for _ in range(8):
            punch()
        fleet.wait_for(20)
    receiver.wait_until_idle(but="rests")
    # Until the cursors are in the ledger: what is compared is what is on disk.
    harness.until(lambda: _settled(receiver), "the cursors are written")
    receiver.kill()
    return receiver


def _settled(receiver: Any) -> bool:
    with sqlite3.connect(f"{receiver.state.ledger.as_uri()}?mode=ro", uri=True) as ledger:
        cursors = dict(ledger.execute("SELECT reaction, cursor FROM places"))
    last = receiver.tell("status")["journal"]["durable"]
    return all(cursors[name] == last for name in ("hq", "door", "refuses"))


def rot(receiver: Any, harness: ModuleType) -> int:
    """Damage one record in the oldest segment; gives its number."""
    from hikrecv.journal.reader import JournalReader

    victim = 8
    entry = next(JournalReader(receiver.state.root).entries(victim))
    needle = entry.push.body
    for path in sorted(receiver.state.journal.glob("*.seg")):
        data = bytearray(path.read_bytes())
        if (at := data.find(needle)) >= 0:
            data[at + 40 : at + 44] = b"\xff\x00\xff\x00"
            path.write_bytes(data)
            return victim
    raise AssertionError("the record is in no segment")


def remember(receiver: Any) -> dict[str, Any]:
    """What this hikrecv says of the state; read without changing it."""
    from hikrecv.journal.ledger import Ledger

    with sqlite3.connect(f"{receiver.state.ledger.as_uri()}?mode=ro", uri=True) as ledger:
        marks = sorted(ledger.execute("SELECT reaction, key FROM marks").fetchall())
    book = Ledger.read(receiver.state.ledger)
    places = {
        name: {"cursor": place.cursor, "paused": place.paused, "removed": place.removed_at is not None}
        for name, place in book.places().items()
    }
    letters = [[each.reaction, each.event, each.key, each.seq] for each in book.dead_letters()]
    book.close()
    events = [[event.id, event.key, event.family, event.duplicate_of or ""] for event in receiver.events()]
    return {"events": events, "places": places, "marks": marks, "dead_letters": letters}


def main(name: str) -> None:
    """Make ``states/NAME.tar.xz`` and ``states/NAME.json``."""
    harness = load_harness()
    with tempfile.TemporaryDirectory() as place:
        receiver = live(harness, Path(place) / "receiver")
        victim = rot(receiver, harness)
        found = remember(receiver) | {"damaged": victim}
        STATES.mkdir(exist_ok=True)
        with tarfile.open(STATES / f"{name}.tar.xz", "w:xz") as archive:
            for part in ("state", "hikrecv.toml", "plugins"):
                archive.add(receiver.folder / part, part, filter=_plain)
        (STATES / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"{name}: {len(found['events'])} events, {len(found['marks'])} marks")


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's name, no socket, no cache."""
    if not (info.isfile() or info.isdir()) or "__pycache__" in info.name:
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main(sys.argv[1])

"""
What a power cut may leave of the real process, and a start on it.

A shim (`shim/shim.c`) is preloaded into a receiver and writes down every write, sync, rename, unlink,
truncation and allocation below its state directory.  Played back up to any moment, with everything that was
not synced dropped, torn or kept at random, that gives the directories that a power cut at that moment may
leave; on each of them a receiver has to find every push that had been answered 200 by then.  The control
plays back as if nothing had been synced, and must lose.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from functional_harness import NOTING, Device, Receiver, digest, noted, until

from hikrecv.config import JournalTable
from hikrecv.journal.journal import Journal
from hikrecv.journal.ledger import Ledger

spec = spec_from_file_location("journal_stores", Path(__file__).parents[1] / "journal" / "stores.py")
assert spec is not None
assert spec.loader is not None
stores = sys.modules.setdefault(spec.name, module_from_spec(spec))
if not hasattr(stores, "MemoryStore"):
    spec.loader.exec_module(stores)

pytestmark = [pytest.mark.functional]

SOURCE = Path(__file__).with_name("shim") / "shim.c"
HEAD = struct.Struct("<QBiQII")
TABLES = """
[journal]
segment = "1MB"
max = "8MB"
ballast = "64KB"
[reactions.all]
plugin = "noting"
[reactions.once]
plugin = "noting"
delivery = "at-most-once"
max_age = "1h"
"""


class Entry(NamedTuple):
    """One call of the process."""

    number: int
    kind: str
    fd: int
    offset: int
    path: str
    data: bytes


class Shim:
    """
    The shim around one receiver.

    :ivar answered: the number of the last call before each push's 200 was here, by the body's digest.
    """

    def __init__(self, library: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = folder / "calls"
        self.answered: dict[str, int] = {}
        self._library, self._patch = library, monkeypatch

    def start(self, receiver: Receiver, **rules: str) -> Receiver:
        """Start *receiver* under it; rules are ``fail`` and ``slow`` as in ``shim.c``."""
        with self._patch.context() as patch:
            patch.setenv("LD_PRELOAD", str(self._library))
            patch.setenv("SHIM_ROOT", str(receiver.state.root))
            patch.setenv("SHIM_LOG", str(self.log))
            for name, rule in rules.items():
                patch.setenv(f"SHIM_{name.upper()}", rule)
            return receiver.start()

    @property
    def count(self) -> int:
        """How many calls there were so far."""
        found: int = struct.unpack("<Q", self.log.with_name("calls.count").read_bytes())[0]
        return found

    def send(self, device: Device) -> None:
        """Send one, and remember when it was answered."""
        message = device.message()
        if device.send(message).status == 200:
            self.answered[digest(message.body)] = self.count

    def entries(self) -> Iterator[Entry]:
        """Every call, in order."""
        with self.log.open("rb") as file:
            while head := file.read(HEAD.size):
                number, kind, fd, offset, path, data = HEAD.unpack(head)
                yield Entry(number, chr(kind), fd, offset, file.read(path).decode(), file.read(data))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler for the shim: apt install gcc libc6-dev")
    target = tmp_path_factory.mktemp("shim") / "shim.so"
    line = [compiler, "-Wall", "-Wextra", "-O1", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    done = subprocess.run([*line, "-lpthread"], capture_output=True, text=True, check=False)
    if done.returncode and "dlfcn.h" in done.stderr:
        pytest.skip("the C compiler has no headers: apt install libc6-dev")
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def shim(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shim:
    return Shim(library, tmp_path, monkeypatch)


class Playback:
    """
    Plays the calls into a file system in memory that knows what is on the disk.

    :param without: kinds of calls that are taken for not made.
    """

    def __init__(self, without: str = "") -> None:
        self.store = stores.MemoryStore()
        self._without = without
        self._fds: dict[int, Any] = {}

    def play(self, entry: Entry) -> None:
        if entry.kind in self._without:
            return
        path = Path(entry.path)
        if entry.kind == "o":
            self._open(entry.fd, path, entry.offset)
        elif entry.kind == "c":
            self._fds.pop(entry.fd, None)
        elif entry.kind == "r":
            if path in self.store.files:
                self._replace(path, Path(entry.data.decode()))
        elif entry.kind == "u":
            self.store.unlink(path)
        else:
            self._on_file(entry, self._fds.get(entry.fd), path)

    def _open(self, fd: int, path: Path, flags: int) -> None:
        if flags & os.O_DIRECTORY:
            self._fds[fd] = None
            return
        for folder in reversed(path.parents):
            self.store.directories.add(folder)
        if path not in self.store.files and flags & os.O_CREAT:
            self.store.close(self.store.create(path, 0))
        inode = self._fds[fd] = self.store.files.get(path)
        if inode is not None and flags & os.O_TRUNC:
            inode.resize(0)

    def _replace(self, old: Path, new: Path) -> None:
        self.store.directories.add(new.parent)
        self.store.rename(old, new)

    def _on_file(self, entry: Entry, inode: Any, path: Path) -> None:
        if inode is None:
            if entry.kind == "s":
                self.store.sync_directory(path)
        elif entry.kind == "w":
            inode.touch(entry.offset, entry.data)
        elif entry.kind == "t" or (entry.kind == "a" and entry.offset > len(inode.data)):
            inode.resize(entry.offset)
        elif entry.kind == "s":
            inode.sync()
            # As on every file system in use: the name of a new file comes to the disk with the file's sync.
            self._name(inode)
        elif entry.kind == "x":
            inode.fail_to_sync()

    def _name(self, inode: Any) -> None:
        for change in [each for each in self.store.pending if each[0] == "create" and each[3] is inode]:
            self.store.pending.remove(change)
            self.store.on_disk[change[1]] = inode


def bodies_after(store: Any, state: Path) -> set[str]:
    """The digests of what the real recovery finds on *store*; nothing of it may be damaged."""
    journal = Journal.open(
        state,
        JournalTable(),
        from_thread=lambda function, *values: function(*values),
        on_broken=lambda error: None,
        threaded=False,
        store=store,
    )
    assert journal.report.damages == ()
    return {digest(entry.push.body) for entry in journal.entries(journal.first)}


def lay_out(store: Any, state: Path, folder: Path) -> None:
    """Make real files of it."""
    for path, inode in store.files.items():
        target = folder / path.relative_to(state)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(inode.data)
        target.chmod(0o600)


def play_and_cut(shim: Shim, receiver: Receiver, cuts: int, without: str = "") -> Iterator[tuple[int, Any]]:
    """Moments, and what a power cut at each may leave."""
    random, playback = Random(11), Playback(without)
    first = min(shim.answered.values())
    moments = sorted(random.sample(range(first, shim.count), min(cuts, shim.count - first)))
    for entry in shim.entries():
        playback.play(entry)
        while moments and entry.number >= moments[0]:
            yield moments.pop(0), playback.store.after_power_cut(random)


def answered_by(shim: Shim, moment: int) -> set[str]:
    return {known for known, number in shim.answered.items() if number <= moment}


def record(shim: Shim, receiver: Receiver, pushes: int) -> None:
    """A life with some load, a kill and a second life."""
    for part in (pushes // 2, pushes - pushes // 2):
        shim.start(receiver)
        with Device(receiver.port) as one, Device(receiver.port) as two:
            for number in range(part):
                shim.send((one, two)[number % 2])
        receiver.kill()


def check(shim: Shim, receiver: Receiver, tmp_path: Path, cuts: int) -> None:
    state = receiver.state.root
    checked = 0
    for moment, store in play_and_cut(shim, receiver, cuts):
        folder = tmp_path / "after"
        lay_out(store, state, folder)
        lost = answered_by(shim, moment) - bodies_after(store, state)
        assert not lost, f"a power cut after call {moment} loses {len(lost)} pushes that were answered 200"
        ledger = Ledger.open(folder / "ledger.sqlite")
        assert all(place.placed for place in ledger.places().values())
        ledger.close()
        shutil.rmtree(folder)
        checked += 1
    assert checked == cuts


def test_whatever_a_power_cut_leaves_every_push_that_was_answered_is_there(
    new_receiver: Any, shim: Shim, tmp_path: Path
) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    record(shim, receiver, 40)

    check(shim, receiver, tmp_path, 40)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_whatever_a_thousand_power_cuts_leave_every_push_is_there(
    new_receiver: Any, shim: Shim, tmp_path: Path
) -> None:
    receiver = new_receiver(TABLES.replace("8MB", "64MB"), plugins={"noting": NOTING})
    record(shim, receiver, 200)

    check(shim, receiver, tmp_path, 1000)


def test_the_control_that_ignores_syncs_loses(new_receiver: Any, shim: Shim) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    record(shim, receiver, 20)
    lost = 0
    for moment, store in play_and_cut(shim, receiver, 10, without="s"):
        with contextlib.suppress(Exception):
            lost += len(answered_by(shim, moment) - bodies_after(store, receiver.state.root))

    assert lost


def test_a_receiver_starts_on_what_a_power_cut_left_and_hands_it_over(
    new_receiver: Any, shim: Shim, tmp_path: Path
) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    record(shim, receiver, 20)
    moment, store = list(play_and_cut(shim, receiver, 5))[-1]
    shutil.rmtree(receiver.state.root)
    lay_out(store, receiver.state.root, receiver.state.root)
    receiver.state.root.chmod(0o700)

    receiver.start()
    receiver.wait_until_idle()
    kept = receiver.kept()

    assert answered_by(shim, moment) <= set(kept.values())
    # What a crash takes of a cursor is repeated; what it takes of the plugin's own notes is the plugin's.
    assert receiver.reaction("all")["lag_events"] == 0
    assert "ALARM" not in receiver.log.rpartition("listening")[2]


# -- calls that fail, and calls that are slow ---------------------------------------------


def test_one_failed_sync_of_the_ledger_does_not_block_at_most_once_for_ever(
    new_receiver: Any, shim: Shim
) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    # The log of the ledger is synced with each mark; the twelfth of them fails.
    shim.start(receiver, fail="fdatasync:ledger.sqlite-wal:12:5,fsync:ledger.sqlite-wal:12:5")
    with Device(receiver.port, large_every=0) as device:
        for _ in range(20):
            shim.send(device)
    receiver.wait_until_idle()
    row = receiver.reaction("once")

    assert len(shim.answered) == 20
    assert "cannot be used now: disk I/O error" in receiver.log
    assert (row["state"], row["dead"]) == ("waiting", 0)
    assert sorted(note.seq for note in noted(receiver, "once")) == list(range(1, 21))


def test_a_failed_sync_of_the_journal_ends_the_receiver_and_acknowledges_nothing(
    new_receiver: Any, shim: Shim
) -> None:
    receiver = new_receiver(TABLES, plugins={"noting": NOTING})
    shim.start(receiver, fail="fdatasync:.seg:9:5")
    with Device(receiver.port, large_every=0) as device, contextlib.suppress(OSError):
        for _ in range(20):
            shim.send(device)
    assert receiver.process is not None
    assert receiver.process.wait(20) == 4
    receiver.start()

    assert 0 < len(shim.answered) < 20
    assert set(shim.answered) <= set(receiver.kept().values())


def test_a_disk_that_does_not_answer_does_not_keep_the_process(new_receiver: Any, shim: Shim) -> None:
    receiver = new_receiver("", plugins={})
    shim.start(receiver, slow="fdatasync:.seg:40000")
    message = Device(large_every=0).message()
    line = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
    line.request("POST", "/", message.body, {"Content-Type": message.content_type})
    until(lambda: receiver.tell("status")["journal"]["queued"], "the push waits for the disk")
    began = time.monotonic()
    code = receiver.stop(20)
    line.close()

    assert time.monotonic() - began < 15
    assert code == 1
    assert "not stopped within 15 s (waiting for the disk), so the process ends now" in receiver.log

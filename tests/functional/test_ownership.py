"""What root does in the state directory of a service leaves every file with the service's user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from functional_harness import Receiver, post, until
from twisted.internet import reactor

from hikrecv.config import Config
from hikrecv.ownership import give_all
from hikrecv.state import State
from hikrecv.storage import Storage
from hikrecv.testing.profiles.deepinview import vendor_note

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave files that are another user's"),
]

WRITES = """
from hikrecv import Reject, hookimpl

@hookimpl
def hikrecv_start(context):
    (context.state_dir / "begun").write_text("begun")

@hookimpl
def hikrecv_event(event, context):
    (context.state_dir / f"{event.seq}-{context.replay}").write_text("done")
    if not context.replay:
        raise Reject("for a dead letter")
"""
TABLES = '[reactions.writes]\nplugin = "writes"\n[reactions.other]\nplugin = "writes"\n'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One whose state directory belongs to nobody, after it has had an event as root."""
    folder = Path(tempfile.mkdtemp(prefix="hikrecv-"))
    folder.chmod(0o755)
    made = Receiver(folder / "receiver", TABLES, plugins={"writes": WRITES})
    try:
        made.start()
        assert post(made.port, vendor_note()).status == 200
        made.wait_until_idle()
        made.stop()
        for path in (made.state.root, *made.state.root.rglob("*")):
            os.chown(path, *nobody())
        yield made
    finally:
        made.end()
        shutil.rmtree(folder)


def nobody() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def others(root: Path) -> list[str]:
    """Files that are not nobody's."""
    found = ((path, path.lstat()) for path in (root, *root.rglob("*")))
    return [str(path) for path, status in found if (status.st_uid, status.st_gid) != nobody()]


COMMANDS = [
    ["reindex"],
    ["reactions"],
    ["reactions", "pause", "writes"],
    ["reactions", "rewind", "writes", "--to", "beginning"],
    ["replay", "writes", "--from", "1"],
    ["dead-letters", "retry", "1"],
    ["dead-letters", "drop", "2"],
    ["export", "STATE/export"],
    ["show", "1", "--pictures", "STATE/pictures"],
    ["events"],
    ["devices"],
    ["verify"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_root_leaves_everything_with_the_owner(receiver: Receiver, words: list[str]) -> None:
    root = receiver.state.root
    # What is missing is made again, by whoever comes first.
    for file in ("lock", "plugins", *(["index.sqlite"] if words == ["reindex"] else [])):
        path = root / file
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    before = sorted(root.rglob("*"))
    receiver.command(*(word.replace("STATE", str(root)) for word in words))

    assert others(root) == []
    assert words[0] not in ("reindex", "replay", "export") or sorted(root.rglob("*")) != before


def test_a_receiver_that_root_starts_leaves_everything_with_the_owner_while_it_runs_and_after(
    receiver: Receiver,
) -> None:
    root = receiver.state.root
    (root / "index.sqlite").unlink()
    shutil.rmtree(root / "plugins")

    receiver.start()
    assert post(receiver.port, vendor_note()).status == 200
    receiver.wait_until_idle()
    running = [path for path in others(root) if "/plugins/" not in path]
    receiver.stop()

    assert running == []
    assert others(root) == []


def test_after_kill_9_of_roots_receiver_the_owner_can_open_all_that_is_ours(receiver: Receiver) -> None:
    root = receiver.state.root
    for file in root.glob("index.sqlite*"):
        file.unlink()

    receiver.start()
    assert post(receiver.port, vendor_note()).status == 200
    until(lambda: (root / "index.sqlite-wal").exists(), "the index is made")
    assert receiver.process is not None
    receiver.process.send_signal(signal.SIGKILL)
    receiver.process.wait(10)

    assert [path for path in others(root) if "/plugins/" not in path] == []


def test_what_an_older_command_left_behind_is_put_right(receiver: Receiver) -> None:
    root = receiver.state.root
    for file in ("index.sqlite", "lock", "journal/durable"):
        os.chown(root / file, 0, 0)

    receiver.command("reindex")

    assert others(root) == []


def test_a_second_name_of_a_file_elsewhere_is_not_given_away(tmp_path: Path) -> None:
    root, secret = tmp_path / "state", tmp_path / "secret"
    root.mkdir()
    secret.write_text("root's")
    os.link(secret, root / "innocent")
    (root / "link").symlink_to(secret)
    os.chown(root, *nobody())

    give_all(root)

    assert secret.stat().st_uid == 0
    assert (root / "link").lstat().st_uid == nobody()[0]


@pytest.mark.parametrize("file", ["index.sqlite", "index.sqlite-wal"])
def test_an_index_that_its_receiver_may_not_open_is_made_again(file: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hikrecv-"))
    os.chown(folder, *nobody())
    state = State(folder)
    try:
        # Once as root: then everything that has to be imported is.
        stores = Storage(state, Config(), reactor, print)
        stores.journal.close()
        os.chown(state.index, 0, 0)
        (folder / file).touch(mode=0o600)
        os.chown(folder / file, 0, 0)
        for path in folder.rglob("*"):
            if not path.name.startswith("index"):
                os.chown(path, *nobody())
        os.seteuid(nobody()[0])
        try:
            again = Storage(state, Config(), reactor, print)
            assert state.index.stat().st_uid == nobody()[0]
            assert again.indexer(again).index.last_seq == 0
            again.journal.close()
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(folder)

"""A plugin that cannot be loaded costs its own reactions time, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hikrecv.testing.receiver import MemoryReceiver

NOTING = """
from hikrecv import hookimpl
@hookimpl
def hikrecv_event(event, context):
    with (context.state_dir / "notes").open("a") as out:
        out.write(event.id + "\\n")
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    (folder / "fine.py").write_text(NOTING)
    (folder / "lost.py").write_text("import no_such_library\n" + NOTING)
    return folder


def notes(receiver: MemoryReceiver, reaction: str) -> list[str]:
    file = receiver.bench.folder / "plugins" / reaction / "notes"
    return file.read_text().splitlines() if file.exists() else []


def start(receiver: MemoryReceiver, plugins: Path, **more: Any) -> None:
    # What the lost one may be told is not known, and no reason not to start.
    tables = {"mails": {"plugin": "lost", "host": "mail.example.org"}, "file": {"plugin": "fine"}}
    receiver.start(tables, plugin_dirs=[str(plugins)], **more)


def test_the_others_go_on_and_the_reaction_says_why_it_waits(receiver: MemoryReceiver, plugins: Path) -> None:
    start(receiver, plugins)

    pushed = [receiver.push("plate")[0].id for _ in range(3)]

    assert notes(receiver, "file") == pushed
    row = receiver.status("mails")
    assert (row.state, row.lag_events) == ("blocked", 3)
    assert "the plugin lost is broken: its import failed: ModuleNotFoundError" in row.reason


def test_after_the_repair_it_goes_on_where_it_was(receiver: MemoryReceiver, plugins: Path) -> None:
    start(receiver, plugins)
    pushed = [receiver.push("plate")[0].id for _ in range(3)]

    (plugins / "lost.py").write_text(NOTING)
    receiver.reload({"mails": {"plugin": "lost"}, "file": {"plugin": "fine"}})
    pushed += [receiver.push("access")[0].id]
    receiver.catch_up()

    assert notes(receiver, "mails") == pushed
    assert notes(receiver, "file") == pushed
    assert receiver.dead_letters() == []


def test_a_terminal_that_asks_a_broken_plugin_is_denied(receiver: MemoryReceiver, plugins: Path) -> None:
    from hikrecv.testing.events import START, WHO
    from hikrecv.testing.profiles import minmoe

    start(receiver, plugins, remote_check={"reactions": ["mails"]})

    receiver.push(minmoe.verified(WHO, START, 7, remote_check=True))

    assert receiver.answer.body == b'{"RemoteCheck":{"serialNo":7,"checkResult":"failed"}}'


@pytest.mark.parametrize("names", [["lost"], ["mails"]])
def test_a_list_goes_on_without_it(receiver: MemoryReceiver, plugins: Path, names: list[str]) -> None:
    start(receiver, plugins, enrich={"plugins": names})

    (event,) = receiver.push("plate")

    assert notes(receiver, "file") == [event.id]


def test_decoders_go_on_without_it(receiver: MemoryReceiver, plugins: Path) -> None:
    start(receiver, plugins, decode={"plugins": ["lost"]})

    (event,) = receiver.push("unknown")

    assert event.family == "unknown"

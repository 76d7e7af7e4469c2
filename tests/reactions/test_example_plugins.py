"""The plugins that are shipped as examples, in a receiver: an enricher with a list, and a decoder."""

from __future__ import annotations

import csv
import tomllib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from hikrecv.errors import ConfigError
from hikrecv.testing.events import START, WHO
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import minmoe
from hikrecv.testing.receiver import MemoryReceiver

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "conf" / "examples"
PAGES = ROOT / "docs" / "how-to" / "examples"


@pytest.fixture
def departments(tmp_path: Path) -> Path:
    """The list of the example, to be changed."""
    file = tmp_path / "departments.csv"
    file.write_bytes((EXAMPLES / "departments.csv").read_bytes())
    return file


@pytest.fixture
def running(receiver: MemoryReceiver, departments: Path, tmp_path: Path) -> MemoryReceiver:
    """The receiver of `departments.toml`."""
    config = tomllib.loads((EXAMPLES / "departments.toml").read_text())
    config["reactions"]["departments"]["file"] = str(departments)
    config["plugin_dirs"] = [str(EXAMPLES / folder) for folder in config["plugin_dirs"]]
    reactions: dict[str, Any] = config.pop("reactions")
    receiver.start(reactions, enrich=config["enrich"], plugin_dirs=config["plugin_dirs"])
    return receiver


def punches(receiver: MemoryReceiver) -> list[list[str]]:
    file = receiver.bench.folder / "plugins" / "engineering" / "engineering.csv"
    return list(csv.reader(file.read_text().splitlines()))[1:] if file.exists() else []


def punch(receiver: MemoryReceiver, serial: int, person: int) -> None:
    receiver.push(minmoe.verified(WHO, START, serial, person=person))


def test_the_punches_of_a_department_have_names_from_a_list(running: MemoryReceiver) -> None:
    for person in range(3):
        punch(running, person + 1, person)
    running.catch_up()

    assert [row[1:] for row in punches(running)] == [
        ["1001", "Ada Lovelace", "checkIn"],
        ["1002", "Grace Hopper", "checkIn"],
    ]


def test_a_list_that_has_changed_is_read_again(running: MemoryReceiver, departments: Path) -> None:
    punch(running, 1, person=2)

    departments.write_text("employee_no,name,department\n1003,Wu,Engineering\n")
    punch(running, 2, person=2)
    running.catch_up()

    assert [row[2] for row in punches(running)] == ["Wu"]


def test_a_list_that_is_gone_leaves_events_as_they_are(running: MemoryReceiver, departments: Path) -> None:
    departments.unlink()

    punch(running, 1, person=0)
    running.catch_up()

    assert punches(running) == []
    assert running.dispatch.status()[0].state == "waiting"


def test_a_list_that_is_not_there_is_said_before_the_start(receiver: MemoryReceiver) -> None:
    with pytest.raises(ConfigError, match=r"reactions\.staff.*no-such\.csv"):
        receiver.start(
            {"staff": {"plugin": "names_from_csv", "file": "/no-such.csv"}},
            plugin_dirs=[str(EXAMPLES / "plugins")],
        )


def visit(text: str) -> Message:
    return Message(label="a visitor", content_type="text/plain", body=text.encode())


def test_the_form_of_another_program_becomes_an_event_that_rules_know(receiver: MemoryReceiver) -> None:
    receiver.start({}, decode={"plugins": ["visitor_decoder"]}, plugin_dirs=[str(PAGES)])

    (event,) = receiver.push(visit("VISITOR;2026-03-02T08:00:00+00:00;Mary Somerville;2"))
    (again,) = receiver.push(visit("VISITOR;2026-03-02T08:00:00+00:00;Mary Somerville;2"))
    (camera,) = receiver.push("face-match")

    assert (event.family, event.type, event.device.id) == ("access", "Visitor", "desk-2")
    assert event.occurred == datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
    assert event.extra["visitor"] == {"name": "Mary Somerville"}
    assert again.duplicate_of == event.id
    assert camera.family == "face-match"


@pytest.mark.parametrize("text", ["VISITOR;at eight;Mary Somerville;2", "VISITOR;", "GUEST;2"])
def test_a_form_that_the_decoder_cannot_read_is_kept_as_unknown(receiver: MemoryReceiver, text: str) -> None:
    receiver.start({}, decode={"plugins": ["visitor_decoder"]}, plugin_dirs=[str(PAGES)])

    (event,) = receiver.push(visit(text))

    assert event.family == "unknown"


def test_a_cost_centre_is_known_to_rules(receiver: MemoryReceiver) -> None:
    wanted = {"plugin": "lines", "when": 'extra.cost_centre.number == "4711"'}
    receiver.start({"project": wanted}, enrich={"plugins": ["cost_centre"]}, plugin_dirs=[str(PAGES)])

    for person in range(3):
        punch(receiver, person + 1, person)
    receiver.catch_up()

    assert receiver.status("project").done == 1

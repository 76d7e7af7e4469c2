"""State directories that older versions left behind (see `tests/upgrade`): opened, compared, carried on."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from functional_harness import Receiver, noted, post, until

from hikrecv.journal.ledger import Ledger
from hikrecv.journal.reader import JournalReader
from hikrecv.testing.message import Message

pytestmark = pytest.mark.functional

STATES = Path(__file__).parents[1] / "upgrade" / "states"
NAMES = sorted(path.name.removesuffix(".tar.xz") for path in STATES.glob("*.tar.xz"))

Old = Callable[[str], tuple[Receiver, dict[str, Any]]]


@pytest.fixture
def old(new_receiver: Callable[..., Receiver]) -> Old:
    """Unpacks an old state: a receiver that is not running yet, and what the old version said of it."""

    def unpack(name: str) -> tuple[Receiver, dict[str, Any]]:
        receiver = new_receiver()
        with tarfile.open(STATES / f"{name}.tar.xz") as archive:
            archive.extractall(receiver.folder, filter="data")
        text = receiver.config.read_text()
        assert "[reactions.gone]" not in text
        return receiver, json.loads((STATES / f"{name}.json").read_text())

    return unpack


@pytest.mark.parametrize("name", NAMES)
def test_ids_keys_and_families_of_an_old_state_are_read_as_they_were(name: str, old: Old) -> None:
    receiver, was = old(name)

    events = [[event.id, event.key, event.family, event.duplicate_of or ""] for event in receiver.events()]

    assert events == was["events"]
    assert f"-{was['damaged']}-" not in " ".join(event[0] for event in events)


@pytest.mark.parametrize("name", NAMES)
def test_an_old_state_goes_on_where_it_was_and_acts_on_nothing_twice(name: str, old: Old) -> None:
    receiver, was = old(name)
    acted = {key for reaction, key in was["marks"] if reaction == "door"}
    before = {reaction: len(noted(receiver, reaction)) for reaction in ("hq", "door")}
    again = _bodies(receiver, acted)
    receiver.start()
    until(lambda: receiver.reaction("rests")["state"] == "paused", "the reactions have their places")
    letters = [[each.reaction, each.event, each.key, each.seq] for each in receiver.dead_letters("refuses")]

    assert letters == [letter for letter in was["dead_letters"] if letter[0] == "refuses"]
    for body, content_type in again:
        assert post(receiver.port, Message(label="again", body=body, content_type=content_type)).status == 200
    receiver.wait_until_idle(but="rests")
    assert receiver.stop() == 0
    after = {reaction: len(noted(receiver, reaction)) for reaction in ("hq", "door")}
    places = _places(receiver)

    # Each was handed to the one that takes everything, and to the one that acts not once more.
    assert after["hq"] - before["hq"] == len(again)
    assert after["door"] == before["door"]
    assert _marks(receiver) >= {tuple(mark) for mark in was["marks"]}
    assert places["rests"].cursor == was["places"]["rests"]["cursor"]
    assert places["gone"].cursor == was["places"]["gone"]["cursor"]
    assert places["gone"].removed_at is not None


def _bodies(receiver: Receiver, keys: set[str]) -> list[tuple[bytes, str]]:
    """The requests from which events with these keys were read."""
    wanted = {event.seq for event in receiver.events() if event.key in keys}
    reader = JournalReader(receiver.state.root)
    pushes = (
        entry.push for entry in reader.entries(reader.first, damage=lambda _: None) if entry.seq in wanted
    )
    found = [
        (push.body, next(value for name, value in push.headers if name.lower() == b"content-type").decode())
        for push in pushes
    ]
    assert len(found) >= 10
    return found


def _places(receiver: Receiver) -> dict[str, Any]:
    ledger = Ledger.read(receiver.state.ledger)
    try:
        return ledger.places()
    finally:
        ledger.close()


def _marks(receiver: Receiver) -> set[tuple[str, str]]:
    connection = sqlite3.connect(f"{receiver.state.ledger.as_uri()}?mode=ro", uri=True)
    try:
        return set(connection.execute("SELECT reaction, key FROM marks"))
    finally:
        connection.close()

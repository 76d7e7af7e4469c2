"""The receiver in memory is made of the real rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hikrecv import Context, Event, hookimpl
from hikrecv.errors import ConfigError
from hikrecv.testing.receiver import MemoryReceiver

TEN_LINES = """
from hikrecv import Event, hookimpl

@hookimpl
async def hikrecv_event(event: Event, context) -> None:
    await context.http.post("https://example.org/hook", json=event.to_dict())
"""


class Noting:
    """Remembers what it was given, in its thread."""

    seen: list[str]

    def __init__(self, context: Context) -> None:
        type(self).seen = []

    @hookimpl
    def hikrecv_event(self, event: Event) -> None:
        self.seen.append(event.family)


class Counting(Noting):
    """Another, to tell them apart."""


class Posting:
    """Sends what it was given."""

    def __init__(self, context: Context) -> None: ...

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        await context.http.post("http://hq.example", json=event.to_dict())


class Guard:
    acts = True

    @hookimpl
    def hikrecv_remote_check(self, event: Event) -> bool | None:
        return event.access is not None and event.access.person == "Ada Lovelace"

    def __init__(self, context: Context) -> None: ...


class Naming:
    """An enricher."""

    def __init__(self, context: Context) -> None: ...

    @hookimpl
    def hikrecv_enrich(self, event: Event) -> Event:
        return event.replace(extra={**event.extra, "naming": {"of": event.family}})


@pytest.fixture
def noting(receiver: MemoryReceiver) -> MemoryReceiver:
    receiver.plugins["noting"] = Noting
    return receiver


def test_the_ten_lines_lose_nothing_while_the_server_is_down(
    receiver: MemoryReceiver, recording_server: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    (folder / "hook.py").write_text(TEN_LINES)
    receiver.start({"hq": {"plugin": "hook"}}, plugin_dirs=[str(folder)])
    recording_server.fail(times=1_000, status=500)

    pushed = [receiver.push(family)[0].id for family in ("face-match", "plate", "access") * 5]
    receiver.advance(600.0)
    receiver.restart()
    receiver.advance(600.0)
    assert recording_server.accepted == []
    recording_server.recover()
    receiver.catch_up()

    assert [asked.json()["id"] for asked in recording_server.accepted] == pushed
    assert receiver.dead_letters() == []


def test_a_reaction_gets_what_it_wants(noting: MemoryReceiver) -> None:
    noting.start({"a": {"plugin": "noting", "when": 'family == "plate"'}})

    for family in ("plate", "access", "plate"):
        noting.push(family)

    assert Noting.seen == ["plate", "plate"]
    assert noting.status("a").done == 2


def test_what_is_wrong_is_said_at_start(noting: MemoryReceiver) -> None:
    with pytest.raises(ConfigError, match=r"reactions\.a\.when"):
        noting.start({"a": {"plugin": "noting", "when": "colour == 5"}})


def test_events_are_sighted(noting: MemoryReceiver, simulated_device: Any) -> None:
    noting.start({"a": {"plugin": "noting"}})
    message = next(simulated_device("anpr"))

    first, again = noting.push(message)[0], noting.push(message)[0]
    late = noting.push("access", late=3_600.0)[0]

    assert again.duplicate_of == first.id
    assert late.freshness == "late"


def test_sightings_remember_over_a_restart(noting: MemoryReceiver, simulated_device: Any) -> None:
    noting.start({"a": {"plugin": "noting"}})
    message = next(simulated_device("anpr"))
    first = noting.push(message)[0]

    noting.restart()

    assert noting.push(message)[0].duplicate_of == first.id


def test_a_reaction_goes_on_where_it_was(noting: MemoryReceiver) -> None:
    noting.start({"a": {"plugin": "noting"}})
    noting.push("plate")

    noting.restart()
    noting.push("access")

    assert Noting.seen == ["access"]
    assert noting.status("a").position == 2


def test_a_reload_exchanges_reactions(noting: MemoryReceiver) -> None:
    noting.plugins["counting"] = Counting
    noting.start({"a": {"plugin": "noting"}})
    noting.push("plate")

    noting.reload({"b": {"plugin": "counting"}})
    noting.push("access")

    assert (Noting.seen, Counting.seen) == (["plate"], ["access"])


def test_a_terminal_is_answered(receiver: MemoryReceiver) -> None:
    from hikrecv.testing.events import START, WHO
    from hikrecv.testing.profiles.minmoe import verified

    receiver.plugins["guard"] = Guard
    receiver.start({"g": {"plugin": "guard"}}, remote_check={"reactions": ["g"]})

    answers = []
    for person in (0, 1):
        receiver.push(verified(WHO, START, 4711 + person, person=person, remote_check=True))
        answers.append(receiver.answer.body)

    assert b"success" in answers[0]
    assert b"failed" in answers[1]


def test_enrichers_come_first(noting: MemoryReceiver, recording_server: Any) -> None:
    noting.plugins |= {"naming": Naming, "posting": Posting}
    noting.start(
        {"hq": {"plugin": "posting", "when": 'extra.naming.of == "plate"'}}, enrich={"plugins": ["naming"]}
    )

    noting.push("access")
    noting.push("plate")
    noting.catch_up()

    assert [asked.json()["extra"] for asked in recording_server.requests] == [{"naming": {"of": "plate"}}]


def test_what_does_not_happen_is_said_with_the_state_of_things(noting: MemoryReceiver) -> None:
    noting.start({"a": {"plugin": "noting"}})

    with pytest.raises(AssertionError, match=r"within 30 s.*waiting"):
        noting.wait_until(lambda: False, most=30.0)

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import hikrecv_board
import pytest

from hikrecv import Retry
from hikrecv.testing.contract import PluginContract


# -- begin contract --
class TestContract(PluginContract):
    """Inherited: repeats, failures, time-outs, late and odd events, restarts, wrong settings."""

    plugin = hikrecv_board
    wrong = (
        ({"url": "ftp://board.example"}, "url"),
        ({"greeting": "Welcome"}, "greeting"),
    )

    @pytest.fixture
    def table(self, recording_server: Any) -> dict[str, Any]:
        return {"url": recording_server.url, "picture": True}

    @pytest.fixture
    def seen(self, recording_server: Any) -> Callable[[], list[str]]:
        return lambda: [asked.json()["key"] for asked in recording_server.accepted]

    @pytest.fixture
    def trouble(self, recording_server: Any) -> Any:
        return recording_server


# -- end contract --
# -- begin tests --
def test_the_screen_shows_the_name_and_the_face(bench: Any, make_event: Any, recording_server: Any) -> None:
    table = {"url": recording_server.url, "greeting": "Hello {name}!", "picture": True}
    context = bench.context(hikrecv_board, "lobby", **table)
    plugin = hikrecv_board.Plugin(context)
    event = make_event("face-match", match={"person": "Ada"})

    bench.call(plugin.hikrecv_event, event, context)

    shown = recording_server.accepted[0].json()
    assert shown["text"] == "Hello Ada!"
    assert b64decode(shown["picture"]).startswith(b"\xff\xd8")


def test_nobody_is_greeted_who_is_not_known(bench: Any, make_event: Any, recording_server: Any) -> None:
    context = bench.context(hikrecv_board, "lobby", url=recording_server.url)
    plugin = hikrecv_board.Plugin(context)

    bench.call(plugin.hikrecv_event, make_event("face-match", match=None), context)

    assert recording_server.requests == []


def test_a_screen_that_is_off_is_asked_again(bench: Any, make_event: Any, recording_server: Any) -> None:
    context = bench.context(hikrecv_board, "lobby", url=recording_server.url)
    plugin = hikrecv_board.Plugin(context)
    recording_server.fail()

    with pytest.raises(Retry):
        bench.call(plugin.hikrecv_event, make_event("face-match"), context)


# -- end tests --
# -- begin receiver --
def test_two_people_are_greeted_in_order_although_the_screen_was_off(
    receiver: Any, recording_server: Any, simulated_device: Any
) -> None:
    receiver.plugins["board"] = hikrecv_board
    receiver.start({"lobby": {"plugin": "board", "url": recording_server.url, "max_age": "10s"}})
    recording_server.fail(times=2)

    camera = simulated_device("deepinview")
    for _ in range(4):
        receiver.push(next(camera))
    receiver.catch_up()

    assert [asked.json()["text"] for asked in recording_server.accepted] == ["Welcome, Maria Lopez"] * 2


# -- end receiver --

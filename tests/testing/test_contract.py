"""The contract finds what plugins do wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hikrecv import Context, Event, Reject, hookimpl
from hikrecv.testing.bench import Bench
from hikrecv.testing.contract import NAME, PluginContract
from hikrecv.testing.receiver import MemoryReceiver


class Posting:
    """Does everything right."""

    def __init__(self, context: Context) -> None: ...

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        await context.http.post("http://hq.example", headers={"X-Key": event.key})


class Opening:
    """Opens a door for every plate, once."""

    acts = True
    delivery = "at-most-once"

    def __init__(self, context: Context) -> None: ...

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        await context.device("gate").door("open", event.seq)


class TestPosting(PluginContract):
    plugin = Posting

    @pytest.fixture
    def seen(self, recording_server: Any) -> Callable[[], list[str]]:
        return lambda: [asked.headers["x-key"] for asked in recording_server.accepted]

    @pytest.fixture
    def trouble(self, recording_server: Any) -> Any:
        return recording_server


class TestOpening(PluginContract):
    plugin = Opening
    family = "plate"

    @pytest.fixture
    def seen(self, receiver: MemoryReceiver, digest_device: Any) -> Callable[[], list[str]]:
        return lambda: [
            event.key
            for command in digest_device.commands
            for event in receiver.events
            if event.seq == command.number
        ]

    @pytest.fixture
    def trouble(self, digest_device: Any) -> Any:
        return digest_device


class OfPlates(Posting):
    """Forgets that other families have no plate."""

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        await context.http.post("http://hq.example", event.plate.text)  # type: ignore[union-attr]


class OfPictures(Posting):
    """Forgets that pictures can be missing."""

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        if event.match is not None:
            await context.http.post("http://hq.example", context.picture(event.pictures[0]))


class Forgetful(Posting):
    """Swallows failures."""

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        try:
            await context.http.post("http://hq.example", headers={"X-Key": event.key})
        except Exception as error:
            context.log.warn("{error}", error=error)


class Hasty(Posting):
    """Gives up at once."""

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        response = await context.http.post(
            "http://hq.example", headers={"X-Key": event.key}, raise_for_status=False
        )
        if response.code >= 400:
            raise Reject("no")


class Settings(msgspec.Struct, frozen=True):
    level: int = 0


class Careless(Posting):
    """Finds out too late that a setting is wrong."""

    Settings = Settings


@pytest.mark.parametrize(
    ("plugin", "test"),
    [
        (OfPlates, "test_every_family_comes_to_its_end"),
        (OfPictures, "test_pictures_may_be_missing"),
    ],
)
def test_a_plugin_that_fails_at_an_event_is_found(receiver: MemoryReceiver, plugin: type, test: str) -> None:
    contract = PluginContract()
    receiver.plugins["plugin"] = plugin
    receiver.start({NAME: {"plugin": "plugin"}})

    with pytest.raises(AssertionError):
        getattr(contract, test)(receiver)


@pytest.mark.parametrize("plugin", [Forgetful, Hasty])
def test_a_plugin_that_loses_events_is_found(
    receiver: MemoryReceiver, recording_server: Any, plugin: type
) -> None:
    class Contract(PluginContract):
        pass

    Contract.plugin = plugin
    receiver.plugins["plugin"] = plugin
    receiver.start({NAME: {"plugin": "plugin"}})

    def seen() -> list[str]:
        return [asked.headers["x-key"] for asked in recording_server.accepted]

    with pytest.raises(AssertionError):
        Contract().test_what_fails_is_done_later_and_in_order(receiver, seen, recording_server)


def test_a_setting_that_is_not_checked_is_found(bench: Bench) -> None:
    class Contract(PluginContract):
        plugin = Careless
        wrong = (({"level": -5}, "level"),)

    with pytest.raises(AssertionError, match="level"):
        Contract().test_wrong_settings_are_named(bench, {})


def test_a_contract_without_a_plugin_says_what_to_write() -> None:
    with pytest.raises(pytest.fail.Exception, match="plugin = hikrecv_something"):
        PluginContract().test_it_can_be_loaded()

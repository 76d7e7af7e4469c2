"""Contexts for a plugin's own tests."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from hikrecv import Context, Event, Retry, deferred, hookimpl
from hikrecv.config import Seconds, Secret
from hikrecv.errors import ConfigError, PluginError
from hikrecv.testing.bench import Bench, load
from hikrecv.testing.waiting import advance, result_of


class Settings(msgspec.Struct, frozen=True):
    url: str
    every: Seconds = Seconds(5)
    token: Secret | None = None


class Plugin:
    Settings = Settings
    acts = True

    def __init__(self, context: Context) -> None:
        self.context = context

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        await context.device("gate").door("open")


def test_settings_are_read_as_from_a_configuration(make_context: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")

    context = make_context(Plugin, "hq", url="http://x", every="5m", token=f"file:{tmp_path / 'token'}")

    assert context.name == "hq"
    assert (context.settings.every, context.settings.token) == (300.0, "secret")
    assert "secret" not in repr(context.settings)


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"url": 5}, r"reactions\.test\.url"),
        ({"url": "x", "everyy": 1}, r"everyy: unknown key; did you mean every"),
    ],
)
def test_wrong_settings_are_refused_in_the_receivers_words(
    make_context: Any, table: dict[str, Any], path: str
) -> None:
    with pytest.raises(ConfigError, match=path):
        make_context(Plugin, **table)


def test_the_keys_of_every_reaction_may_stand_beside_them(bench: Bench) -> None:
    assert bench.errors(Plugin, url="x", when='family == "plate"', max_age="5s") == []
    assert bench.errors(Plugin, url="x", when='famly == "plate"') != []


def test_a_plugin_that_cannot_be_used_says_why() -> None:
    with pytest.raises(PluginError, match="it implements no hook"):
        load(ModuleType("empty"))


def test_a_plugin_that_acts_is_allowed_and_reaches_its_device(bench: Bench, digest_device: Any) -> None:
    context = bench.context(Plugin, url="x")

    result_of(Plugin(context).hikrecv_event(bench.events("plate"), context))

    assert [command.word for command in digest_device.commands] == ["open"]


def test_another_device_than_the_configured_is_refused(context: Context) -> None:
    from hikrecv.errors import Reject

    with pytest.raises(Reject, match="there is no"):
        context.device("yard")


def test_a_plain_hook_may_wait_for_the_reactor(context: Context, bench: Bench) -> None:
    def hook(event: Event, context: Context) -> int:
        response = context.wait(context.http.post, "http://hq.example/", event.to_json())
        return int(response.code)

    bench.server.slow(3.0)

    assert bench.call(hook, bench.events("io"), context) == 200
    assert bench.clock.seconds() == 3.0


def test_what_a_plain_hook_waits_for_may_fail(context: Context, bench: Bench) -> None:
    bench.server.fail()

    with pytest.raises(Retry, match="answered 500"):
        bench.call(lambda: context.wait(context.http.get, "http://hq.example/"))


@pytest.mark.parametrize("problem", [Retry("later"), SystemExit(3), ValueError("x")])
def test_what_a_plain_hook_raises_is_raised(bench: Bench, problem: BaseException) -> None:
    def hook() -> None:
        raise problem

    with pytest.raises(type(problem)):
        bench.call(hook)


def test_a_hook_is_called_however_it_is_written(bench: Bench, context: Context) -> None:
    async def waits(context: Context) -> int:
        return int((await context.http.get("http://hq.example/")).code)

    @deferred
    def promises(context: Context) -> Deferred[Any]:
        return context.http.get("http://hq.example/")

    assert bench.call(waits, context) == 200
    assert bench.call(promises, context).code == 200


def test_a_plugin_has_a_folder_of_its_own(make_context: Any) -> None:
    folder = make_context(name="mine").state_dir

    assert folder.is_dir()
    assert folder.name == "mine"


def test_the_event_is_as_the_receiver_makes_it(sample_events: Any, context: Context) -> None:
    event = sample_events["face-match"]

    assert event.device.id == "gate"
    assert context.picture(event.pictures[0]).startswith(b"\xff\xd8")
    assert event.data()["eventType"] == "alarmResult"


def test_a_profile_can_be_listened_to(simulated_device: Any, make_event: Any) -> None:
    script = simulated_device("minmoe")

    families = [make_event.of(next(script))[0].family for _ in range(3)]

    assert families == ["access", "access", "access"]


def test_a_result_is_waited_for_on_the_tests_clock() -> None:
    clock = Clock()

    async def work() -> str:
        for _ in range(3):
            await deferLater(clock, 20.0)
        return "done"

    assert result_of(work(), clock) == "done"
    assert clock.seconds() == 60.0


def test_what_never_happens_is_said() -> None:
    with pytest.raises(AssertionError, match="does not happen"):
        result_of(Deferred(), Clock())


def test_an_error_is_raised() -> None:
    async def fails() -> None:
        raise Retry("not now")

    with pytest.raises(Retry, match="not now"):
        result_of(fails())


def test_the_clock_stops_when_it_is_enough() -> None:
    clock, called = Clock(), list[float]()
    for seconds in (1.0, 2.0, 3.0):
        clock.callLater(seconds, lambda: called.append(clock.seconds()))

    assert advance(clock, lambda: len(called) == 2)
    assert not advance(clock, lambda: len(called) == 4)
    assert called == [1.0, 2.0, 3.0]

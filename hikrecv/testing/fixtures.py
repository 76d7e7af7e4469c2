"""
pytest fixtures for plugins; pytest finds them by itself where hikrecv is installed.

Nothing is imported here before a fixture is used: every test run loads this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.internet.task import Clock

    from hikrecv.isapi.event import Event, Family
    from hikrecv.reactions.context import Context
    from hikrecv.testing.bench import Bench
    from hikrecv.testing.door import DigestDevice
    from hikrecv.testing.events import Events
    from hikrecv.testing.receiver import MemoryReceiver
    from hikrecv.testing.server import RecordingServer

pytest.register_assert_rewrite("hikrecv.testing.contract")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Everything in memory at once: the fixtures below are its parts, see `hikrecv.testing.bench.Bench`."""
    from hikrecv.testing.bench import Bench

    return Bench(tmp_path / "state")


@pytest.fixture
def fake_clock(bench: Bench) -> Clock:
    """The clock on which everything in memory waits: ``fake_clock.advance(60)``."""
    clock: Clock = bench.clock
    return clock


@pytest.fixture
def make_event(bench: Bench) -> Events:
    """Makes events by family, with changes: ``make_event("plate", plate={"text": "X1"})``."""
    return bench.events


@pytest.fixture
def sample_events(bench: Bench) -> Mapping[Family, Event]:
    """An event of every family."""
    return bench.events.every()


@pytest.fixture
def make_context(bench: Bench) -> Callable[..., Context]:
    """The context of a reaction: ``make_context(Plugin, url="http://...")``; settings are checked."""
    return bench.context


@pytest.fixture
def context(bench: Bench) -> Context:
    """A context without settings, for plugins that are a module with a hook."""
    return bench.context()


@pytest.fixture
def recording_server(bench: Bench) -> RecordingServer:
    """An HTTP server in memory that `context.http` reaches under every name, first of all `url`."""
    return bench.server


@pytest.fixture
def digest_device(bench: Bench) -> DigestDevice:
    """A terminal and barrier in memory; ``context.device("gate")`` leads to it."""
    return bench.device


@pytest.fixture
def simulated_device() -> Callable[..., Iterator[Any]]:
    """The endless messages of a model: ``simulated_device("minmoe")``; give one to ``receiver.push``."""
    from hikrecv.testing.events import START, WHO
    from hikrecv.testing.profiles import profiles

    def script(profile: str, now: Callable[[], Any] = lambda: START) -> Iterator[Any]:
        return profiles()[profile](WHO, now)

    return script


@pytest.fixture
def receiver(bench: Bench) -> Iterator[MemoryReceiver]:
    """A receiver in memory, see `hikrecv.testing.receiver.MemoryReceiver`; start it with reactions."""
    from hikrecv.testing.receiver import MemoryReceiver

    receiver = MemoryReceiver(bench)
    yield receiver
    receiver.stop()


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Bench]:
    """
    The same as `bench`, but real: `server` and `device` listen on loopback, and time goes by.

    For a few tests that shall see real sockets; it needs pytest-twisted, and so do
    tests that await something (``@pytest_twisted.ensureDeferred``).
    """
    from pytest_twisted import blockon  # type: ignore[import-untyped]
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from hikrecv.testing.bench import Bench

    bench = Bench(tmp_path / "state", reactor)
    blockon(Deferred.fromCoroutine(bench.listen()))
    yield bench
    blockon(Deferred.fromCoroutine(bench.close()))

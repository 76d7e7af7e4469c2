# ruff: noqa: S101, D102 - these are tests, and their names say what they claim
"""
The tests that every plugin should pass; subclass :class:`PluginContract` in the tests of yours.

::

    class TestContract(PluginContract):
        plugin = hikrecv_forward

        @pytest.fixture
        def table(self, recording_server):
            return {"url": recording_server.url}

        @pytest.fixture
        def seen(self, recording_server):
            return lambda: [asked.headers["idempotency-key"] for asked in recording_server.accepted]

        @pytest.fixture
        def trouble(self, recording_server):
            return recording_server
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest

if TYPE_CHECKING:
    from hikrecv.isapi.event import Family
    from hikrecv.testing.bench import Bench, Subject
    from hikrecv.testing.message import Message
    from hikrecv.testing.receiver import MemoryReceiver

NAME = "contract"
"""The reaction's name in these tests."""

Seen = Callable[[], Sequence[str]]


class Trouble(Protocol):
    """What the plugin talks to, and how it is put out of order; every `SimulatedServer` is one."""

    def fail(self, times: int = 1) -> None:
        """The next so many attempts fail, in a way that passes."""

    def slow(self, seconds: float, times: int = 1) -> None:
        """The next so many attempts take so long."""

    # And, where there is a login: refuse(times) - the next so many attempts are not let in.

    def recover(self) -> None:
        """Be well from now on."""


class PluginContract:
    """
    Repeats, failures, time-outs, a refused login, late, odd and unknown events, missing pictures,
    reload, stop in the middle.

    Set `plugin`, and override the fixtures `table`, `seen` and `trouble`.  What a plugin cannot
    show, or what cannot be put out of order, is left as it is; its tests are skipped then.

    :cvar plugin: the module or the class.
    :cvar family: a family for which the plugin certainly does something.
    :cvar wrong: keys that must be refused, each with the key that the error has to name.
    :cvar more: further tables of the configuration: ``{"remote_check": {"reactions": ["contract"]}}``.
    """

    plugin: ClassVar[Subject | None] = None
    family: ClassVar[Family] = "face-match"
    wrong: ClassVar[Sequence[tuple[Mapping[str, Any], str]]] = ()
    more: ClassVar[Mapping[str, Any]] = {}

    # -- what the author says -------------------------------------------------

    @pytest.fixture
    def table(self) -> Mapping[str, Any]:
        """The keys of the plugin's ``[reactions.<name>]`` table."""
        return {}

    @pytest.fixture
    def seen(self) -> Seen | None:
        """Gives the keys of the events that were done, in order, as they are seen from outside."""
        return None

    @pytest.fixture
    def trouble(self) -> Trouble | None:
        """What can be put out of order."""
        return None

    # -- the tests ------------------------------------------------------------

    @pytest.fixture
    def running(self, receiver: MemoryReceiver, table: Mapping[str, Any]) -> MemoryReceiver:
        """A receiver with one reaction of the plugin, which wants everything."""
        receiver.plugins["plugin"] = self._subject()
        wants = {"families": list(_families()), "timeout": 10}
        receiver.start({NAME: {"plugin": "plugin", **wants, **table}}, **self.more)
        return receiver

    def test_it_can_be_loaded(self) -> None:
        from hikrecv.testing.bench import load

        assert load(self._subject()).hooks

    def test_every_family_comes_to_its_end(self, running: MemoryReceiver) -> None:
        for family in _families():
            running.push(family)

        running.catch_up()

        assert _bugs(running) == []

    def test_odd_messages_come_to_their_end(self, running: MemoryReceiver) -> None:
        for message in _odd():
            running.push(message)

        running.catch_up()

        assert _bugs(running) == []

    def test_pictures_may_be_missing(self, running: MemoryReceiver) -> None:
        for message in _bare():
            running.push(message)

        running.catch_up()

        assert _bugs(running) == []

    def test_a_message_that_the_device_repeats_is_the_same_event(
        self, running: MemoryReceiver, seen: Seen | None
    ) -> None:
        message = _sample(self.family)

        first, again = (running.push(message)[0] for _ in range(2))
        running.catch_up()

        assert again.key == first.key
        assert _bugs(running) == []
        if seen is not None:
            assert set(seen()) == {first.key}
            assert not self._once() or len(seen()) == 1

    def test_late_events_come_to_their_end(self, running: MemoryReceiver) -> None:
        running.push(self.family)
        late = running.push(self.family, late=7_200.0)[0]

        running.catch_up()

        assert late.freshness == "late"
        assert _bugs(running) == []

    def test_what_fails_is_done_later_and_in_order(
        self, running: MemoryReceiver, seen: Seen | None, trouble: Trouble | None
    ) -> None:
        keys, out = _both(seen, trouble)
        out.fail(times=4)

        pushed = [running.push(self.family)[0].key for _ in range(3)]
        running.catch_up()

        self._check(running, keys(), pushed)

    def test_what_takes_too_long_is_done_later(
        self, running: MemoryReceiver, seen: Seen | None, trouble: Trouble | None
    ) -> None:
        keys, out = _both(seen, trouble)
        out.slow(60.0, times=2)

        pushed = [running.push(self.family)[0].key for _ in range(2)]
        running.catch_up()

        self._check(running, keys(), pushed)
        assert running.status(NAME).zombies == 0

    def test_a_refused_login_holds_and_loses_nothing(
        self, running: MemoryReceiver, seen: Seen | None, trouble: Trouble | None
    ) -> None:
        keys, out = _both(seen, trouble)
        refuse = getattr(out, "refuse", None)
        if refuse is None:
            pytest.skip("what it talks to has no `refuse`, so there is no login")
        refuse(times=2)

        pushed = [running.push(self.family)[0].key for _ in range(3)]
        assert self._once() or running.status(NAME).state == "holding"
        running.catch_up()

        self._check(running, keys(), pushed)

    def test_it_goes_on_after_a_restart(self, running: MemoryReceiver, seen: Seen | None) -> None:
        before = running.push(self.family)[0].key
        running.catch_up()

        running.restart()
        after = running.push(self.family)[0].key
        running.catch_up()

        assert running.status(NAME).state == "waiting"
        if seen is not None:
            self._check(running, seen(), [before, after])

    def test_it_can_be_stopped_in_the_middle(
        self, running: MemoryReceiver, seen: Seen | None, trouble: Trouble | None
    ) -> None:
        keys, out = _both(seen, trouble)
        out.slow(3_000.0)
        pushed = running.push(self.family)[0].key
        began = running.clock.seconds()

        running.stop()

        assert running.clock.seconds() - began < 60.0
        out.recover()
        running.start(running.tables, **self.more)
        running.catch_up()
        self._check(running, keys(), [pushed])

    def test_a_stranger_makes_it_do_nothing_that_acts(
        self, running: MemoryReceiver, seen: Seen | None
    ) -> None:
        if not self._acts() or seen is None:
            pytest.skip("it does not act, or does not show it")

        running.push(self.family, trust="none")
        running.push(self.family, ip="203.0.113.9", late=7_200.0)
        running.catch_up()

        assert list(seen()) == []

    def test_wrong_settings_are_named(self, bench: Bench, table: Mapping[str, Any]) -> None:
        for changes, key in ({"no_such_key": 1}, "no_such_key"), *self.wrong:
            errors = bench.errors(self._subject(), NAME, **{**table, **changes})
            said = [str(error) for error in errors]
            assert any(f"reactions.{NAME}" in each and key in each for each in said), f"{changes}: {said}"

    # -- inside ---------------------------------------------------------------

    def _subject(self) -> Subject:
        if self.plugin is None:
            pytest.fail("say in the class which plugin it is: plugin = hikrecv_something")
        return self.plugin

    def _acts(self) -> bool:
        from hikrecv.testing.bench import load

        return load(self._subject()).acts

    def _once(self) -> bool:
        from hikrecv.testing.bench import load

        return load(self._subject()).delivery == "at-most-once"

    def _check(self, running: MemoryReceiver, done: Sequence[str], pushed: Sequence[str]) -> None:
        """At least once: all, in order.  At most once: none twice, and none beside."""
        if self._once():
            assert max(Counter(done).values(), default=0) <= 1
            assert set(done) <= set(pushed)
        else:
            assert list(dict.fromkeys(done)) == list(pushed)
            assert running.dead_letters() == []


def _both(seen: Seen | None, trouble: Trouble | None) -> tuple[Seen, Trouble]:
    if seen is None or trouble is None:
        pytest.skip("override the fixtures `seen` and `trouble` for this")
    return seen, trouble


def _bugs(running: MemoryReceiver) -> list[str]:
    """Dead letters of more than one attempt; after the first, it was the plugin's own `Reject`."""
    return [f"{letter.event}: {letter.reason}" for letter in running.dead_letters() if letter.attempts > 1]


def _families() -> tuple[Family, ...]:
    from hikrecv.testing.samples import FAMILIES

    return FAMILIES


def _sample(family: Family) -> Message:
    from hikrecv.testing.events import START, WHO
    from hikrecv.testing.samples import sample

    return sample(family, WHO, START)


def _odd() -> list[Message]:
    from hikrecv.testing.events import START, WHO
    from hikrecv.testing.samples import oddities

    return list(oddities(WHO, START).values())


def _bare() -> list[Message]:
    from hikrecv.testing.samples import without_pictures

    return [without_pictures(_sample(family)) for family in _families()]

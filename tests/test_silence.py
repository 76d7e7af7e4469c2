"""A device that is silent for too long is an event of its own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from hikrecv.config import DeviceTable
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.journal.index import Index
from hikrecv.journal.seen import Seen
from hikrecv.monitor import device_samples
from hikrecv.push import OK, Answer, Push
from hikrecv.sightings.sightings import Sightings
from hikrecv.silence import EVERY, NEVER, Awaited, Silence

DAY = 86_400_000_000
MAC = "ac:cb:51:00:00:07"


def camera(last: int) -> Seen:
    """Heard at *last* (microseconds), and on the days before every ten minutes."""
    gaps = [(day, 600_000_000) for day in range(3)]
    return Seen(device=MAC, mac=MAC, peer_ip="192.0.2.8", first_received=0, last_received=last, gaps=gaps)


class Desk:
    """Silence over devices that the test decides about."""

    def __init__(self) -> None:
        self.devices: list[Seen] = []
        self.awaited: dict[str, Awaited] = {}
        self.now = 10 * DAY
        self.pushes: list[Push] = []
        self.clock = Clock()
        self.index = Index.open(":memory:")
        self._begin()

    def _begin(self) -> None:
        self.silence = Silence(self.clock, self, self.receive, lambda: self.awaited, lambda: self.now * 1000)  # type: ignore[arg-type]
        self.silence.start()

    def ask(self, question: Callable[[Any], Any]) -> Deferred[Any]:
        return succeed(question(SimpleNamespace(devices=lambda: self.devices, search=self.index.search)))

    def restart(self) -> None:
        """What was said is in the index; nothing else is remembered."""
        for event in self.events():
            self.index.add([event], event.seq)
        self.pushes.clear()
        self.silence.stop()
        self._begin()

    def receive(self, push: Push) -> Deferred[Answer]:
        self.pushes.append(push)
        return succeed(OK)

    def minutes(self, count: int) -> None:
        for _ in range(count):
            self.now += 60_000_000
            self.clock.advance(EVERY)

    def events(self) -> list[Event]:
        decoder = Decoder(devices={name: each.table for name, each in self.awaited.items()})
        return [event for n, push in enumerate(self.pushes, 1) for event in decoder.decode(push, n)]


def test_a_device_that_keeps_its_rhythm_is_not_mentioned() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]

    desk.minutes(15)

    assert desk.pushes == []


def test_a_device_that_falls_silent_is_one_event_that_names_it() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]

    desk.minutes(60)

    (event,) = desk.events()
    assert (event.type, event.state, event.family) == ("deviceSilent", "active", "network")
    assert event.device.id == MAC
    assert event.peer.trust == "none"


def test_a_silence_that_goes_on_is_not_said_again_after_a_restart() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]
    desk.minutes(60)

    desk.restart()
    desk.minutes(60)

    assert desk.pushes == []


def test_a_device_that_was_heard_while_the_receiver_was_away_ends_it() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]
    desk.minutes(60)

    desk.restart()
    desk.devices = [camera(last=desk.now)]
    desk.minutes(1)

    assert [event.state for event in desk.events()] == ["inactive"]


def test_a_device_that_is_heard_again_ends_it() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]
    desk.minutes(60)

    desk.devices = [camera(last=desk.now)]
    desk.minutes(5)

    assert [event.state for event in desk.events()] == ["active", "inactive"]


def test_it_is_no_sign_of_life_of_the_device() -> None:
    desk = Desk()
    desk.devices = [camera(last=desk.now)]
    desk.minutes(60)
    index = Index.open(":memory:")

    index.add(Sightings().see(desk.events()))

    assert index.devices() == []
    assert [row.type for row in index.search()] == ["deviceSilent"]


def test_trouble_with_the_index_is_not_the_end_of_it() -> None:
    desk = Desk()

    def broken(question: object) -> Deferred[list[Seen]]:
        return maybeDeferred(lambda: 1 // 0)

    desk.ask = broken
    desk.minutes(2)
    del desk.ask
    desk.devices = [camera(last=desk.now - DAY)]
    desk.minutes(1)

    assert len(desk.pushes) == 1


def test_what_is_known_of_a_device_is_a_figure_for_each_thing_and_no_more_devices_than_can_be_shown() -> None:
    desk = Desk()
    clock = msgspec.structs.replace(camera(last=desk.now), offset=-2_000_000, events=7, late=2)
    desk.devices = [clock, *(Seen(device=f"{n}", first_received=0, last_received=n) for n in range(2000))]
    desk.minutes(60)

    figures = {sample.name: sample.values for sample in device_samples(desk.silence.devices, now=desk.now)}

    assert figures["device_events"][(MAC,)] == 7
    assert figures["device_late"][(MAC,)] == 2
    assert figures["device_clock_behind_seconds"] == {(MAC,): -2}
    assert figures["device_silent"][(MAC,)] == 1
    assert figures["device_last_push_seconds"][(MAC,)] == 10 * DAY / 1e6
    assert len(figures["device_events"]) == 1000


# -- devices that were never heard -------------------------------------------------------

GATE = DeviceTable(address="10.20.0.14", mac=MAC)


def waiting(desk: Desk, **tables: DeviceTable) -> None:
    """The configuration has them since now."""
    desk.awaited = {name: Awaited(table, desk.now / 1e6) for name, table in tables.items()}


def test_a_configured_device_that_never_sends_is_missed_after_a_day_and_named() -> None:
    desk = Desk()
    waiting(desk, gate=GATE, yard=DeviceTable(serial="DS-YARD-1234"), lodge=DeviceTable(address="10.20.0.15"))

    desk.minutes(int(NEVER / 60))
    assert desk.pushes == []
    assert set(desk.silence.never) == {"gate", "yard", "lodge"}
    desk.minutes(2)

    assert [(event.type, event.state, event.device.id) for event in desk.events()] == [
        ("deviceSilent", "active", name) for name in ("gate", "lodge", "yard")
    ]
    assert all(
        "was never heard; it is configured since 1970-01-11" in (e.description or "") for e in desk.events()
    )


def test_it_is_said_once_also_over_a_restart_and_ends_when_it_is_heard() -> None:
    desk = Desk()
    waiting(desk, gate=GATE)
    desk.minutes(int(NEVER / 60) + 2)

    desk.restart()
    desk.minutes(3)
    assert desk.pushes == []
    desk.devices = [Seen(device="gate", first_received=desk.now, last_received=desk.now)]
    desk.minutes(3)

    assert [(event.state, event.device.id) for event in desk.events()] == [("inactive", "gate")]
    assert desk.silence.never == {}


def test_a_recorder_is_heard_by_what_comes_through_it() -> None:
    desk = Desk()
    waiting(desk, nvr=DeviceTable(address="10.20.0.16"))
    desk.devices = [Seen(device="nvr/33", first_received=desk.now, last_received=desk.now)]

    desk.minutes(int(NEVER / 60) + 2)

    assert desk.pushes == []
    assert desk.silence.never == {}

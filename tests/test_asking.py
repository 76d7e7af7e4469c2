"""Devices are asked what time it is."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from twisted.internet.task import Clock

from hikrecv.asking import AGAIN, EVERY, LOOK, REFUSED, SOON, AskClocks, answering
from hikrecv.config import DeviceTable, Login, Secret
from hikrecv.errors import Reject, Retry
from hikrecv.isapi.event import Device, Event
from hikrecv.push import Peer
from hikrecv.sightings.clocks import TrustedClocks

START = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
LOGIN = Login(user="admin", password=Secret("right"))


class House:
    """A device `gate` that can be asked, and how often it was."""

    def __init__(self, *answers: Any, behind: float = 7200.0) -> None:
        self.clock, self.clocks, self.asked = Clock(), TrustedClocks(), 0
        self.answers, self.behind = list(answers), behind
        self.asking = AskClocks(self.clock, self.clocks, self.answer, self.wall)
        self.asking.start(["gate"])

    def now(self) -> datetime:
        return START + timedelta(seconds=self.clock.seconds())

    def wall(self) -> int:
        return int(self.now().timestamp() * 1e9)

    async def answer(self, name: str) -> datetime:
        self.asked += 1
        if self.answers:
            raise self.answers.pop(0)
        return self.now() - timedelta(seconds=self.behind)

    def passes(self, seconds: float) -> None:
        self.clock.pump([LOOK] * int(seconds / LOOK))

    def opens(self, lag: float) -> bool:
        event = Event(
            id="j-1-0",
            key="k",
            seq=1,
            n=0,
            received=self.now(),
            occurred=self.now() - timedelta(seconds=lag),
            type="AccessControllerEvent",
            wire_type="AccessControllerEvent",
            family="access",
            state="active",
            freshness="live",
            peer=Peer("10.0.0.5", 1, "address"),
            device=Device(id="gate"),
        )
        self.clocks.publish(1, (event,))
        return self.clocks.lateness(event, 10.0).seconds <= 10


@pytest.mark.parametrize("behind", [-86400.0 * 365, -7200.0, 30.0, 7200.0, 86400.0 * 90])
def test_a_wrong_clock_opens_by_the_devices_own_word(behind: float) -> None:
    house = House(behind=behind)
    assert not house.opens(behind)

    house.passes(LOOK)

    assert house.opens(behind + 0.4)
    assert not house.opens(behind + 3600)


def test_a_right_clock_is_asked_every_six_hours() -> None:
    house = House(behind=0.0)
    for _ in range(100):
        house.passes(EVERY / 20)
        assert house.opens(0.3)

    assert house.asked == 5


def test_a_clock_that_was_set_is_asked_soon_and_its_door_opens_within_five_minutes() -> None:
    house = House()
    house.passes(LOOK)
    house.behind = -3600.0
    assert not house.opens(-3600.0)

    house.passes(SOON + LOOK)

    assert house.opens(-3600.0)
    assert house.asked == 2


def test_a_history_is_as_old_as_the_device_says() -> None:
    house = House(behind=0.0)
    opened = []
    for _ in range(500):
        opened.append(house.opens(86400.0 * 90))
        house.passes(LOOK)

    assert not any(opened)
    assert house.asked <= 500 * LOOK / SOON + 1


@pytest.mark.parametrize(("error", "pause"), [(Retry("away"), AGAIN), (Reject("wrong password"), REFUSED)])
def test_a_device_that_does_not_answer_is_left_alone_for_a_while(error: Exception, pause: float) -> None:
    house = House(error)
    for _ in range(int(pause / LOOK)):
        house.opens(7200.0)
        house.passes(LOOK)
    assert house.asked == 1

    house.passes(LOOK)

    assert house.asked == 2
    assert house.opens(7200.0)


def test_an_answer_that_took_long_is_no_sign() -> None:
    house = House()
    house.asking._wall = iter([0, 6_000_000_000]).__next__
    house.passes(LOOK)

    assert house.clocks.offset("gate") is None


def test_who_is_to_be_asked_has_an_address_and_a_login() -> None:
    tables = {
        "gate": DeviceTable(address="10.0.0.5", login=LOGIN),
        "url": DeviceTable(url="https://10.0.0.6", login=LOGIN),
        "no login": DeviceTable(address="10.0.0.7"),
        "no address": DeviceTable(mac="ac:cb:51:19:f5:08", login=LOGIN),
    }

    assert answering(tables) == {"gate", "url"}


def test_when_it_stops_nobody_is_asked() -> None:
    house = House()
    house.asking.stop()

    house.passes(100)

    assert house.asked == 0
    assert house.clock.getDelayedCalls() == []

"""How old an event is for who acts, and what is said of events that are too old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hikrecv import hookimpl
from hikrecv.journal.steady import SteadyClock
from hikrecv.push import Peer
from hikrecv.reactions.age import Ages
from hikrecv.reactions.too_old import EVERY
from hikrecv.sightings.clocks import SECOND, TrustedClocks

HOUR = 3600.0


class Door:
    """A plugin that acts, and notes what it acted on."""

    acts = True
    delivery = "at-most-once"
    opened: list[int]

    @hookimpl
    async def hikrecv_event(self, event: Any) -> None:
        self.opened.append(event.seq)


class Notes(Door):
    acts = False
    delivery = "at-least-once"


def lines() -> tuple[list[str], Any]:
    said: list[str] = []

    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    return said, observe


class House:
    """A door at the device `gate`, whose events come with a lag."""

    def __init__(self, stage: Any, plugin: type[Door] = Door, **table: Any) -> None:
        self.stage = stage
        plugin.opened = self.opened = []
        self.trusted = TrustedClocks()
        self.ages = Ages(stage.feed, stage.wall, trusted=self.trusted)
        reaction = stage.reaction(plugin, **table)
        self.courier = stage.courier(reaction, cursor=stage.feed.last, ages=self.ages)

    def publish(self, lag: float | None, **fields: Any) -> bool:
        """An event that lags so much; is it acted on?"""
        seq = self.stage.feed.last + 1
        event = self.stage.event(seq, **fields)
        occurred = None if lag is None else event.received - timedelta(seconds=lag)
        event = event.replace(occurred=occurred)
        self.trusted.publish(seq, (event,))
        self.stage.publish(event)
        return seq in self.opened

    def heartbeat(self, lag: float) -> None:
        self.publish(lag, family="heartbeat")

    @property
    def too_old(self) -> int:
        return int(self.courier.status().left_out.get("too old", 0))


def test_a_door_opens_for_what_happened_now_and_not_for_what_a_guess_calls_live(stage: Any) -> None:
    house = House(stage)
    assert house.publish(0.3)

    assert not house.publish(HOUR)
    assert house.too_old == 1


def test_a_door_opens_at_a_wrong_clock_after_its_heartbeats(stage: Any) -> None:
    house = House(stage)
    for _ in range(4):
        house.heartbeat(2 * HOUR)
        stage.clock.advance(30)

    assert house.publish(2 * HOUR + 0.5)


def test_who_does_not_act_goes_by_the_guess(stage: Any) -> None:
    house = House(stage, Notes, max_age="10s")

    assert house.publish(5.0)
    assert not house.publish(HOUR, freshness="late")


def test_what_the_device_calls_resent_is_a_minute_old_at_least(stage: Any) -> None:
    class Once(Door):
        acts = False

    house = House(stage, Once)

    assert not house.publish(0.0, freshness="resent")
    assert house.too_old == 1


def test_nobody_opens_a_door_for_an_event_without_a_time(stage: Any) -> None:
    assert not House(stage).publish(None)


def test_what_must_not_repeat_itself_but_does_not_act_may_have_no_time(stage: Any) -> None:
    class Once(Door):
        acts = False

    assert House(stage, Once).publish(None)


@pytest.mark.parametrize("step", [12, 20, 30, 59, 3600])
def test_after_a_clock_was_set_right_a_door_opens_again_within_five_minutes(stage: Any, step: int) -> None:
    house = House(stage)
    for _ in range(10):
        house.publish(-float(step))
        stage.clock.advance(30)
    opened = []
    for _ in range(20):
        opened.append(house.publish(0.4))
        stage.clock.advance(30)

    assert all(opened[10:])
    assert house.too_old == (0 if step <= 59 else 10) + opened.count(False)


def test_what_is_left_out_is_told_at_once_and_then_once_in_five_minutes(stage: Any) -> None:
    said, observe = lines()
    globalLogPublisher.addObserver(observe)
    try:
        house = House(stage)
        house.publish(0.3)
        for _ in range(int(EVERY / 10) + 1):
            house.publish(60.0)
            stage.clock.advance(10)
    finally:
        globalLogPublisher.removeObserver(observe)

    alarms = [line for line in said if "too old" in line]
    assert [line.startswith("ALARM: hq leaves events out that are too old: ") for line in alarms] == [
        True
    ] * 2
    assert "was 60 s late with it" in alarms[0]
    assert "`hikrecv devices forget-clock gate`" in alarms[0]
    assert house.too_old == 31


def test_a_clock_that_nobody_can_know_is_told_with_the_cure(stage: Any) -> None:
    said, observe = lines()
    globalLogPublisher.addObserver(observe)
    try:
        assert not House(stage).publish(-2 * HOUR)
    finally:
        globalLogPublisher.removeObserver(observe)

    assert 'write clock = "learned" in [devices.gate]' in next(line for line in said if "too old" in line)


def test_a_stranger_does_not_shut_a_door_by_what_it_says_of_the_time(stage: Any) -> None:
    house = House(stage)
    for _ in range(20):
        house.publish(-HOUR, peer=Peer("10.9.9.9", 1, "none"))

    assert house.publish(0.3)


# -- our own clocks -------------------------------------------------------------------


def steady(tmp_path: Any, **now: Any) -> SteadyClock:
    given = {"boottime": 1000.0, "wall": 1e9, "boot": "one"} | now
    boottime, wall = given.pop("boottime"), given.pop("wall")
    return SteadyClock(tmp_path / "steady", boottime=lambda: boottime, wall=lambda: wall, **given)


@pytest.mark.parametrize(
    ("then", "known"),
    [
        ({"boottime": 1003.0, "wall": 1e9 + 3}, True),
        ({"boottime": 4.0, "wall": 1e9 + 3, "boot": "two"}, False),
        ({"boottime": 1100.0, "wall": 1e9 + 3}, False),
    ],
    ids=["restarted", "switched off", "clock set back"],
)
def test_what_came_before_a_reboot_or_another_clock_has_no_age(
    stage: Any, tmp_path: Any, then: dict[str, Any], known: bool
) -> None:
    """A machine without a battery goes on where its clock was when the power failed."""
    steady(tmp_path).save()
    event = stage.event(1)
    stage.keep(event)
    stage.feed = stage.new_feed()
    house = House(stage)
    ages = Ages(stage.feed, stage.wall, trusted=house.trusted, steady=steady(tmp_path, **then))

    age = ages.of(event, 1, house.courier.reaction)

    assert (age.seconds <= 10) is known


def test_no_door_opens_by_the_clock_of_the_last_power_off(stage: Any, tmp_path: Any) -> None:
    """What the terminal has stored since then looks like now, until a time server is reached."""
    steady(tmp_path).save()
    boottime, synchronised = [20.0], [False]
    ours = SteadyClock(
        tmp_path / "steady",
        boottime=lambda: boottime[0],
        wall=lambda: 1e9 + boottime[0],
        boot="two",
        synchronised=lambda: synchronised[0],
    )
    house, other = House(stage), stage.reaction(Notes)
    ages = Ages(stage.feed, stage.wall, trusted=house.trusted, steady=ours)
    event = stage.event(1)
    stage.keep(event)

    age = ages.of(event, 1, house.courier.reaction)
    assert age.seconds > 1e9
    assert "no time server has set its clock" in age.why
    assert ages.of(event, 1, other, asked=True).seconds > 1e9
    assert ages.of(event, 1, other).seconds < 10

    synchronised[0] = True
    assert ages.of(event, 1, house.courier.reaction).seconds < 10
    synchronised[0], boottime[0] = False, 301.0
    assert ages.of(event, 1, house.courier.reaction).seconds < 10


def test_what_is_learned_of_clocks_is_written_when_our_own_can_be_believed(stage: Any, tmp_path: Any) -> None:
    boottime = [1000.0]
    ours = SteadyClock(tmp_path / "steady", boottime=lambda: boottime[0], wall=lambda: boottime[0] + 1e9)
    assert not ours.wall_was_set()
    house = House(stage)
    ages = Ages(stage.feed, stage.wall, trusted=house.trusted, steady=ours)
    house.publish(0.5)
    written: list[Any] = []

    async def write(changes: Any) -> None:
        written.extend(changes)

    ours._wall = lambda: boottime[0] + 2e9
    assert ours.wall_was_set()
    _run(ages.keep(write))
    assert written == []

    boottime[0] += 601
    _run(ages.keep(write))
    _run(ages.keep(write))

    assert written == [("gate", f'{{"offset":{SECOND // 2}}}')]
    house.trusted.forget("gate")
    assert ages.trusted.offset("gate") is None


def _run(work: Any) -> None:
    with pytest.raises(StopIteration):
        work.send(None)

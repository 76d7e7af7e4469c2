from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from hikrecv.isapi.event import CountedRegion, Event, Point

EventOf = Callable[..., Event]


def test_a_temperature_alarm_says_how_warm_and_by_which_rule(event_of: EventOf) -> None:
    event = event_of("thermal.xml")

    assert event.family == "thermal"
    thermal = event.thermal
    assert thermal is not None
    assert (thermal.temperature, thermal.threshold, thermal.unit) == (71.5, 60.0, "celsius")
    assert (thermal.rule, thermal.rule_type, thermal.preset) == ("boiler", "highestTemp", "3")
    assert thermal.point == Point(x=0.51, y=0.26)
    assert event.regions[0].points == (Point(x=0.5, y=0.25),)


def test_a_pre_alarm_in_json_is_the_same(event_of: EventOf) -> None:
    event = event_of("thermal-prealarm.json")

    assert event.thermal is not None
    assert (event.thermal.temperature, event.thermal.threshold, event.thermal.unit) == (
        151.25,
        140.0,
        "fahrenheit",
    )
    assert event.thermal.rule == "9"


def test_the_skin_temperature_of_a_person(event_of: EventOf) -> None:
    thermal = event_of("skin-temperature.json").thermal

    assert thermal is not None
    assert (thermal.temperature, thermal.abnormal, thermal.point) == (36.6, False, Point(x=0.48, y=0.51))


def test_unnamed_pictures_of_a_thermal_camera_belong_to_the_alarm(
    sample: Callable[[str], bytes],
    jpeg: Callable[[str], bytes],
    part: Callable[..., bytes],
    pushed: Callable[..., tuple[Event, ...]],
) -> None:
    (event,) = pushed(
        part(sample("thermal.xml"), "application/xml"),
        part(jpeg("visible"), "image/pjpeg"),
        part(jpeg("thermal"), "image/pjpeg"),
    )

    assert [each.content() for each in event.pictures] == [jpeg("visible"), jpeg("thermal")]
    assert [each.role for each in event.pictures] == ["background", "background"]


def test_people_counted_over_a_time_range(event_of: EventOf) -> None:
    event = event_of("counting.xml")

    assert event.family == "counting"
    counting = event.counting
    assert counting is not None
    assert (counting.mode, counting.enter, counting.exit, counting.passing) == ("timeRange", 12, 7, 3)
    assert (counting.child_enter, counting.child_exit) == (2, 1)
    assert counting.start == datetime.fromisoformat("2026-05-04T07:00:00+02:00")
    assert counting.end == datetime.fromisoformat("2026-05-04T07:05:00+02:00")
    assert counting.regions == (CountedRegion(id="1"),)


def test_people_counted_in_several_regions(event_of: EventOf) -> None:
    counting = event_of("counting-regions.xml").counting

    assert counting is not None
    assert counting.regions == (
        CountedRegion(id="1", name="left", enter=3, exit=4),
        CountedRegion(id="2", name="right", enter=2, exit=0),
    )


@pytest.mark.parametrize(
    ("name", "people", "wait", "region"),
    [("queue-length.json", 6, None, "2"), ("queue-now.json", 4, 95.0, "1")],
)
def test_a_queue_has_people_and_a_waiting_time(
    name: str, people: int, wait: float | None, region: str, event_of: EventOf
) -> None:
    event = event_of(name)

    assert event.family == "queue"
    assert event.counting is not None
    assert (event.counting.people, event.counting.wait_s) == (people, wait)
    assert event.counting.regions[0].id == region


def test_a_crowd_is_counted_by_region(event_of: EventOf) -> None:
    event = event_of("density.json")

    assert event.family == "counting"
    assert event.counting is not None
    assert event.counting.people == 14
    assert event.counting.regions == (CountedRegion(id="1", people=14), CountedRegion(id="2", people=3))

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from hikrecv.config import Common, Cooldown, Seconds, Zone, convert
from hikrecv.errors import ConfigError
from hikrecv.isapi.event import Access, Device, Event, Match, Plate
from hikrecv.push import Peer
from hikrecv.reactions.cooldown import cooling, who
from hikrecv.reactions.schedule import compile_schedule, zone_of


def opens(*entries: dict[str, Any]) -> Any:
    common = convert({"plugin": "p", "schedule": list(entries)}, Common)
    return compile_schedule(common.schedule, "reactions.a.schedule")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NIGHT = {"days": ["fri"], "times": ["22:00-06:00"], "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-01-30T21:59:59+01:00", False),
        ("2026-01-30T22:00:00+01:00", True),
        ("2026-01-30T21:00:00+00:00", True),
        ("2026-01-31T05:59:59+01:00", True),
        ("2026-01-31T06:00:00+01:00", False),
        ("2026-01-30T05:00:00+01:00", False),
        ("2026-01-31T23:00:00+01:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, is_open: bool) -> None:
    assert opens(NIGHT)(at(moment)) is is_open


@pytest.mark.parametrize(
    ("entry", "moment", "is_open"),
    [
        ({"times": ["08:00-18:00"], "zone": "+08:00"}, "2026-02-02T00:00:00+00:00", True),
        ({"times": ["08:00-18:00"], "zone": "+08:00"}, "2026-02-02T10:00:00+00:00", False),
        ({"times": ["00:00-24:00"], "zone": "-05:30"}, "2026-02-02T10:00:00+00:00", True),
        ({"days": ["sun"], "zone": "+00:00"}, "2026-02-01T23:59:59+00:00", True),
        ({"days": ["sun"], "zone": "+00:00"}, "2026-02-02T00:00:00+00:00", False),
        ({"times": ["8:00-9:00", "17:00 - 18:00"], "zone": "UTC"}, "2026-02-02T17:30:00+00:00", True),
        ({"times": ["22:00-00:00"], "zone": "UTC"}, "2026-02-02T23:30:00+00:00", True),
        ({"times": ["22:00-00:00"], "zone": "UTC"}, "2026-02-03T00:00:00+00:00", False),
        ({"days": ["sun"], "times": ["23:00-01:00"], "zone": "UTC"}, "2026-02-02T00:30:00+00:00", True),
    ],
)
def test_times_are_those_of_the_zone(entry: dict[str, Any], moment: str, is_open: bool) -> None:
    assert opens(entry)(at(moment)) is is_open


def test_any_entry_of_several_is_enough_and_none_is_no_schedule() -> None:
    both = opens(NIGHT, {"days": ["mon"], "zone": "UTC"})

    assert both(at("2026-02-02T12:00:00+00:00"))
    assert opens() is None


def test_summer_time_moves_with_the_zone() -> None:
    office = opens({"times": ["08:00-09:00"], "zone": "Europe/Berlin"})

    assert office(at("2026-01-15T07:30:00+00:00"))
    assert office(at("2026-07-15T06:30:00+00:00"))
    assert not office(at("2026-07-15T07:30:00+00:00"))


@pytest.mark.parametrize(
    "text", ["8-9", "25:00-26:00", "08:00-08:00", "08:60-09:00", "24:00-08:00", "", "08:00-25:00"]
)
def test_an_impossible_range_is_an_error_with_its_path(text: str) -> None:
    with pytest.raises(ConfigError, match=r"reactions\.a\.schedule\[0\]\.times"):
        opens({"times": [text]})


def test_a_zone_without_a_name_is_the_systems() -> None:
    assert zone_of(None) is zone_of(Zone("")) is None
    assert zone_of(Zone("-03:30")) == timezone(-timedelta(hours=3, minutes=30))


def event(**fields: Any) -> Event:
    return Event(
        id="j-1-0",
        key="k",
        seq=1,
        n=0,
        received=at("2026-02-02T00:00:00+00:00"),
        type="x",
        wire_type="x",
        family="unknown",
        state="active",
        freshness="live",
        peer=Peer("10.0.0.5", 1, "none"),
        device=Device(id="gate"),
        **fields,
    )


ACCESS = {"major": 5, "minor": 75, "name": "x", "outcome": "granted"}


@pytest.mark.parametrize(
    ("per", "fields", "name"),
    [
        ("device", {}, "device gate"),
        ("plate", {"plate": Plate(text="BAB1")}, "plate BAB1"),
        ("plate", {"plate": Plate()}, None),
        ("plate", {}, None),
        ("person", {"match": Match(person="Ann", person_id="7")}, "person 7"),
        ("person", {"match": Match(person="Ann")}, "person Ann"),
        ("person", {"access": Access(**ACCESS, employee_no="12", person="Ann")}, "person 12"),
        ("person", {"access": Access(**ACCESS)}, None),
        ("person", {}, None),
    ],
)
def test_a_cooldown_counts_by_device_person_or_plate(
    per: Any, fields: dict[str, Any], name: str | None
) -> None:
    assert who(event(**fields), Cooldown(every=Seconds(30), per=per)) == name


@pytest.mark.parametrize(
    ("last", "received", "held"),
    [
        (None, 100.0, False),
        (80.0, 100.0, True),
        (70.0, 100.0, False),
        (120.0, 100.0, True),
        (900.0, 100.0, False),
    ],
)
def test_a_cooldown_holds_back_what_comes_too_soon(last: float | None, received: float, held: bool) -> None:
    assert cooling(Cooldown(every=Seconds(30)), last, received) is held

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from hikrecv.config import Common, convert
from hikrecv.isapi.event import Device, Episode, Event
from hikrecv.push import Peer
from hikrecv.reactions.filter import Filter, compile_filter
from hikrecv.senders import Bound

NOW = datetime(2026, 2, 2, 12, tzinfo=timezone.utc)


BOUND = Bound({"10.0.0.5": "gate", "10.0.0.6": "nvr", "10.0.0.9": ""}, frozenset({"lobby"}))


def event(**fields: Any) -> Event:
    known: dict[str, Any] = {
        "id": "j-1-0",
        "key": "k",
        "seq": 1,
        "n": 0,
        "received": NOW,
        "type": "VMD",
        "wire_type": "VMD",
        "family": "motion",
        "state": "active",
        "freshness": "live",
        "peer": Peer("10.0.0.5", 1, "address"),
        "device": Device(id="gate"),
    }
    return Event(**(known | fields))


def wanted(acts: bool = False, **keys: Any) -> Filter:
    found, errors = compile_filter(
        convert({"plugin": "p", **keys}, Common), "reactions.a", acts=acts, bound=BOUND
    )
    assert errors == []
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("keys", "family", "is_wanted"),
    [
        ({}, "motion", True),
        ({}, "unknown", True),
        ({}, "heartbeat", False),
        ({}, "test", False),
        ({"families": ["heartbeat"]}, "heartbeat", True),
        ({"families": ["heartbeat"]}, "motion", False),
        ({"when": 'device.id == "gate"'}, "heartbeat", False),
        ({"when": 'device.id == "gate"'}, "motion", True),
        ({"when": 'family == "heartbeat"'}, "heartbeat", True),
        ({"when": 'type == "VMD"'}, "test", True),
        ({"families": ["motion"], "when": 'family == "heartbeat"'}, "heartbeat", False),
    ],
)
def test_heartbeats_and_tests_come_only_when_asked_for(
    keys: dict[str, Any], family: str, is_wanted: bool
) -> None:
    assert wanted(**keys)(event(family=family)) is is_wanted


def test_duplicates_and_repeats_are_skipped_on_request() -> None:
    duplicate = event(duplicate_of="j-0-0")
    first = event(episode=Episode(id="j-1-0", count=1, first=NOW))
    repeat = event(episode=Episode(id="j-0-0", count=2, first=NOW))

    assert [wanted()(each) for each in (duplicate, first, repeat)] == [True, True, True]
    assert not wanted(duplicates="skip")(duplicate)
    assert [wanted(repeats="first")(each) for each in (first, repeat)] == [True, False]


def test_the_schedule_is_judged_by_when_it_was_received() -> None:
    noon = wanted(schedule=[{"times": ["11:00-13:00"], "zone": "UTC"}])

    assert noon(event(occurred=NOW.replace(hour=3)))
    assert not noon(event(received=NOW.replace(hour=3)))


@pytest.mark.parametrize(
    ("fields", "trusted"),
    [
        ({}, True),
        ({"device": Device(id="nvr/3"), "peer": Peer("10.0.0.6", 1, "token")}, True),
        ({"device": Device(id="aa:bb:cc:dd:ee:ff")}, False),
        ({"device": Device(id="gates")}, False),
        ({"peer": Peer("10.0.0.5", 1, "none")}, False),
        # Whoever may send can write another's MAC into a body: only the address or the own login proves it.
        ({"peer": Peer("10.0.0.7", 1, "token")}, False),
        ({"peer": Peer("10.0.0.7", 1, "login")}, False),
        ({"peer": Peer("10.0.0.7", 1, "login", "lobby")}, False),
        ({"peer": Peer("10.0.0.9", 1, "address")}, False),
        ({"device": Device(id="lobby"), "peer": Peer("10.0.0.7", 1, "login", "lobby")}, True),
        ({"device": Device(id="lobby"), "peer": Peer("10.0.0.7", 1, "login")}, False),
        ({"device": Device(id="lobby"), "peer": Peer("10.0.0.5", 1, "login")}, False),
        # Whether it is too old is told where it is counted.
        ({"freshness": "late"}, True),
        ({"freshness": "resent"}, False),
    ],
)
def test_what_acts_gets_nothing_resent_and_only_events_of_devices_that_proved_who_they_are(
    fields: dict[str, Any], trusted: bool
) -> None:
    assert wanted(acts=True)(event(**fields)) is trusted
    assert wanted()(event(**fields))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    keys = {"when": "faces +", "families": ["plates", "x"], "schedule": [{"times": ["x"]}]}

    found, errors = compile_filter(convert({"plugin": "p", **keys}, Common), "reactions.a")

    assert found is None
    assert [error.path for error in errors] == [
        "reactions.a.when",
        "reactions.a.schedule[0].times",
        "reactions.a.families",
        "reactions.a.families",
    ]

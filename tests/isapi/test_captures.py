from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.isapi.identity import mac_of

BESIDE = Path(__file__).parents[3] / "shared" / "captures"
CAPTURES = Path(os.environ.get("HIKRECV_CAPTURES", BESIDE))

pytestmark = pytest.mark.captures


def captured(*kinds: str) -> list[Any]:
    listing = CAPTURES / "manifest.json"
    if not listing.exists():
        return []
    return [
        pytest.param(entry, id=entry["file"])
        for entry in json.loads(listing.read_bytes())["files"]
        if entry["kind"] in kinds
    ]


Check = Callable[[Event, Any], bool]


def number(value: Any) -> float:
    return float(value)


def text(value: Any) -> str | None:
    return str(value) or None


def same_time(event: Event, said: str) -> bool:
    if said in ("REDACTED", "##DATETIME##"):
        return event.occurred is None
    repaired = said if said[-6] in "+-" else f"{said[:-5]}+{said[-5:]}"
    return event.occurred == datetime.fromisoformat(repaired)


def channel(event: Event, said: Any) -> bool:
    return (event.channel.id if event.channel else None) == text(said)


def first_face(event: Event) -> Any:
    return event.faces[0]


CHECKS: dict[str, Check] = {
    "event_type": lambda event, said: event.wire_type == said,
    "state": lambda event, said: event.state == said,
    "description": lambda event, said: event.description == said,
    "ip": lambda event, said: event.device.ip == said,
    "mac": lambda event, said: event.device.mac == mac_of(said),
    "channel_id": channel,
    "channel_name": lambda event, said: (event.channel.name if event.channel else None) == text(said),
    "date_time": same_time,
    "active_post_count": lambda event, said: event.post_count == number(said),
    "is_heartbeat": lambda event, said: (event.family == "heartbeat") == said,
    "is_retransmission": lambda event, said: event.freshness == "live",
    "current_event": lambda event, said: (event.freshness == "live") == said,
    "serial": lambda event, said: event.device.serial == said,
    "device_name": lambda event, said: event.device.name == said,
    "person_name": lambda event, said: getattr(event.match or event.access, "person", None) == said,
    "library": lambda event, said: event.match is not None and event.match.library == said,
    "certificate_number": lambda event, said: (
        event.match is not None and event.match.certificate_number == said
    ),
    "max_similarity": lambda event, said: first_face(event).similarity == pytest.approx(said),
    "face_score": lambda event, said: first_face(event).quality == pytest.approx(said / 100),
    "stay_duration_ms": lambda event, said: first_face(event).stay_ms == said,
    "face_rect": lambda event, said: all(getattr(first_face(event).box, side) == said[side] for side in said),
    "candidate": lambda event, said: is_candidate(event, said),
    "major": lambda event, said: event.access is not None and event.access.major == said,
    "minor": lambda event, said: event.access is not None and event.access.minor == said,
    "serial_no": lambda event, said: (
        event.access is not None and event.access.serial_no == (None if said == "REDACTED" else said)
    ),
    "front_serial_no": lambda event, said: event.access is not None and event.access.front_serial_no == said,
    "employee_no": lambda event, said: event.access is not None and event.access.employee_no == said,
    "card_no": lambda event, said: event.access is not None and event.access.card_no == said,
    "card_reader_no": lambda event, said: event.access is not None and event.access.reader == said,
    "card_type": lambda event, said: event.access is not None and event.access.card_type == said,
    "door_no": lambda event, said: event.access is not None and event.access.door == said,
    "verify_mode": lambda event, said: event.access is not None and event.access.verify_mode == said,
    "user_type": lambda event, said: event.access is not None and event.access.user_type == said,
    "unlock_type": lambda event, said: event.access is not None and event.access.unlock_type == said,
    "remote_host": lambda event, said: event.access is not None and event.access.remote_host == said,
    "attendance_status": lambda event, said: (
        event.access is not None and (event.access.attendance or "undefined") == said
    ),
    "label": lambda event, said: event.access is not None and event.access.label == text(said),
    "mask": lambda event, said: event.access is not None and event.access.mask == said,
    "plate": lambda event, said: event.plate is not None and event.plate.text == said.upper(),
    "original_plate": lambda event, said: event.plate is not None and event.plate.original == said,
    "lane": lambda event, said: event.plate is not None and event.plate.lane == said,
    "direction": lambda event, said: event.plate is not None and event.plate.direction == said,
    "confidence": lambda event, said: (
        event.plate is not None and event.plate.confidence == number(said) / 100
    ),
    "country": lambda event, said: event.plate is not None and event.plate.country == said,
    "vehicle_type": lambda event, said: (
        event.plate is not None and event.plate.vehicle is not None and event.plate.vehicle.type == said
    ),
    "regions": lambda event, said: all(is_region(event, n, region) for n, region in enumerate(said)),
    "target": lambda event, said: said in [target.kind for target in event.targets],
    "target_type": lambda event, said: said in [target.kind for target in event.targets],
    "relation_event": lambda event, said: event.type == said and event.wire_type == "duration",
    "input_io_port": lambda event, said: event.io is not None and event.io.port == said,
    "alarm_type": lambda event, said: event.audio is not None and event.audio.alarm == said,
    "audio_decibel": lambda event, said: event.audio is not None and event.audio.decibel == number(said),
    "people_counting": lambda event, said: (
        event.counting is not None and event.counting.enter == number(said["enter"])
    ),
    "child_counting": lambda event, said: (
        event.counting is not None and event.counting.child_enter == number(said["enter"])
    ),
    "cid": lambda event, said: (
        event.panel is not None and event.panel.code == said["code"] and event.panel.zone == said["zone"]
    ),
    "bkg_url": lambda event, said: [picture.url for picture in event.pictures] == [said],
    "url_certification": lambda event, said: [picture.url_login for picture in event.pictures] == [said],
}


def is_candidate(event: Event, said: dict[str, Any]) -> bool:
    (candidate,) = event.faces[0].candidates
    found = {
        "similarity": candidate.similarity,
        "human_id": candidate.person_id,
        "library": candidate.library,
        "threshold": None
        if candidate.library_threshold is None
        else round(candidate.library_threshold * 100),
        "list_type": candidate.list_type,
        "person_name": candidate.name,
        "gender": candidate.gender,
        "born": candidate.born,
        "certificate_number": candidate.certificate_number,
    }
    return all(found[name] == value for name, value in said.items() if name in found)


def is_region(event: Event, n: int, said: dict[str, Any]) -> bool:
    region = event.regions[n]
    points = [[point.x * 1000, point.y * 1000] for point in region.points]
    rect = said.get("target_rect")
    return (
        region.id == text(said.get("region_id") or "")
        and (not said.get("sensitivity") or region.sensitivity == number(said["sensitivity"]))
        and region.target == (said.get("target") or region.target)
        and points == [pytest.approx(point) for point in said.get("points", points)]
        and (rect is None or getattr(event.targets[n].box, "x", None) == number(rect["X"]))
    )


def checks(event: Event, expect: dict[str, Any]) -> Iterator[str]:
    """Which expectations are not met."""
    for name, said in expect.items():
        check = CHECKS.get(name)
        if check is not None and not check(event, said):
            yield f"{name}: {said!r}"


@pytest.mark.parametrize("entry", captured("event"))
def test_a_captured_message_gives_what_is_in_it(
    entry: dict[str, Any], event_of: Callable[..., Event]
) -> None:
    body = (CAPTURES / entry["file"]).read_bytes()

    event = event_of(body, Decoder("w"), content_type=entry["content_type"].encode())

    assert list(checks(event, entry["expect"])) == []
    assert event.family != "unknown"


@pytest.mark.parametrize("entry", captured("event-multipart"))
def test_a_captured_body_gives_all_its_messages(
    entry: dict[str, Any], events_of: Callable[..., tuple[Event, ...]]
) -> None:
    body = (CAPTURES / entry["file"]).read_bytes()

    events = events_of(body, content_type=entry["content_type"].encode())

    expect = entry["expect"]
    for event, said in zip(events, expect.get("events", [expect]), strict=False):
        assert list(checks(event, said)) == []
    if "events" in expect:
        assert len([event for event in events if event.access is not None]) == expect["complete_parts"]

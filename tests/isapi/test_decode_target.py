from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Box, Event, Point

EventOf = Callable[..., Event]
EventsOf = Callable[..., tuple[Event, ...]]


def test_an_intrusion_has_its_region_and_its_target(event_of: EventOf) -> None:
    event = event_of("intrusion.xml")

    assert (event.type, event.family, event.state) == ("fielddetection", "intrusion", "active")
    (region,), (target,) = event.regions, event.targets
    assert (region.id, region.sensitivity, region.target) == ("2", 60, "human")
    assert region.points[:2] == (Point(x=0.1, y=0.2), Point(x=0.1, y=0.9))
    assert (target.kind, target.region) == ("human", "2")
    assert target.box == Box(x=0.31, y=0.42, width=0.05, height=0.2)


def test_older_firmware_writes_the_target_in_thousandths(event_of: EventOf) -> None:
    (target,) = event_of("intrusion-thousandths.xml").targets

    assert target.kind == "vehicle"
    assert target.box == Box(x=0.744, y=0.411, width=0.124, height=0.581)


def test_a_recorders_empty_region_is_a_region_without_anything(event_of: EventOf) -> None:
    event = event_of("intrusion-recorder.xml")

    (region,) = event.regions
    assert (region.id, region.sensitivity, region.points) == (None, 0, ())
    assert event.targets == ()
    assert event.anomalies == ("time-repaired",)


def test_a_line_and_its_suffix(event_of: EventOf) -> None:
    event = event_of("line-crossed.xml")

    assert (event.type, event.wire_type, event.family) == (
        "linedetection",
        "linedetection-1",
        "line-crossing",
    )
    assert event.targets[0].kind == "human"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("motion-human.xml", ["human"]), ("region-entered.xml", ["vehicle"]), ("motion.xml", [])],
)
def test_the_target_may_stand_at_the_root_or_in_the_rule(
    name: str, kinds: list[str], event_of: EventOf
) -> None:
    assert [target.kind for target in event_of(name).targets] == kinds


def test_a_mixed_target_has_a_human_and_a_face_each_with_its_pictures(
    sample: Callable[[str], bytes], jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    (event,) = pushed(
        part(sample("mixed-target.json"), "application/json", name="mixedTargetDetection"),
        part(jpeg("human"), name="9d48a26f7b8b4f2390c16808f93f3534", filename="humanImage.jpg"),
        part(jpeg("behind the human"), name="5EE7078E07BB47CF860DE8E4E9A85F28"),
        part(jpeg("face"), name="x", content_id="faceImage"),
        part(jpeg("behind the face"), name="faceBackgroundImage"),
    )

    assert [target.kind for target in event.targets] == ["human", "face"]
    shown = {picture.n: (picture.role, picture.content()) for picture in event.pictures}
    assert [shown[n] for n in event.targets[0].pictures] == [
        ("human", jpeg("human")),
        ("background", jpeg("behind the human")),
    ]
    assert [shown[n] for n in event.targets[1].pictures] == [
        ("face", jpeg("face")),
        ("background", jpeg("behind the face")),
    ]
    assert (event.faces[0].age, event.faces[0].gender, event.faces[0].glasses) == (33, "male", "no")


def test_two_targets_of_one_event_share_a_background(
    jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    human = (
        '{"Human":{"Rect":{"x":0.1,"y":0.1,"width":0.1,"height":0.1},"contentID2":"humanBackgroundImage"}}'
    )
    document = f'{{"eventType":"mixedTargetDetection","CaptureResult":[{human},{human}]}}'.encode()

    (event,) = pushed(part(document, "application/json"), part(jpeg("scene"), name="humanBackgroundImage"))

    assert [target.pictures for target in event.targets] == [(0,), (0,)]


def test_a_result_of_the_open_platform_has_its_target(event_of: EventOf) -> None:
    event = event_of("open-platform.json")

    assert (event.type, event.wire_type, event.family) == ("AIOP", "AIOP_Video", "ai")
    assert event.occurred is not None
    assert event.device.ip == "10.20.0.45"
    assert event.targets[0].kind == "vehicle"
    assert event.targets[0].box == Box(x=0.1, y=0.2, width=0.3, height=0.4)


def test_a_rectangle_out_of_the_picture_is_left_out_and_said(
    sample: Callable[[str], bytes], event_of: EventOf
) -> None:
    body = sample("intrusion.xml").replace(b"<width>0.05</width>", b"<width>4096</width>")

    event = event_of(body, content_type=b"application/xml")

    assert event.targets[0].box is None
    assert event.anomalies == ("out-of-picture",)

from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Box, Event

EventOf = Callable[..., Event]
EventsOf = Callable[..., tuple[Event, ...]]


def test_a_match_names_the_best_candidate_of_all_faces(event_of: EventOf) -> None:
    event = event_of("face-match.json")

    assert event.family == "face-match"
    assert event.match is not None
    assert (event.match.person, event.match.library, event.match.person_id) == ("Ada Marsh", "staff", "4")
    assert event.match.similarity == pytest.approx(0.912345678901234)
    assert event.match.list_type == "blackList"
    assert event.match.certificate_number == "0000000000000001"


def test_a_face_has_its_box_and_attributes(event_of: EventOf) -> None:
    (face,) = event_of("face-match.json").faces

    assert face.box == Box(x=0.35, y=0.29, width=0.09, height=0.16)
    assert (face.age, face.gender, face.glasses, face.mask, face.hat, face.beard) == (
        41,
        "female",
        "yes",
        "no",
        "unknown",
        "no",
    )
    assert (face.expression, face.stay_ms) == ("happy", 5200)
    assert face.quality == pytest.approx(0.84)


def test_a_threshold_of_one_is_one_percent_and_a_similarity_is_not_percent(event_of: EventOf) -> None:
    first, second = event_of("face-match.json").faces[0].candidates

    assert (first.library_threshold, second.library_threshold) == (0.01, 0.7)
    assert first.similarity == 0.61


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('"similarity":	0.61,', '"similarity":	61,'),
        ('"FDLibThreshold":	1', '"FDLibThreshold":	101'),
    ],
)
def test_a_value_outside_its_unit_is_left_out_and_said(
    field: str, value: str, sample: Callable[[str], bytes], event_of: EventOf
) -> None:
    body = sample("face-match.json").replace(field.encode(), value.encode())

    event = event_of(body)

    first = event.faces[0].candidates[0]
    assert None in (first.similarity, first.library_threshold)
    assert event.anomalies == ("out-of-unit",)


def test_a_face_that_is_in_no_library_is_an_event_without_match(event_of: EventOf) -> None:
    event = event_of("face-match-nobody.json")

    assert event.match is None
    assert len(event.faces) == 1
    assert event.faces[0].candidates == ()


def test_a_capture_has_all_faces_and_a_bare_score(event_of: EventOf) -> None:
    event = event_of("face-capture.json")

    assert event.family == "face-capture"
    assert [face.quality for face in event.faces] == [0.65, 0.4]
    assert event.faces[0].stay_ms == 283_000


def test_a_recorder_gives_links_instead_of_pictures(event_of: EventOf) -> None:
    event = event_of("face-match-recorder.json")

    assert event.type == "alarmResult"
    assert event.wire_type == "faceContrast"
    assert event.match is not None
    assert event.match.person == "Cy Dunn"
    assert [(picture.role, picture.url_login) for picture in event.pictures] == [
        ("background", "digest"),
        ("face", "digest"),
    ]
    assert event.faces[0].pictures == (1,)
    assert (
        event.pictures[1].url == "http://10.20.0.2/picture/Streaming/tracks/803/?name=ch00008_face&size=20306"
    )


def test_a_plain_face_detection_has_its_rectangle(event_of: EventOf) -> None:
    event = event_of("face-seen.xml")

    assert event.family == "face-detected"
    assert event.faces[0].box == Box(x=0.4, y=0.3, width=0.05, height=0.1)


@pytest.mark.parametrize("name", ["face-match.json", "face-match-misprints.json"])
def test_each_picture_is_tied_to_what_it_shows(
    name: str,
    sample: Callable[[str], bytes],
    jpeg: Callable[[str], bytes],
    part: Callable[..., bytes],
    pushed: EventsOf,
) -> None:
    scene, ada, bo, face = (
        "2026050407080900100backgroundAAA",
        "2026050407080900300libraryAAA2",
        "2026050407080900300libraryAAA1",
        "2026050407080900200faceAAAAAAAA",
    )

    (event,) = pushed(
        part(sample(name), "application/json", name="alarmResult"),
        part(jpeg("scene"), name="backgroundImage", filename=scene, content_id=scene),
        part(jpeg("ada"), name="faceLibImage", filename=f"{ada}.jpg", content_id=f"<{ada}>"),
        part(jpeg("bo"), name="faceLibImage", filename="x", content_id=bo),
        part(jpeg("face"), name=face, filename="faceImage.jpg"),
    )

    assert [picture.role for picture in event.pictures] == [
        "background",
        "face-library",
        "face-library",
        "face",
    ]
    shown = {picture.n: picture.content() for picture in event.pictures}
    (seen,) = event.faces
    assert [shown[n] for n in seen.pictures] == [jpeg("face")]
    assert [shown[n] for candidate in seen.candidates for n in candidate.pictures] == [
        jpeg("bo"),
        jpeg("ada"),
    ]
    assert event.pictures[0].size == len(jpeg("scene"))


def test_templates_are_in_the_document_only_when_they_are_asked_for(event_of: EventOf) -> None:
    event = event_of("face-match.json")

    assert b"QUFBQUFB" not in event.to_json()
    assert "odel" not in str(event.data())
    assert event.data()["alarmResult"][0]["faces"][0]["faceId"] == 16
    full = event.__dict__["_data_full"]()
    assert full["alarmResult"][0]["modelData"] == "QUFBQUFBQUFBQUFB"
    assert full["alarmResult"][0]["faces"][0]["modeldata"] == "QkJCQkJCQkJCQkJC"

from __future__ import annotations

from typing import get_args

import pytest

from hikrecv.isapi import catalogue
from hikrecv.isapi.event import Family, Outcome


@pytest.mark.parametrize(
    ("wire", "type_"),
    [
        ("VMD", "VMD"),
        ("vmd", "VMD"),
        ("Motion alarm", "VMD"),
        ("MoveDetection.xml", "VMD"),
        ("anpr_xml", "ANPR"),
        ("hderror.xml", "diskerror"),
        ("disc error alarm", "diskerror"),
        ("scenchangedetection alarm", "scenechangedetection"),
        ("facedetection-1", "facedetection"),
        ("faceDetection-Unknown", "facedetection"),
        ("AID_\u200bcongestion", "AID"),
        ("AIOP_Density", "AIOP"),
        ("TFS_somethingNew", "TFS"),
        ("HEARTBEAT", "heartBeat"),
        ("Access Controller Event", "AccessControllerEvent"),
        ("WLAlarm/PIR", "PIR"),
        ("PackingSpaceRecognition", "PackingSpaceRecognition"),
    ],
)
def test_a_type_is_found_however_it_is_written(wire: str, type_: str) -> None:
    kind = catalogue.kind_of(wire)

    assert kind is not None
    assert kind.type == type_


@pytest.mark.parametrize("wire", ["", "quantumFluctuation", "alarm", "-1", "xml"])
def test_what_is_not_in_the_catalogue_is_not_guessed(wire: str) -> None:
    assert catalogue.kind_of(wire) is None


def test_every_family_of_the_catalogue_is_a_family_of_the_event() -> None:
    assert {kind.family for kind in catalogue.types()} <= set(get_args(Family))


def test_every_type_says_what_it_means() -> None:
    assert len(catalogue.types()) > 180
    assert all(kind.words and kind.words == kind.words.strip() for kind in catalogue.types())


def test_no_spelling_means_two_types() -> None:
    for kind in catalogue.types():
        assert catalogue.kind_of(kind.type) == kind


@pytest.mark.parametrize(
    ("major", "minor", "outcome"),
    [
        (5, 1, "granted"),
        (5, 75, "granted"),
        (5, 9, "denied"),
        (5, 76, "denied"),
        (5, 104, "denied"),
        (5, 21, "door"),
        (5, 27, "alarm"),
        (5, 92, "exception"),
        (1, 1034, "alarm"),
        (2, 1024, "exception"),
        (3, 1024, "operation"),
        (4, 195, "other"),
    ],
)
def test_a_code_has_a_name_and_an_outcome(major: int, minor: int, outcome: str) -> None:
    code = catalogue.access_code(major, minor)

    assert code.outcome == outcome
    assert not code.name.endswith(f"{major}/{minor}")


def test_ranges_of_custom_codes_are_numbered() -> None:
    assert catalogue.access_code(5, 1280).name == "custom event 1"
    assert catalogue.access_code(5, 1343).name == "custom event 64"
    assert catalogue.access_code(1, 2367).name == "custom alarm 64"


@pytest.mark.parametrize(
    ("major", "outcome"), [(1, "alarm"), (2, "exception"), (3, "operation"), (5, "other"), (9, "other")]
)
def test_a_code_that_nobody_documented_is_never_granted(major: int, outcome: str) -> None:
    code = catalogue.access_code(major, 60_000)

    assert code.outcome == outcome
    assert code.name.endswith(f"{major}/60000")


def test_every_documented_code_has_a_known_outcome() -> None:
    codes = catalogue.access_codes()

    assert len(codes) > 900
    assert {code.outcome for code in codes.values()} <= set(get_args(Outcome))
    assert all(code.name for code in codes.values())


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1130, "burglary"),
        (3130, "burglary"),
        (1103, "burglary"),
        (1110, "fire"),
        (1120, "panic"),
        (1131, "perimeter"),
        (1137, "tamper"),
        (1148, "device moved"),
        (1301, "mains lost"),
        (401, "armed or disarmed by a user"),
    ],
)
def test_a_contact_id_has_a_name_with_and_without_its_leading_digit(code: int, name: str) -> None:
    assert catalogue.cid_name(code) == name


def test_an_unknown_contact_id_has_no_name() -> None:
    assert catalogue.cid_name(1999) is None


def test_the_unit_of_a_threshold_is_percent_and_of_a_similarity_is_not() -> None:
    assert catalogue.units()["fdlibthreshold"] == "percent"
    assert catalogue.units()["similarity"] == "unit"

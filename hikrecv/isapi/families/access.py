"""
Access control: doors, turnstiles, face terminals, attendance clocks.

Source: captures of MinMoe terminals, readers and door stations; the codes stand
in the catalogue.  `employeeNoString` "" and `employeeNo` 0 mean nobody,
`attendanceStatus` "undefined" means that nothing was chosen.
"""

from __future__ import annotations

from typing import Any

from ..catalogue import Code, access_code
from ..event import Access, Face
from ..fields import Fields, each, flag, text, whole
from ..reading import Reading
from .thermal import read_skin

_PARTS = (
    (None, "picture", "pictureimage"),
    ("visible", "visiblelight", "visiblelight_image"),
    ("thermal", "thermal", "thermal_image"),
    ("hand", "handpicture", "hand_image"),
)


def read_access(reading: Reading, value: Any) -> None:
    """`AccessControllerEvent`, and the events of cards and codes that have no numbers."""
    for found in each(value):
        _read(reading, found)
        return


def _read(reading: Reading, found: Fields) -> None:
    major = whole(found, "majoreventtype", "major") or 0
    minor = whole(found, "subeventtype", "minoreventtype", "minor") or 0
    code = access_code(major, minor) if major or minor else Code(reading.kind.words, "other")
    reading.called(text(found, "devicename"))
    reading.fields["access"] = Access(
        major=major,
        minor=minor,
        name=code.name,
        outcome=code.outcome,
        employee_no=_employee(found),
        person=text(found, "name", "personname"),
        card_no=_present(found, "cardno"),
        door=whole(found, "doorno"),
        reader=whole(found, "cardreaderno"),
        verify_mode=text(found, "currentverifymode"),
        attendance=_present(found, "attendancestatus"),
        serial_no=whole(found, "serialno"),
        front_serial_no=whole(found, "frontserialno"),
        remote_check=flag(found, "remotecheck"),
        user_type=text(found, "usertype"),
        mask=text(found, "mask"),
        label=text(found, "label", "labelname"),
        card_type=whole(found, "cardtype"),
        unlock_type=text(found, "unlocktype"),
        remote_host=text(found, "remotehostaddr"),
    )
    _face(reading, found)
    if "currtemperature" in found:
        read_skin(reading, found)
    if reading.gallery.labels:
        for role, *names in _PARTS:
            reading.named(role, *names)
    reading.shown(found, "capture")


def _employee(found: Fields) -> str | None:
    said = text(found, "employeenostring", "employeeno")
    return None if said == "0" else said


def _present(found: Fields, name: str) -> str | None:
    said = text(found, name)
    return None if said == "undefined" else said


def _face(reading: Reading, found: Fields) -> None:
    box = reading.box(found, "facerect")
    if box is not None:
        reading.fields["faces"] = (Face(box=box, mask=text(found, "mask")),)


READS = dict.fromkeys(
    (
        "accesscontrollerevent",
        "acsevent",
        "idcardinfoevent",
        "qrcodeevent",
        "attendance",
        "personabnormalalarm",
        "cardmatch",
        "certificatecaptureevent",
        "uncertificatecompareevent",
        "consumptionevent",
        "transactionrecordevent",
        "consumptionandtransactionrecordevent",
        "cardevent",
    ),
    read_access,
)

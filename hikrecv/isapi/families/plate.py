"""
Number plates: read at a gate or on the road, found on a list, seen in a parking space.

Source: captures of ITC and DeepinView cameras.  Firmware misspells several
names (see the catalogue) and mixes `X` and `x` in one document.
"""

from __future__ import annotations

from typing import Any

from ..event import Box, Plate, Vehicle
from ..fields import Fields, each, number, sub, text
from ..pictures import role_of
from ..reading import Reading

_NOTHING_READ = frozenset({"UNKNOWN", "NONE", "NOPLATE", "NULL", "无车牌", "未知"})
_UNSAID = frozenset({"unknown", "0", "-1"})


def read_anpr(reading: Reading, value: Any) -> None:
    """`ANPR`, and what is spelled like it."""
    for found in each(value):
        shots, plate_box, vehicle_box = _pictures(reading, found)
        original = text(
            found, "originallicenseplate", "licenseplate", "plate", "platenumber", "plateno", "platenum"
        )
        reading.fields["plate"] = Plate(
            text=_plate_text(
                text(found, "licenseplate", "plate", "platenumber", "plateno", "platenum") or original
            ),
            original=original,
            country=_said(found, "country"),
            lane=text(found, "line", "lane", "laneno"),
            direction=text(found, "direction", "vehicleenterstate"),
            confidence=reading.ratio(found, "confidencelevel", "confidence"),
            list_type=text(found, "listtype", "vehiclelisttype"),
            list_name=text(found, "vehiclelistname"),
            color=_said(found, "platecolor"),
            type=_said(found, "platetype"),
            vehicle=_vehicle(found, vehicle_box or reading.box(found, "vehiclerect")),
            box=plate_box or reading.box(found, "platerect"),
            pictures=shots + reading.shown(found, "plate"),
        )
        return


def read_bare(reading: Reading, _: Any) -> None:
    """A plate at the root of the document, without a part of its own."""
    if "plate" not in reading.fields:
        read_anpr(reading, reading.doc)


def read_matched(reading: Reading, value: Any) -> None:
    """`VehicleMatchResult`: what was read stands in `PlateInfo` or right here."""
    for found in each(value):
        read_anpr(reading, {**found, **sub(found, "plateinfo"), **sub(found, "anpr")})
        return


def read_spaces(reading: Reading, value: Any) -> None:
    """`PackingSpaceRecognition` (sic): the first space that names a plate."""
    spaces = list(each(value))
    named = [space for space in spaces if text(space, "plateno", "licenseplate")]
    for space in named[:1]:
        read_anpr(reading, space)


def _plate_text(said: str | None) -> str | None:
    plain = "".join((said or "").upper().split())
    return plain if plain and plain not in _NOTHING_READ else None


def _said(fields: Fields, name: str) -> str | None:
    said = text(fields, name)
    return None if said in _UNSAID else said


def _vehicle(found: Fields, box: Box | None) -> Vehicle | None:
    info = sub(found, "vehicleinfo")
    vehicle = Vehicle(
        type=_said(found, "vehicletype") or _said(info, "vehicletype"),
        color=_said(info, "color") or _said(found, "vehiclecolor"),
        brand=_said(info, "vehiclelogorecog") or _said(found, "vehiclebrand"),
        sub_brand=_said(info, "vehiclesublogorecog"),
        model=_said(info, "vehiclemodel"),
        speed=number(info, "speed"),
        box=box,
    )
    return vehicle if any(value for value in _values(vehicle)) else None


def _values(vehicle: Vehicle) -> tuple[object, ...]:
    return tuple(getattr(vehicle, name) for name in vehicle.__struct_fields__)


def _pictures(reading: Reading, found: Fields) -> tuple[tuple[int, ...], Box | None, Box | None]:
    """The pictures, and where plate and vehicle are in the scene they were found in."""
    shots: list[int] = []
    plate_box = vehicle_box = None
    for info in each(found.get("pictureinfolist"), "pictureinfo"):
        name = text(info, "type") or text(info, "filename")
        shots += reading.shown(info, role_of(name) if name else None)
        reading.happened(info.get("abstime"))
        plate_box = plate_box or reading.box(info, "platerect")
        vehicle_box = vehicle_box or reading.box(info, "vehiclerect")
    return tuple(shots), plate_box, vehicle_box


READS = {
    "anpr": read_anpr,
    "vehicledetection": read_anpr,
    "hvtvehicledetection": read_anpr,
    "vehiclercogresult": read_anpr,
    "vehiclematchresult": read_matched,
    "vehiclecontrol": read_matched,
    "packingspacerecognition": read_spaces,
    "parkingspacerecognition": read_spaces,
    "licenseplate": read_bare,
}

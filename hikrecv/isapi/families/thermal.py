"""
Temperatures: of a scene (TMA, TMPA), or of a person at a terminal.

Source: captures of dual-channel thermal cameras; the terminals' guide.  The
temperature is in the unit that `thermometryUnit` names.
"""

from __future__ import annotations

from typing import Any

from ..event import Point, Thermal
from ..fields import Fields, each, flag, number, sub, text
from ..reading import Reading

_MEASURED = ("currtemperature", "temperature", "highesttemperature", "maxtemperature")
_LIMITS = ("ruletemperature", "alarmtemperature", "threshold")


def read_rule(reading: Reading, value: Any) -> None:
    """`TMA` and `TMPA`, at the root or in a region: which rule, and how warm it was."""
    for found in each(value):
        if "thermal" not in reading.fields:
            reading.fields["thermal"] = _rule(reading, found)


def read_skin(reading: Reading, value: Any) -> None:
    """The skin temperature that a terminal measured."""
    for found in each(value):
        reading.called(text(found, "devicename"))
        reading.fields["thermal"] = Thermal(
            temperature=number(found, *_MEASURED),
            unit=text(found, "thermometryunit"),
            abnormal=flag(found, "isabnormaltemperature"),
            point=_point(reading, found, "regioncoordinates"),
        )
        reading.named("visible", "visiblelight", "visiblelight_image")
        reading.named("thermal", "thermal", "thermal_image")
        reading.linked(found)
        return


def _rule(reading: Reading, found: Fields) -> Thermal:
    return Thermal(
        temperature=number(found, *_MEASURED),
        threshold=number(found, *_LIMITS),
        unit=text(found, "thermometryunit"),
        rule=text(found, "rulename", "ruleid", "id"),
        rule_type=text(found, "ruletype", "rulecalibtype"),
        preset=text(found, "presetno"),
        point=_point(reading, found, "maximumtemperaturepoint", "hightemperaturepoint"),
    )


def _point(reading: Reading, found: Fields, *names: str) -> Point | None:
    at = sub(found, *names)
    points = reading.points((at,)) if at else ()
    return points[0] if points else None


READS = {
    "tma": read_rule,
    "tmpa": read_rule,
    "thermometry": read_rule,
    "temperaturedetection": read_rule,
    "facetemperaturemeasurementevent": read_skin,
}

"""
Alarm panels and radars: Contact-ID messages, zones, arming.

Source: captures of security radars and AX panels; ANSI/SIA DC-05 for the codes.
`code` 1xxx begins, 3xxx ends; the device counts zones from 0, its pages from 1.
An empty `CIDEvent` is a keep-alive.
"""

from __future__ import annotations

from typing import Any

from ..catalogue import cid_name
from ..event import Panel
from ..fields import each, text, whole
from ..reading import Reading

_AREA = ("area", "subsystem", "subsystemno", "system", "partitionid", "areaid")
_END = range(3000, 4000)


def read_cid(reading: Reading, value: Any) -> None:
    """`CIDEvent`."""
    for found in each(value):
        code, standard = whole(found, "code"), whole(found, "standardcidcode")
        reading.happened(found.get("trigger"))
        reading.fields["panel"] = Panel(
            code=code,
            standard_code=standard,
            name=_name(standard, code) or text(found, "description"),
            type=text(found, "type"),
            restored=None if code is None and standard is None else (standard or code) in _END,
            zone=whole(found, "zone", "zoneno", "zoneid"),
            zone_name=text(found, "zonename", "name"),
            area=text(found, *_AREA),
            user=text(found, "username", "user", "userno", "keypadno"),
            device_no=whole(found, "deviceno", "moduleno"),
        )
        reading.shown(found)
        return


def read_zone(reading: Reading, value: Any) -> None:
    """`Zone` of a zone event: the first of them."""
    for found in each(value, "zone"):
        reading.fields["panel"] = Panel(
            type=text(found, "detectortype", "type") or "zone",
            name=text(found, "status", "alarmtype"),
            zone=whole(found, "id", "zone", "zoneno"),
            zone_name=text(found, "name", "zonename"),
            area=text(found, *_AREA),
        )
        return


def read_arming(reading: Reading, value: Any) -> None:
    """`armStatus`: an object, or the word itself."""
    found = next(iter(each(value)), {"status": value})
    reading.fields["panel"] = Panel(
        type="arming",
        name=text(found, "status", "arming", "armstatus", "type"),
        area=text(found, *_AREA) or text(reading.doc, *_AREA),
        user=text(found, "username", "user"),
    )


def read_bare(reading: Reading, _: Any) -> None:
    """A hybrid panel's alert that has `zoneID` and `partitionID` at the root and nothing else."""
    if "panel" not in reading.fields and reading.kind.family == "panel":
        reading.fields["panel"] = Panel(
            zone=whole(reading.doc, "zoneid", "zoneno"), area=text(reading.doc, *_AREA)
        )


def _name(*codes: int | None) -> str | None:
    return next((name for code in codes if code is not None and (name := cid_name(code))), None)


READS = {
    "cidevent": read_cid,
    "zone": read_zone,
    "zonelist": read_zone,
    "zoneevent": read_zone,
    "armstatus": read_arming,
    "zoneid": read_bare,
    "partitionid": read_bare,
}

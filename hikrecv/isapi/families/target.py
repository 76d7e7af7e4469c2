"""
Regions and what was detected in them: intrusion, line crossing, region, motion, mixed targets.

Source: captures of AcuSense cameras and recorders.  `detectionTarget` stands in
the region, on other firmware as `targetType` at the root or beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..event import Box, Face, Region, Target
from ..fields import Fields, each, sub, text, whole
from ..reading import Reading
from .thermal import read_rule

_KINDS = {
    "human": "human",
    "face": "face",
    "vehicle": "vehicle",
    "nonmotor": "non-motor",
    "nonmotorvehicle": "non-motor",
}
_AIM = ("detectiontarget", "targettype", "recognitiontype")


def read_regions(reading: Reading, value: Any) -> None:
    """`DetectionRegionList`: each rule's region, and the target in it."""
    regions, targets = [], []
    for entry in each(value, "detectionregionentry"):
        name = text(entry, "regionid")
        aim = text(entry, *_AIM) or text(reading.doc, *_AIM)
        regions.append(
            Region(
                id=name,
                sensitivity=whole(entry, "sensitivitylevel"),
                points=reading.points(each(entry.get("regioncoordinateslist"), "regioncoordinates")),
                target=aim,
                name=text(entry, "regionname", "rulename"),
            )
        )
        box = reading.box(entry, "targetrect")
        if box is not None or aim is not None:
            targets.append(Target(kind=_kind(aim), box=box, region=name))
        for key in ("tma", "tmpa"):
            if key in entry:
                read_rule(reading, entry[key])
    _add(reading, "regions", regions)
    _add(reading, "targets", targets)


def read_aim(reading: Reading, value: Any) -> None:
    """`targetType` or `detectionTarget` at the root, when no region says more."""
    if not any(key in reading.doc for key in ("detectionregionlist", "targetrect")):
        said = text({"aim": value}, "aim")
        if said is not None:
            _add(reading, "targets", [Target(kind=_kind(said), region=text(reading.doc, "regionid"))])


def read_rect(reading: Reading, value: Any) -> None:
    """A `TargetRect` at the root."""
    boxes = [reading.rect(rect, "targetrect") for rect in each(value)]
    if "detectionregionlist" not in reading.doc:
        kind, region = _kind(text(reading.doc, *_AIM)), text(reading.doc, "regionid")
        targets = [Target(kind=kind, box=box, region=region) for box in boxes if box is not None]
        _add(reading, "targets", targets)


def read_nested(reading: Reading, value: Any) -> None:
    """A rule's own element, such as `RegionEntrance`, with a `targetType` inside."""
    targets = []
    for found in each(value):
        aim, box = text(found, *_AIM), reading.box(found, "targetrect")
        if aim is not None or box is not None:
            targets.append(Target(kind=_kind(aim), box=box, region=text(found, "regionid")))
    _add(reading, "targets", targets)


def read_captures(reading: Reading, value: Any) -> None:
    """`CaptureResult` of mixed target detection: a human, a face, a vehicle, each with its pictures."""
    targets: list[Target] = []
    faces: list[Face] = []
    for result in each(value):
        for kind, found in _seen(result):
            box = reading.box(found, "rect", f"{kind}rect", "facerect", "targetrect")
            pictures = _captured(reading, kind, found)
            reading.happened(found.get("snaptime"))
            targets.append(Target(kind=kind, box=box, pictures=pictures))
            if kind == "face":
                faces.append(_face(found, box, pictures))
    _add(reading, "faces", faces)
    _add(reading, "targets", targets)


def read_platform(reading: Reading, value: Any) -> None:
    """`Target` of the open platform: `recognitionType`, `TargetInfo`."""
    targets = []
    for found in each(value):
        info = sub(found, "targetinfo") or found
        box = reading.box(info, "rect", "targetrect", "region")
        targets.append(Target(kind=_kind(text(found, *_AIM)), box=box, pictures=reading.shown(info)))
    _add(reading, "targets", targets)


def _seen(result: Fields) -> Iterator[tuple[str, Fields]]:
    for name, kind in _KINDS.items():
        for found in each(result.get(name)):
            yield kind, found


def _captured(reading: Reading, kind: str, found: Fields) -> tuple[int, ...]:
    near = reading.refer(text(found, "pid1"), (text(found, "contentid1"),), kind)
    scene = reading.refer(text(found, "pid2"), (text(found, "contentid2"),), "background")
    return near + scene + reading.shown(found, kind)


def _face(found: Fields, box: Box | None, pictures: tuple[int, ...]) -> Face:
    said = {text(each_, "description") or "": text(each_, "value") for each_ in each(found.get("property"))}
    said = {name.lower(): value for name, value in said.items()}
    return Face(
        box=box,
        age=whole(said, "age"),
        gender=said.get("gender"),
        glasses=said.get("glass") or said.get("glasses"),
        mask=said.get("mask"),
        hat=said.get("hat"),
        beard=said.get("beard"),
        expression=said.get("faceexpression") or said.get("expression"),
        pictures=pictures,
    )


def _kind(aim: str | None) -> str:
    plain = (aim or "").lower()
    return _KINDS.get(plain, plain or "unknown")


def _add(reading: Reading, name: str, found: list[Any]) -> None:
    if found:
        reading.fields[name] = (*reading.fields.get(name, ()), *found)


READS = {
    "detectionregionlist": read_regions,
    "targetrect": read_rect,
    "targettype": read_aim,
    "detectiontarget": read_aim,
    "captureresult": read_captures,
    "target": read_platform,
    "regionentrance": read_nested,
    "regionexiting": read_nested,
    "fielddetection": read_nested,
    "linedetection": read_nested,
    "loitering": read_nested,
}

"""
Faces: seen, captured, compared with a library.

Source: captures of DeepinView cameras and recorders, and the vendor's note on
face comparison.  `alarmResult`, `faceCapture` and their relatives hold results,
each with the scene (`targetAttrs`) and `faces`; a plain `facedetection` has only
a `FaceRect`.
"""

from __future__ import annotations

from typing import Any

from ..event import Candidate, Face, Match
from ..fields import Fields, each, sub, text, whole
from ..reading import Reading


def read_faces(reading: Reading, results: Any) -> None:
    """The results of `alarmResult`, `faceCapture` and the like."""
    faces: list[Face] = []
    for result in each(results):
        scene = sub(result, "targetattrs")
        _scene(reading, result, scene)
        faces += [_face(reading, face, result) for face in each(result.get("faces"), "face")]
    if faces:
        reading.fields["faces"] = (*reading.fields.get("faces", ()), *faces)
        match = _best(reading.fields["faces"])
        if match is not None:
            reading.fields["match"] = match


def read_rect(reading: Reading, rect: Any) -> None:
    """A `FaceRect` at the root of an alert; terminals have theirs inside the access event."""
    boxes = [reading.rect(found, "facerect") for found in each(rect)]
    faces = [Face(box=box) for box in boxes if box is not None]
    if faces:
        reading.fields["faces"] = (*reading.fields.get("faces", ()), *faces)


def _scene(reading: Reading, result: Fields, scene: Fields) -> None:
    reading.called(text(scene, "devicename"), text(scene, "deviceid"))
    reading.happened(scene.get("facetime") or scene.get("snaptime"))
    own = text(result, "uid")
    reading.ids += [own] if own else []
    reading.shown(scene, "background")
    reading.linked(result, "background")


def _face(reading: Reading, face: Fields, result: Fields) -> Face:
    compared = each(face.get("identify")) or [face]
    found = _compared_with(compared) or _compared_with(each(result.get("identify")))
    candidates = tuple([_candidate(reading, candidate) for candidate in found])
    likeness = [reading.ratio(holder, "maxsimilarity") for holder in compared]
    likeness += [candidate.similarity for candidate in candidates]
    return Face(
        box=reading.box(face, "facerect", "rect"),
        quality=reading.ratio(face, "score", "facescore"),
        age=whole(face, "age"),
        gender=text(face, "gender"),
        glasses=text(face, "glass", "glasses"),
        mask=text(face, "mask"),
        hat=text(face, "hat"),
        beard=text(face, "beard"),
        expression=text(face, "faceexpression"),
        similarity=max([said for said in likeness if said is not None], default=None),
        candidates=candidates,
        stay_ms=whole(face, "stayduration"),
        pictures=reading.shown(face, "face"),
    )


def _compared_with(holders: list[Fields]) -> list[Fields]:
    found: list[Fields] = []
    for holder in holders:
        found += each(holder.get("candidate"))
    return found


def _candidate(reading: Reading, found: Fields) -> Candidate:
    person = sub(found, "reserve_field")
    stored: list[int] = []
    for entry in each(found.get("human_data")):
        stored += reading.shown(entry, "face-library")
    return Candidate(
        name=text(person, "name") or text(found, "name"),
        person_id=text(found, "human_id", "personid", "employeeno"),
        similarity=reading.ratio(found, "similarity", "facesimilarity"),
        library=text(found, "fdlibname", "facelibname"),
        list_type=text(found, "listtype"),
        library_threshold=reading.ratio(found, "fdlibthreshold"),
        certificate_number=text(person, "certificatenumber"),
        gender=text(person, "gender", "sex"),
        born=text(person, "borntime"),
        pictures=tuple(stored),
    )


def _best(faces: tuple[Face, ...]) -> Match | None:
    found = [candidate for face in faces for candidate in face.candidates]
    if not found:
        return None
    best = max(found, key=lambda candidate: -1.0 if candidate.similarity is None else candidate.similarity)
    return Match(
        person=best.name,
        person_id=best.person_id,
        similarity=best.similarity,
        library=best.library,
        list_type=best.list_type,
        certificate_number=best.certificate_number,
    )


READS = dict.fromkeys(
    (
        "alarmresult",
        "facecontrast",
        "whitefacecontrast",
        "strangerdetection",
        "picturecapturecomparision",
        "picturecapturecomparison",
        "facehumanmodelingcontrast",
        "facecapture",
        "facesnap",
        "facecaptureresult",
        "facesnapmodeling",
        "hfpd",
        "lfpd",
        "facedetection",
    ),
    read_faces,
) | {"facerect": read_rect}

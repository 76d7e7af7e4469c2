"""A DeepinView face camera: each pass is a faceCapture, then an alarmResult with pictures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.resources import files
from typing import Any

from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity

BACKGROUND_BYTES = 230_000
FACE_BYTES = 50_000


def vendor_note() -> Message:
    """
    The message of the vendor's how-to: a face comparison of 290 kB, spelled as printed.

    Its JSON is not valid (``{{``, lists never closed), it says ``pld`` beside ``pId``
    and ``facelImage`` for faceImage.
    """
    text = (files("hikrecv.testing") / "templates" / "face-comparison.json").read_bytes()
    return _with_pictures("face comparison (as in the vendor's note)", "alarmResult", text, seed=16)


def script(who: Identity, now: Callable[[], datetime]) -> Iterator[Message]:
    """Two requests a pass: the face, and whom it resembles.  Every third is a stranger."""
    for turn in itertools.count(1):
        moment = now()
        yield _capture(who, moment, turn)
        yield comparison(who, moment, turn, known=turn % 3 != 0)


def comparison(who: Identity, moment: datetime, turn: int, *, known: bool = True) -> Message:
    """An alarmResult: the face compared with the library, with its two pictures."""
    pid = f"{moment:%Y%m%d%H%M%S}{turn % 1000:03d}"
    rect = {"height": 0.16, "width": 0.091, "x": 0.346, "y": 0.286}
    face = {
        "faceId": turn % 100,
        "faceRect": rect,
        "age": {"value": 28, "ageGroup": "prime"},
        "gender": {"value": "female"},
        "glass": {"value": "yes"},
        "mask": {"value": "no"},
        "score": {"value": 84},
        "identify": [{"relationId": "", "maxsimilarity": 0.93, "candidate": [_person(turn)]}]
        if known
        else [],
        "contentID": "faceImage",
        "pId": f"{pid}face",
        "stayDuration": 5000,
    }
    result = {
        "errorCode": 1 if known else 1073750078,
        "errorMsg": "ok" if known else "contrastFailed",
        "targetAttrs": {
            "deviceName": "IP CAMERA",
            "deviceChannel": 1,
            "faceTime": moment.isoformat(timespec="seconds"),
            "rect": rect,
            "contentID": "backgroundImage",
            "pId": f"{pid}back",
        },
        "faces": [face],
    }
    data = _envelope(who, moment, "alarmResult") | {"alarmResult": [result]}
    label = "face comparison: " + ("Maria Lopez" if known else "a stranger")
    return _with_pictures(
        label, "alarmResult", json.dumps(data, indent="\t").encode(), seed=turn % 5, pid=pid
    )


def _person(turn: int) -> dict[str, Any]:
    return {
        "blacklist_id": "2",
        "human_data": [{"face_id": str(turn % 100), "similarity": 0.93, "isNoSaveFDPicture": True}],
        "human_id": "7",
        "reserve_field": {"name": "Maria Lopez", "gender": "female", "certificateNumber": "0000000000001234"},
        "similarity": 0.93,
        "listType": "blackList",
        "FDLibName": "staff",
        "FDLibThreshold": 70,
    }


def _capture(who: Identity, moment: datetime, turn: int) -> Message:
    data = _envelope(who, moment, "faceCapture") | {
        "uid": f"{who.number:04d}{moment:%Y%m%d%H%M%S}{turn % 1000:03d}",
        "faceCapture": [
            {
                "targetAttrs": {
                    "faceTime": moment.isoformat(timespec="seconds"),
                    "contentID": "backgroundImage",
                },
                "faces": [
                    {
                        "faceId": turn % 100,
                        "faceRect": {"height": 0.16, "width": 0.091, "x": 0.346, "y": 0.286},
                        "faceScore": 84,
                        "contentID": "faceImage",
                    }
                ],
            }
        ],
    }
    return _with_pictures(
        "face capture", "faceCapture", json.dumps(data, indent="\t").encode(), seed=turn % 5
    )


def _envelope(who: Identity, moment: datetime, kind: str) -> dict[str, Any]:
    return {
        "ipAddress": who.ip,
        "portNo": 8089,
        "protocol": "HTTP",
        "macAddress": who.mac,
        "channelID": 1,
        "dateTime": moment.isoformat(timespec="seconds"),
        "activePostCount": 1,
        "isDataRetransmission": False,
        "eventState": "active",
        "channelName": "Entrance",
        "eventType": kind,
        "eventDescription": kind,
    }


def _with_pictures(label: str, name: str, text: bytes, *, seed: int, pid: str = "") -> Message:
    background = draw("person", 1280, 720, seed=seed, size=BACKGROUND_BYTES)
    face = draw("face", 360, 440, seed=seed, size=FACE_BYTES)
    back_id, face_id = (f"{pid}back", f"{pid}face") if pid else ("backgroundImage", "faceImage")
    return multipart(
        label,
        [
            part(name, "application/json", text),
            part("backgroundImage", "image/jpeg", background, filename=back_id, content_id=back_id),
            part("faceImage", "image/jpeg", face, filename=face_id, content_id=face_id),
        ],
    )

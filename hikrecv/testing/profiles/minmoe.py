"""A MinMoe face terminal: verifications with a picture, door events, a heartbeat each 30 s."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity

PEOPLE = (("1001", "Ada Lovelace"), ("1002", "Grace Hopper"), ("1003", "Chien-Shiung Wu"))


def script(who: Identity, now: Callable[[], datetime]) -> Iterator[Message]:
    """A face that is known, the lock released and engaged, now and then a refusal or a heartbeat."""
    serial = itertools.count(1)
    for turn in itertools.count():
        yield verified(who, now(), next(serial), person=turn % len(PEOPLE))
        yield door(who, now(), next(serial), 21)
        yield door(who, now() + timedelta(seconds=3), next(serial), 22)
        if turn % 3 == 2:
            yield refused(who, now(), next(serial))
            yield heartbeat(who, now())


def verified(
    who: Identity, moment: datetime, serial: int, *, person: int = 0, remote_check: bool = False
) -> Message:
    """5/75, face ok.  With *remote_check* the terminal waits for the decision in the answer."""
    number, name = PEOPLE[person]
    detail: dict[str, Any] = {
        "majorEventType": 5,
        "subEventType": 75,
        "name": name,
        "employeeNoString": number,
        "cardReaderNo": 1,
        "doorNo": 1,
        "userType": "normal",
        "currentVerifyMode": "cardOrFaceOrFp",
        "attendanceStatus": "checkIn",
        "mask": "no",
        "picturesNumber": 1,
        **({"remoteCheck": True} if remote_check else {}),
    }
    return _event(who, moment, serial, detail, f"door 1: {name} by face", picture=person)


def refused(who: Identity, moment: datetime, serial: int) -> Message:
    """5/76, face not known."""
    detail = {"majorEventType": 5, "subEventType": 76, "cardReaderNo": 1, "doorNo": 1, "picturesNumber": 1}
    return _event(who, moment, serial, detail, "door 1: a stranger refused", picture=9)


def door(who: Identity, moment: datetime, serial: int, minor: int) -> Message:
    """5/21 the lock is released, 5/22 it is engaged again."""
    detail = {"majorEventType": 5, "subEventType": minor, "doorNo": 1, "currentVerifyMode": "invalid"}
    return _event(who, moment, serial, detail, "door 1: lock " + ("released" if minor == 21 else "engaged"))


def heartbeat(who: Identity, moment: datetime) -> Message:
    """The keep-alive that these terminals send in push mode, although the manual says that there is none."""
    text = json.dumps(_envelope(who, moment, "heartBeat"), indent="\t").encode()
    return multipart("heartbeat", [part("heartBeat", "application/json", text)], boundary="MIME_boundary")


def _event(
    who: Identity,
    moment: datetime,
    serial: int,
    detail: dict[str, Any],
    label: str,
    *,
    picture: int | None = None,
) -> Message:
    data = _envelope(who, moment, "AccessControllerEvent") | {
        "eventDescription": "Access Controller Event",
        "AccessControllerEvent": {
            "deviceName": "Access Controller",
            **detail,
            "serialNo": serial,
            "frontSerialNo": serial - 1,
        },
    }
    text = json.dumps(data, indent="\t", ensure_ascii=False).encode()
    parts = [part("AccessControllerEvent", "application/json", text)]
    if picture is not None:
        face = draw("face", 352, 432, seed=picture, size=25_000)
        parts.append(part("Picture", "image/jpeg", face, filename="Picture.jpg", content_id="pictureImage"))
    return multipart(label, parts, boundary="MIME_boundary")


def _envelope(who: Identity, moment: datetime, kind: str) -> dict[str, Any]:
    return {
        "ipAddress": who.ip,
        "portNo": 80,
        "protocol": "HTTP",
        "macAddress": who.mac,
        "channelID": 1,
        "dateTime": moment.isoformat(timespec="seconds"),
        "activePostCount": 1,
        "eventType": kind,
        "eventState": "active",
        "eventDescription": kind,
    }

"""What is sent: three messages of real devices, as whole requests with a number that changes."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal, NamedTuple

from hikrecv.isapi.json_balance import rebalance
from hikrecv.isapi.multipart import split
from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.acusense import bare
from hikrecv.testing.profiles.deepinview import vendor_note
from hikrecv.testing.profiles.xml import REGION

Name = Literal["W1", "W2", "W3"]
NUMBER = 1_000_000_000
"""Ten digits: the place of the number that makes each request an event of its own."""
WHEN = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=8)))


class Request(NamedTuple):
    """A whole request; *offset* is where its number stands."""

    data: bytes
    offset: int

    def write(self, path: Path) -> Path:
        """Put it where the generator finds it."""
        path.write_bytes(self.data)
        return path


def as_printed() -> Message:
    """The vendor's note: a face comparison and two pictures, 290 kB in all; the JSON lacks brackets."""
    return _numbered(vendor_note(), b'"pId": "2021110315', b'"pId": "%d' % NUMBER)


def w1() -> Message:
    """The same as a camera sends it, with the brackets that were lost in print."""
    note = as_printed()
    part = split(note.body, note.content_type.encode())[0][0]
    printed = note.body[part.start : part.end]
    mended = rebalance(printed)
    assert mended is not None, "more than brackets is wrong"
    valid = json.dumps(mended.data, indent=2).encode()
    length = b"Content-Length: %d"
    body = note.body.replace(printed, valid, 1).replace(length % len(printed), length % len(valid), 1)
    return Message(label=note.label, content_type=note.content_type, body=body, headers=note.headers)


def w2() -> Message:
    """An alert in 1 kB of XML."""
    region = REGION.replace(
        "\n<RegionCoordinates><positionX>860</positionX><positionY>320</positionY></RegionCoordinates>", ""
    )
    alert = bare(Identity(), WHEN, "linedetection", inside=region.format(target="human"))
    return _numbered(alert, b"<activePostCount>1<", b"<activePostCount>%d<" % NUMBER)


def w3() -> Message:
    """An access event: 2 kB of JSON and a picture of 60 kB."""
    detail = {
        "deviceName": "Access Controller",
        "majorEventType": 5,
        "subEventType": 75,
        "name": "Ada Lovelace",
        "employeeNoString": "1001",
        "cardReaderNo": 1,
        "doorNo": 1,
        "userType": "normal",
        "currentVerifyMode": "cardOrFaceOrFp",
        "attendanceStatus": "checkIn",
        "mask": "no",
        "serialNo": NUMBER,
        "frontSerialNo": 1,
        "picturesNumber": 1,
        "FaceRect": {"height": 0.242, "width": 0.136, "x": 0.431, "y": 0.367},
        "purePwdVerifyEnable": True,
        "customInfo": [{"name": f"field {n}", "value": "x" * 24} for n in range(12)],
    }
    data = {
        "ipAddress": Identity().ip,
        "portNo": 80,
        "protocol": "HTTP",
        "macAddress": Identity().mac,
        "channelID": 1,
        "dateTime": WHEN.isoformat(timespec="seconds"),
        "activePostCount": 1,
        "eventType": "AccessControllerEvent",
        "eventState": "active",
        "eventDescription": "Access Controller Event",
        "AccessControllerEvent": detail,
    }
    text = json.dumps(data, indent="\t").encode()
    face = draw("face", 480, 640, seed=3, size=58_000)
    parts = [
        part("AccessControllerEvent", "application/json", text),
        part("Picture", "image/jpeg", face, filename="Picture.jpg", content_id="pictureImage"),
    ]
    return multipart("access", parts, boundary="MIME_boundary")


@functools.cache
def request(name: Name, *, keep_alive: bool, chunked: bool = False) -> Request:
    """The message *name* as a request."""
    message = {"W1": w1, "W2": w2, "W3": w3}[name]()
    data = message.request("127.0.0.1", keep_alive=keep_alive, chunked=chunked)
    return Request(data, data.index(b"%d" % NUMBER))


def _numbered(message: Message, old: bytes, new: bytes) -> Message:
    body = message.body.replace(old, new, 1)
    assert body != message.body, "the message has changed"
    # A part of a multipart says how long it is.
    grown = len(body) - len(message.body)
    assert not grown or b"Content-Disposition" not in body, "the parts' lengths would be wrong"
    return Message(label=message.label, content_type=message.content_type, body=body, headers=message.headers)

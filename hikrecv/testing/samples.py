"""A message of every family, as some device sends it: what a plugin must live with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, get_args

from hikrecv.isapi.event import Family
from hikrecv.isapi.multipart import split
from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity, acusense, anpr, deepinview, minmoe, nvr
from hikrecv.testing.profiles.xml import REGION, alert

FAMILIES: tuple[Family, ...] = get_args(Family)
"""Every family that an event can have."""

Sample = Callable[[Identity, datetime], Message]


def sample(family: Family, who: Identity, moment: datetime) -> Message:
    """What the device *who* sends at *moment* for an event of *family*."""
    return _SAMPLES[family](who, moment)


def oddities(who: Identity, moment: datetime) -> dict[str, Message]:
    """What devices send too, and what still has to become an event: by what is odd about it."""
    return {
        "JSON that is broken as in the vendor's note": deepinview.vendor_note(),
        "a picture alone": multipart("a picture", [part("Picture", "image/jpeg", draw("yard", 160, 90))]),
        "neither XML nor JSON": Message(
            label="noise", content_type="application/octet-stream", body=b"\x00\x01not a document\xff" * 20
        ),
        "control characters and no name": _json(
            who, moment, "alarmResult", channelName="\x1b[31m=cmd|' /C calc'!A0\n", alarmResult=[{}]
        ),
        "pictures by link only": _xml("linedetection", who, moment, inside=_LINKS.format(ip=who.ip)),
        "an alert with nothing in it": Message(
            label="empty alert", content_type="application/xml", body=b"<EventNotificationAlert/>"
        ),
    }


def without_pictures(message: Message) -> Message:
    """The same message from a device that is set to send no pictures: its document alone."""
    parts, _ = split(message.body, message.content_type.encode())
    if not parts:
        return message
    first = parts[0]
    return Message(
        label=f"{message.label}, no pictures",
        content_type=first.content_type or "",
        body=message.body[first.start : first.end],
    )


def _xml(kind: str, who: Identity, moment: datetime, *, inside: str = "") -> Message:
    text = alert(who, moment, kind, inside=inside)
    return Message(label=kind, content_type='application/xml; charset="UTF-8"', body=text)


def _json(who: Identity, moment: datetime, kind: str, **more: Any) -> Message:
    said = {
        "ipAddress": who.ip,
        "portNo": 8089,
        "protocol": "HTTP",
        "macAddress": who.mac,
        "channelID": 1,
        "dateTime": moment.isoformat(timespec="seconds"),
        "activePostCount": 1,
        "eventType": kind,
        "eventState": "active",
        "eventDescription": f"{kind} alarm",
    }
    text = json.dumps(said | more, indent="\t", ensure_ascii=False).encode()
    return Message(label=kind, content_type="application/json", body=text)


def _face(who: Identity, moment: datetime) -> Message:
    return deepinview.comparison(who, moment, 1)


def _capture(who: Identity, moment: datetime) -> Message:
    return next(deepinview.script(who, lambda: moment))


def _ring(who: Identity, moment: datetime) -> Message:
    caller = {"periodNumber": 1, "buildingNumber": 2, "unitNumber": 1, "floorNumber": 3, "roomNumber": 12}
    call = {"deviceName": "Door station", "cmdType": "request", "src": "outdoor", "callInfo": caller}
    return _json(who, moment, "VideoIntercomEvent", VideoIntercomEvent=call)


def _panel(who: Identity, moment: datetime) -> Message:
    at = moment.isoformat(timespec="seconds")
    said = {"code": 1130, "name": "Zone 3", "type": "zoneAlarm", "zone": 2, "system": 1, "trigger": at}
    return _json(who, moment, "cidEvent", CIDEvent=said)


def _targets(who: Identity, moment: datetime) -> Message:
    box = {"x": 0.31, "y": 0.22, "width": 0.1, "height": 0.4}
    seen = [{"Human": {"Rect": box, "snapTime": moment.isoformat(timespec="seconds")}}]
    return _json(who, moment, "mixedTargetDetection", CaptureResult=seen)


def _platform(who: Identity, moment: datetime) -> Message:
    box = {"x": 0.5, "y": 0.5, "width": 0.1, "height": 0.1}
    return _json(who, moment, "AIOP", Target=[{"recognitionType": "hardHat", "TargetInfo": {"rect": box}}])


def _parking(who: Identity, moment: datetime) -> Message:
    space = {"spaceNo": "A-17", "plateNo": "M XY 77", "parkingStatus": "occupied"}
    return _json(who, moment, "PackingSpaceRecognition", PackingSpaceRecognition=[space])


def _test(who: Identity, moment: datetime) -> Message:
    return Message(label="test button", content_type="", body=b"")


_COUNTED = """<peopleCounting>
<statisticalMethods>realTime</statisticalMethods>
<RealTime><time>{at}</time></RealTime>
<enter>12</enter><exit>9</exit><pass>3</pass>
</peopleCounting>"""


def _counting(who: Identity, moment: datetime) -> Message:
    return _xml("PeopleCounting", who, moment, inside=_COUNTED.format(at=moment.isoformat()))


def _queue(who: Identity, moment: datetime) -> Message:
    data = [{"regionID": 1, "peopleNum": 6, "waitTime": 140}]
    return _json(who, moment, "personQueueDetection", PersonQueueRealTimeData=data)


_LINKS = """<bkgUrl>http://{ip}/ISAPI/Streaming/channels/101/picture</bkgUrl>
<faceUrl>http://198.51.100.7/elsewhere.jpg</faceUrl>"""
_WARM = """<TMA><ruleName>boiler</ruleName><ruleTemperature>80.0</ruleTemperature>
<currTemperature>92.5</currTemperature><thermometryUnit>celsius</thermometryUnit></TMA>"""
_LOUD = """<AudioExceptionDetection><alarmType>increase</alarmType>
<audioDecibel>74</audioDecibel></AudioExceptionDetection>"""
_INPUT = "<inputIOPortID>2</inputIOPortID>"

_SAMPLES: dict[Family, Sample] = {
    "face-match": _face,
    "face-capture": _capture,
    "face-detected": partial(_xml, "facedetection"),
    "plate": lambda who, moment: anpr.read(who, moment, "B AB 1234"),
    "access": lambda who, moment: minmoe.verified(who, moment, 4711),
    "intercom": _ring,
    "motion": lambda who, moment: acusense.bare(who, moment, "VMD"),
    "intrusion": lambda who, moment: acusense.intrusion(who, moment, "human"),
    "line-crossing": partial(_xml, "linedetection", inside=REGION.format(target="vehicle")),
    "region": partial(_xml, "regionEntrance", inside=REGION.format(target="human")),
    "loitering": partial(_xml, "loitering", inside=REGION.format(target="human")),
    "behaviour": partial(_xml, "unattendedBaggage", inside=REGION.format(target="others")),
    "target": _targets,
    "counting": _counting,
    "queue": _queue,
    "thermal": partial(_xml, "TMA", inside=_WARM),
    "fire": partial(_xml, "fireDetection"),
    "panel": _panel,
    "io": partial(_xml, "IO", inside=_INPUT),
    "audio": partial(_xml, "audioexception", inside=_LOUD),
    "tamper": partial(_xml, "shelteralarm"),
    "video-loss": lambda who, moment: nvr.forwarded(who, moment, "videoloss", 34),
    "storage": partial(_xml, "diskfull"),
    "network": partial(_xml, "nicbroken"),
    "system": partial(_xml, "badvideo"),
    "parking": _parking,
    "traffic": partial(_xml, "AID"),
    "ai": _platform,
    "heartbeat": minmoe.heartbeat,
    "test": _test,
    "unknown": partial(_xml, "noSuchDetection", inside="<Something><of>2031</of></Something>"),
}

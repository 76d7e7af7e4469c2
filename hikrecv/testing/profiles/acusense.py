"""An AcuSense camera: motion, intrusion and line crossing, with one picture, XML in multipart or bare."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime

from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.xml import REGION, alert

BARE = 'application/xml; charset="UTF-8"'


def script(who: Identity, now: Callable[[], datetime]) -> Iterator[Message]:
    """A motion that begins and ends, an intrusion with its picture and its `duration`, a line crossed."""
    for turn in itertools.count(1):
        yield bare(who, now(), "VMD", count=turn)
        yield intrusion(who, now(), "human" if turn % 2 else "vehicle", count=turn)
        yield lasting(who, now(), "fielddetection")
        yield bare(who, now(), "linedetection", inside=REGION.format(target="vehicle"), count=turn)
        yield bare(who, now(), "VMD", state="inactive", count=turn)


def bare(
    who: Identity, moment: datetime, kind: str, *, state: str = "active", inside: str = "", count: int = 1
) -> Message:
    """An alert without pictures: the XML is the body."""
    text = alert(who, moment, kind, state=state, inside=inside, count=count)
    return Message(label=f"{kind} {state}", content_type=BARE, body=text)


def intrusion(who: Identity, moment: datetime, target: str, *, count: int = 1) -> Message:
    """Somebody in a forbidden region, with the picture."""
    inside = REGION.format(target=target) + "\n<detectionPictureTransType>binary</detectionPictureTransType>"
    text = alert(who, moment, "fielddetection", inside=inside, count=count, declared=False)
    scene = draw("person" if target == "human" else "car", 704, 576, size=60_000)
    parts = [
        part("fielddetection", "application/xml", text),
        part("fieldDetectionImage", "image/jpeg", scene, filename="fieldDetectionImage"),
    ]
    return multipart(f"intrusion: {target}", parts)


def lasting(who: Identity, moment: datetime, related: str) -> Message:
    """The alert that AcuSense models repeat each second while a smart event goes on."""
    inside = f"<DurationList><Duration><relationEvent>{related}</relationEvent></Duration></DurationList>"
    return Message(
        label=f"duration of {related}", content_type=BARE, body=alert(who, moment, "duration", inside=inside)
    )

"""A plate reader at a barrier: anpr.xml and two pictures, the vendor's misspellings included."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

from hikrecv.testing.message import Message, multipart, part
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.xml import ISAPI, alert

BOUNDARY = "---------------------------7e13971310878"
PLATES = (("B AB 1234", "white"), ("M XY 77", "white"), ("HH-Q 900", "temporary"), ("unknown", "temporary"))
NAMES = uuid.UUID("6f6b5f0e-4a0c-5d0a-9a46-0b51c1a0d1f0")

_ANPR = """<ANPR>
<country>0</country>
<licensePlate>{plate}</licensePlate>
<line>1</line>
<direction>forward</direction>
<confidenceLevel>97</confidenceLevel>
<plateType>92TypeCivil</plateType>
<plateColor>white</plateColor>
<vehicleType>vehicle</vehicleType>
<vehicleInfo><color>red</color><vehicleLogoRecog>1036</vehicleLogoRecog><vehileModel>0</vehileModel></vehicleInfo>
<pictureInfoList>
<pictureInfo><fileName>licensePlatePicture.jpg</fileName><type>licensePlatePicture</type>
<plateRect><X>410</X><Y>720</Y><width>120</width><height>44</height></plateRect></pictureInfo>
<pictureInfo><fileName>detectionPicture.jpg</fileName><type>detectionPicture</type>
<vehicelRect><x>250</x><y>310</y><width>500</width><height>480</height></vehicelRect></pictureInfo>
</pictureInfoList>
<originalLicensePlate>{plate}</originalLicensePlate>
<vehicleListName>residents</vehicleListName>
<listType>{list}</listType>
<barrierGateCtrlType>0</barrierGateCtrlType>
</ANPR>
<UUID>{uuid}</UUID>
<picNum>2</picNum>"""


def script(who: Identity, now: Callable[[], datetime]) -> Iterator[Message]:
    """One car after the other; the fourth plate cannot be read."""
    for turn in itertools.count():
        plate, listed = PLATES[turn % len(PLATES)]
        yield read(who, now(), plate, listed, turn)


def read(who: Identity, moment: datetime, plate: str, listed: str = "white", turn: int = 0) -> Message:
    """One plate read, with the pictures of the plate and of the car."""
    unique = uuid.uuid5(NAMES, f"{who.mac} {moment.isoformat()} {turn}")
    inside = _ANPR.format(plate=plate, list=listed, uuid=unique)
    text = alert(who, moment, "ANPR", inside=inside, namespace=ISAPI, name="Barrier")
    parts = [
        part("anpr.xml", 'application/xml; charset="UTF-8"', text, filename="anpr.xml"),
        part(
            "licensePlatePicture.jpg",
            "image/jpeg",
            draw("plate", 240, 80),
            filename="licensePlatePicture.jpg",
        ),
        part(
            "detectionPicture.jpg",
            "image/jpeg",
            draw("car", 960, 540, seed=turn % 4, size=80_000),
            filename="detectionPicture.jpg",
        ),
    ]
    message = multipart(f"plate {plate}", parts, boundary=BOUNDARY)
    return Message(
        label=message.label,
        content_type=message.content_type,
        body=message.body,
        headers=(("User-Agent", "cpp-httplib/0.9"),),
    )

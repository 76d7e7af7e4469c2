"""The XML that cameras and recorders write: the envelope, and the alert around it."""

from __future__ import annotations

from datetime import datetime
from xml.sax.saxutils import escape

from hikrecv.testing.profiles import Identity

HIKVISION = "http://www.hikvision.com/ver20/XMLSchema"
ISAPI = "http://www.isapi.org/ver20/XMLSchema"


def alert(
    who: Identity,
    moment: datetime,
    kind: str,
    *,
    state: str = "active",
    channel: str = "<channelID>1</channelID>",
    name: str = "Camera 01",
    count: int = 1,
    inside: str = "",
    namespace: str = HIKVISION,
    declared: bool = True,
    line: str = "\r\n",
) -> bytes:
    """
    An EventNotificationAlert.

    :param channel: the element(s) that name the channel, as this firmware spells them.
    :param inside: what the event adds after the envelope.
    :param line: cameras end lines with CR LF, recorders with LF.
    """
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>' if declared else "",
        f'<EventNotificationAlert version="2.0" xmlns="{namespace}">',
        f"<ipAddress>{who.ip}</ipAddress>",
        "<portNo>8089</portNo>",
        "<protocol>HTTP</protocol>",
        f"<macAddress>{who.mac}</macAddress>",
        channel,
        f"<dateTime>{moment.isoformat(timespec='seconds')}</dateTime>",
        f"<activePostCount>{count}</activePostCount>",
        f"<eventType>{kind}</eventType>",
        f"<eventState>{state}</eventState>",
        f"<eventDescription>{kind} alarm</eventDescription>",
        f"<channelName>{escape(name)}</channelName>",
        inside,
        "</EventNotificationAlert>",
    ]
    return (line.join(row for row in rows if row) + line).encode()


REGION = """<DetectionRegionList>
<DetectionRegionEntry>
<regionID>1</regionID>
<sensitivityLevel>50</sensitivityLevel>
<RegionCoordinatesList>
<RegionCoordinates><positionX>120</positionX><positionY>340</positionY></RegionCoordinates>
<RegionCoordinates><positionX>860</positionX><positionY>320</positionY></RegionCoordinates>
<RegionCoordinates><positionX>900</positionX><positionY>940</positionY></RegionCoordinates>
<RegionCoordinates><positionX>80</positionX><positionY>960</positionY></RegionCoordinates>
</RegionCoordinatesList>
<detectionTarget>{target}</detectionTarget>
<TargetRect><X>0.412</X><Y>0.305</Y><width>0.118</width><height>0.421</height></TargetRect>
</DetectionRegionEntry>
</DetectionRegionList>"""

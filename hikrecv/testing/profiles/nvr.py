"""A recorder that forwards its cameras' alerts: its own MAC, the camera known by channel alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime

from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.xml import alert

CHANNELS = (33, 34, 35, 36)


def script(who: Identity, now: Callable[[], datetime]) -> Iterator[Message]:
    """An alert of one camera after the other, a lost video signal, and the recorder's heartbeat."""
    kinds = itertools.cycle(("VMD", "linedetection", "fielddetection"))
    for turn in itertools.count():
        channel = CHANNELS[turn % len(CHANNELS)]
        yield forwarded(who, now(), next(kinds), channel)
        if turn % 5 == 4:
            yield forwarded(who, now(), "videoloss", channel)
            yield heartbeat(who, now())


def forwarded(who: Identity, moment: datetime, kind: str, channel: int) -> Message:
    """One camera's alert; digital channels count from 33."""
    element = f"<dynChannelID>{channel}</dynChannelID>\n<channelID>{channel}</channelID>"
    text = alert(
        who, moment, kind, channel=element, name=f"Camera {channel - 32:02d}", declared=False, line="\n"
    )
    return Message(label=f"{kind} on channel {channel}", content_type="application/xml", body=text)


def heartbeat(who: Identity, moment: datetime) -> Message:
    """``videoloss inactive`` on channel 0: a sign of life, not an alarm."""
    text = alert(
        who,
        moment,
        "videoloss",
        state="inactive",
        channel="<channelID>0</channelID>",
        count=0,
        declared=False,
        line="\n",
    )
    return Message(label="heartbeat", content_type="application/xml", body=text)

"""
The event: one thing that one device reported, in one vocabulary.

All values are frozen.  A field is None (and its JSON key absent) when the device
did not say it.  Units are the same everywhere: boxes and points in 0..1 of the
picture (origin top left), similarity, confidence, quality and thresholds in
0..1, times aware datetimes, MAC addresses as lower-case hex with colons.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec

from hikrecv.push import Peer

from .parts import (
    Access,
    Audio,
    Box,
    Candidate,
    Channel,
    CountedRegion,
    Counting,
    Device,
    Episode,
    Face,
    Intercom,
    Io,
    Match,
    Outcome,
    Panel,
    Plate,
    Point,
    Region,
    Target,
    Thermal,
    Vehicle,
)

__all__ = [
    "Access",
    "Audio",
    "Box",
    "Candidate",
    "Channel",
    "CountedRegion",
    "Counting",
    "Device",
    "Episode",
    "Event",
    "Face",
    "Family",
    "Freshness",
    "Intercom",
    "Io",
    "Match",
    "Outcome",
    "Panel",
    "Picture",
    "Plate",
    "Point",
    "Region",
    "State",
    "Target",
    "Thermal",
    "Vehicle",
    "schema",
]

Family = Literal[
    "face-match",
    "face-capture",
    "face-detected",
    "plate",
    "access",
    "intercom",
    "motion",
    "intrusion",
    "line-crossing",
    "region",
    "loitering",
    "behaviour",
    "target",
    "counting",
    "queue",
    "thermal",
    "fire",
    "panel",
    "io",
    "audio",
    "tamper",
    "video-loss",
    "storage",
    "network",
    "system",
    "parking",
    "traffic",
    "ai",
    "heartbeat",
    "test",
    "unknown",
]
State = Literal["active", "inactive"]
Freshness = Literal["live", "late", "resent"]


class Picture(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, dict=True):
    """
    A picture of the event.  Its bytes are a slice of the push, see :meth:`content`.

    :param n: its place among the pictures of the push, from 0.
    :param role: what it shows: background, face, face-library, plate, vehicle, human ...
    :param name: the device's label; never a path.
    :param url: where the device keeps it, when it sent a link; never with a login.
    """

    n: int
    role: str
    name: str | None = None
    content_type: str | None = None
    size: int | None = None
    url: str | None = None
    url_login: Literal["none", "digest"] | None = None

    def content(self) -> bytes | None:
        """The picture itself, or None when only a link or only the JSON is at hand."""
        view: memoryview | None = self.__dict__.get("_view")
        return None if view is None else bytes(view)


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, dict=True):
    """
    One thing that one device reported.

    :param id: one delivery to us: ``<journal>-<seq>-<n>``.
    :param key: what happened; a device's resend has the same key.
    :param n: the place of the document in the push.
    :param occurred: the device's clock; None when it gave none that can be read.
    :param type: the canonical wire name; `wire_type` is the device's spelling.
    """

    id: str
    key: str
    seq: int
    n: int
    received: datetime
    type: str
    wire_type: str
    family: Family
    state: State
    freshness: Freshness
    peer: Peer
    device: Device
    occurred: datetime | None = None
    description: str | None = None
    post_count: int | None = None
    duplicate_of: str | None = None
    episode: Episode | None = None
    anomalies: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    channel: Channel | None = None
    match: Match | None = None
    faces: tuple[Face, ...] = ()
    plate: Plate | None = None
    access: Access | None = None
    targets: tuple[Target, ...] = ()
    regions: tuple[Region, ...] = ()
    thermal: Thermal | None = None
    counting: Counting | None = None
    panel: Panel | None = None
    intercom: Intercom | None = None
    io: Io | None = None
    audio: Audio | None = None
    pictures: tuple[Picture, ...] = ()

    def replace(self, **changes: Any) -> Event:
        """A copy with *changes*; what it was decoded from stays attached."""
        changed = msgspec.structs.replace(self, **changes)
        changed.__dict__.update(self.__dict__)
        return changed

    def data(self) -> Any:
        """
        The whole document as plain data, decoded when it is asked for.

        JSON as it is; XML with element names as keys (no prefix), a repeated
        sibling as a list, text as text.  Face templates are left out unless the
        reaction's table says ``include = ["templates"]``.

        :raises LookupError: when the event was read from JSON and has no document.
        """
        read: Callable[[], Any] | None = self.__dict__.get("_data")
        if read is None:
            raise LookupError(f"event {self.id} was read from JSON; its document is in the journal")
        return read()

    def to_json(self) -> bytes:
        """The event as JSON, as every reader of hikrecv gets it."""
        return _ENCODER.encode(self)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        data: dict[str, Any] = msgspec.json.decode(self.to_json())
        return data

    @classmethod
    def from_json(cls, text: bytes | str) -> Event:
        """Read what :meth:`to_json` wrote.  :raises msgspec.ValidationError: for anything else."""
        return _DECODER.decode(text)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Event)


def schema() -> dict[str, Any]:
    """The JSON Schema of an event."""
    return msgspec.json.schema(Event)

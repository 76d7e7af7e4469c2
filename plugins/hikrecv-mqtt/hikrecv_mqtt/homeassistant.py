"""
Home Assistant's discovery: a device of ours appears there with its sensors and its last picture.

A retained message under ``homeassistant/<component>/<device>/<object>/config`` describes each
entity; its state follows under our own base.  A camera behind a recorder is a device of
its own there, and says by which it is reached.  Source: Home Assistant's documentation of its
MQTT integration; `image` needs 2023.7 or later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from hikrecv import Device, Event
from hikrecv.isapi.words import visible

from .broker import OFFLINE, ONLINE, Message

DEVICES: Final = 500
"""So many devices are made known at most: what a sender calls itself is its own claim."""
STATE: Final = 250
"""Characters of a state; Home Assistant takes 255."""
ATTRIBUTES: Final = 8_000
"""Bytes of a state's attributes; Home Assistant's recorder takes 16 kB."""

_CLASSES: Final = {
    "motion": "motion",
    "intrusion": "motion",
    "line-crossing": "motion",
    "region": "occupancy",
    "loitering": "occupancy",
    "face-detected": "occupancy",
    "behaviour": None,
    "thermal": "heat",
    "fire": "smoke",
    "panel": "safety",
    "io": None,
    "audio": "sound",
    "tamper": "tamper",
    "video-loss": "problem",
    "storage": "problem",
    "network": "problem",
    "system": "problem",
}
"""What Home Assistant calls an alarm that lasts, by family."""
_SAID: Final = ("id", "key", "received", "occurred", "type", "family", "state", "freshness")
_PARTS: Final = ("channel", "match", "plate", "access")


class Entity(NamedTuple):
    """Something of a device that has a state."""

    component: str
    name: str
    label: str
    state: bytes
    more: dict[str, Any]


class Appliance(NamedTuple):
    """What Home Assistant calls a device: our name for it in topics, and what is said of it."""

    node: str
    said: dict[str, Any]


class HomeAssistant:
    """
    Says of events what Home Assistant is to know.

    :ivar described: everything that was described, by topic, to be said again.
    :param base: the topic below which the states stand.
    :param off_after: seconds until an alarm of which nothing is heard is off; 0 when its end is told.
    """

    def __init__(self, prefix: str, base: str, status: str, off_after: float) -> None:
        self._prefix = prefix
        self._base = base
        self._status = status
        self._off_after = off_after
        self._nodes: set[str] = set()
        self._macs: dict[str, str] = {}
        self.described: dict[str, bytes] = {}

    def messages(
        self, event: Event, words: str, picture: bytes | None, age: float, told: Collection[str]
    ) -> Iterator[Message]:
        """
        What is to be published about *event*.

        :param words: what happened.
        :param age: how many seconds ago it was received.
        :param told: topics of descriptions that the broker has.
        """
        unit, behind, _ = event.device.id.rpartition("/")
        if not behind:
            yield from self._about(self._unit(event.device), self._entities(event, words, picture, age), told)
        elif self._has_room(node_of(event.device.id)):
            # Home Assistant must know the recorder before it hears of what is behind it.
            recorder = self._unit(msgspec.structs.replace(event.device, id=unit))
            yield from self._about(recorder, [_last_event(words)], told)
            yield from self._about(_camera(event, recorder), self._entities(event, words, picture, age), told)
        else:
            return
        for node in dict.fromkeys(map(node_of, filter(None, (unit, event.device.id)))):
            if node in self._nodes:
                yield Message(f"{self._base}/{node}/attributes", _attributes(event), True)

    def _about(
        self, appliance: Appliance, entities: Iterable[Entity], told: Collection[str]
    ) -> Iterator[Message]:
        node = appliance.node
        if not self._has_room(node):
            return
        self._nodes.add(node)
        for entity in entities:
            topic = f"{self._prefix}/{entity.component}/{node}/{entity.name}/config"
            if topic not in told:
                self.described[topic] = self._config(entity, appliance)
                yield Message(topic, self.described[topic], True)
            yield Message(f"{self._base}/{node}/{entity.name}", entity.state, True)

    def _has_room(self, node: str) -> bool:
        return node in self._nodes or len(self._nodes) < DEVICES

    def _unit(self, device: Device) -> Appliance:
        """What has an address of its own: a camera, a terminal, a recorder."""
        node = node_of(device.id)
        said: dict[str, Any] = {
            "identifiers": [f"hikrecv_{node}"],
            "name": visible(_label(device))[:100],
            "manufacturer": "Hikvision",
        }
        # Devices that share a connection become one in Home Assistant, under the name that was said last.
        if device.mac and self._has_room(node) and self._macs.setdefault(device.mac, node) == node:
            said["connections"] = [["mac", device.mac]]
        if device.serial:
            said["serial_number"] = visible(device.serial)[:100]
        return Appliance(node, said)

    def _entities(self, event: Event, words: str, picture: bytes | None, age: float) -> Iterator[Entity]:
        yield _last_event(words)
        person = _person(event)
        if person:
            yield Entity("sensor", "person", "Last person", _state(person), {"icon": "mdi:account"})
        if event.plate is not None and event.plate.text:
            yield Entity("sensor", "plate", "Last plate", _state(event.plate.text), {"icon": "mdi:car"})
        if event.family in _CLASSES:
            yield from self._alarm(event, age)
        if picture is not None:
            yield Entity("image", "picture", "Last picture", picture, {})

    def _alarm(self, event: Event, age: float) -> Iterator[Entity]:
        """Only an alarm that goes on is on: not one that a device tells late, or the broker was away for."""
        on = event.state == "active"
        if on and (event.freshness != "live" or age > (self._off_after or age)):
            return
        more: dict[str, Any] = {"off_delay": max(1, round(self._off_after))} if self._off_after else {}
        kind = _CLASSES[event.family]
        if kind is not None:
            more["device_class"] = kind
        label = event.family.replace("-", " ").capitalize()
        yield Entity("binary_sensor", event.family, label, b"ON" if on else b"OFF", more)

    def _config(self, entity: Entity, appliance: Appliance) -> bytes:
        node = appliance.node
        topic = f"{self._base}/{node}/{entity.name}"
        said = {
            "name": entity.label,
            "unique_id": f"hikrecv_{node}_{entity.name}",
            "image_topic" if entity.component == "image" else "state_topic": topic,
            "availability_topic": self._status,
            "payload_available": ONLINE.decode(),
            "payload_not_available": OFFLINE.decode(),
            "device": appliance.said,
            "origin": {"name": "hikrecv", "support_url": "https://pypi.org/project/hikrecv-mqtt/"},
            **entity.more,
        }
        if entity.name == "event":
            said["json_attributes_topic"] = f"{self._base}/{node}/attributes"
        return msgspec.json.encode(said)


def node_of(device_id: str) -> str:
    """The device's id in the alphabet of discovery topics: always the same, and no other device's."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", device_id)[:48]
    return plain if plain == device_id else f"{plain}_{sha256(device_id.encode()).hexdigest()[:6]}"


def _camera(event: Event, recorder: Appliance) -> Appliance:
    """
    What is behind a recorder.

    The recorder's address is not its own.  Its identifier differs from that of older versions, in
    whose time all of them had become one device: so that it does not go on to be found there.
    """
    node, channel = node_of(event.device.id), event.channel
    name = channel.name if channel is not None and channel.name else None
    unnamed = f"{recorder.said['name']} channel {event.device.id.rpartition('/')[2]}"
    said = {
        "identifiers": [f"hikrecv_channel_{node}"],
        "name": visible(name or unnamed)[:100],
        "manufacturer": "Hikvision",
        "via_device": recorder.said["identifiers"][0],
    }
    return Appliance(node, said)


def _last_event(words: str) -> Entity:
    return Entity("sensor", "event", "Last event", _state(words), {"icon": "mdi:cctv"})


def _label(device: Device) -> str:
    """The operator's name for it; where he gave none, its own beside the id: cameras all say the same."""
    unnamed = device.id in (device.mac, device.serial) or device.id.startswith("ip:")
    return f"{device.name} {device.id}" if unnamed and device.name else device.id


def _person(event: Event) -> str | None:
    match, access = event.match, event.access
    seen = None if match is None else match.person or match.person_id
    return seen or (None if access is None else access.person or access.employee_no)


def _state(text: str) -> bytes:
    return visible(text)[:STATE].encode("utf-8", "replace")


def _attributes(event: Event) -> bytes:
    data = event.to_dict()
    most = msgspec.json.encode({key: data[key] for key in (*_SAID, *_PARTS) if key in data})
    if len(most) <= ATTRIBUTES:
        return most
    return msgspec.json.encode({"id": event.id, "family": event.family, "state": event.state})

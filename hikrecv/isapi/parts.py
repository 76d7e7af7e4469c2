"""
The parts of an event: what was seen, read, counted or measured, in one vocabulary.

All values are frozen, and silent about what the device did not say.  Units are
the same everywhere: boxes and points in 0..1 of the picture (origin top left),
similarity, confidence, quality and thresholds in 0..1, times aware datetimes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Outcome = Literal["granted", "denied", "door", "alarm", "operation", "exception", "other"]


class _Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The base of all parts of an event: frozen, and silent about what it does not know."""


class Box(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A rectangle in 0..1 of the picture, origin top left."""

    x: float
    y: float
    width: float
    height: float


class Point(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A point in 0..1 of the picture, origin top left."""

    x: float
    y: float


class Device(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """
    Who says it.

    :param id: the name in ``[devices]``, else MAC, else serial, else ``ip:<peer>``;
        a camera behind a recorder is ``<recorder>/<channel>``.
    :param ip: the address that the device believes it has; a claim.
    """

    id: str
    mac: str | None = None
    ip: str | None = None
    serial: str | None = None
    name: str | None = None


class Channel(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """Which input of the device.  `digital` is True for a recorder's IP channel."""

    id: str
    name: str | None = None
    digital: bool | None = None


class Episode(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A lasting alarm: the id of its first event, and how many repeats so far."""

    id: str
    count: int
    first: datetime


class Match(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """
    The best candidate of all faces of the event.

    `list_type` is the device's own word; cameras say ``blackList`` for every
    library, so never act on it alone.
    """

    person: str | None = None
    person_id: str | None = None
    similarity: float | None = None
    library: str | None = None
    list_type: str | None = None
    certificate_number: str | None = None


class Candidate(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """One person of a face library who may be the face."""

    name: str | None = None
    person_id: str | None = None
    similarity: float | None = None
    library: str | None = None
    list_type: str | None = None
    library_threshold: float | None = None
    certificate_number: str | None = None
    gender: str | None = None
    born: str | None = None
    pictures: tuple[int, ...] = ()


class Face(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A face that was seen, its attributes in the device's words, and who it may be."""

    box: Box | None = None
    quality: float | None = None
    age: int | None = None
    gender: str | None = None
    glasses: str | None = None
    mask: str | None = None
    hat: str | None = None
    beard: str | None = None
    expression: str | None = None
    similarity: float | None = None
    candidates: tuple[Candidate, ...] = ()
    stay_ms: int | None = None
    pictures: tuple[int, ...] = ()


class Vehicle(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """What the plate is mounted on, in the device's words."""

    type: str | None = None
    color: str | None = None
    brand: str | None = None
    sub_brand: str | None = None
    model: str | None = None
    speed: float | None = None
    box: Box | None = None


class Plate(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """
    A number plate.

    :param text: upper case, without blanks; absent when the camera read nothing.
    :param original: as the camera sent it.
    """

    text: str | None = None
    original: str | None = None
    country: str | None = None
    lane: str | None = None
    direction: str | None = None
    confidence: float | None = None
    list_type: str | None = None
    list_name: str | None = None
    color: str | None = None
    type: str | None = None
    vehicle: Vehicle | None = None
    box: Box | None = None
    pictures: tuple[int, ...] = ()


class Access(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """What happened at a door, a turnstile or a terminal (AccessControllerEvent)."""

    major: int
    minor: int
    name: str
    outcome: Outcome
    employee_no: str | None = None
    person: str | None = None
    card_no: str | None = None
    door: int | None = None
    reader: int | None = None
    verify_mode: str | None = None
    attendance: str | None = None
    serial_no: int | None = None
    front_serial_no: int | None = None
    remote_check: bool | None = None
    user_type: str | None = None
    mask: str | None = None
    label: str | None = None
    card_type: int | None = None
    unlock_type: str | None = None
    remote_host: str | None = None


class Target(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """Something that was detected: a human, a vehicle, a face, a rectangle of either."""

    kind: str
    box: Box | None = None
    region: str | None = None
    pictures: tuple[int, ...] = ()


class Region(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A rule's region: its corner points, how sensitive it is, what it looks for."""

    id: str | None = None
    sensitivity: int | None = None
    points: tuple[Point, ...] = ()
    target: str | None = None
    name: str | None = None


class Thermal(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A temperature, in the unit that the device names."""

    temperature: float | None = None
    threshold: float | None = None
    unit: str | None = None
    rule: str | None = None
    rule_type: str | None = None
    preset: str | None = None
    abnormal: bool | None = None
    point: Point | None = None


class CountedRegion(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """The count of one region of a counting camera."""

    id: str | None = None
    name: str | None = None
    enter: int | None = None
    exit: int | None = None
    people: int | None = None


class Counting(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """People (or queues) that were counted, over a time range or right now."""

    mode: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    enter: int | None = None
    exit: int | None = None
    passing: int | None = None
    people: int | None = None
    wait_s: float | None = None
    child_enter: int | None = None
    child_exit: int | None = None
    regions: tuple[CountedRegion, ...] = ()


class Panel(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A message of an alarm panel or a radar (Contact-ID)."""

    code: int | None = None
    standard_code: int | None = None
    name: str | None = None
    type: str | None = None
    restored: bool | None = None
    zone: int | None = None
    zone_name: str | None = None
    area: str | None = None
    user: str | None = None
    device_no: int | None = None


class Intercom(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """A call or an unlocking at a door station."""

    command: str | None = None
    source: str | None = None
    period: str | None = None
    building: str | None = None
    unit: str | None = None
    floor: str | None = None
    room: str | None = None
    device_no: str | None = None
    unlock_type: str | None = None
    status: str | None = None


class Io(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """An alarm input that switched."""

    port: str | None = None


class Audio(_Value, frozen=True, omit_defaults=True, kw_only=True):
    """
    A sound that changed.

    :param alarm: the device's word: ``increase``, ``decrease`` ...
    :param decibel: how loud, in the device's scale of 0..100.
    """

    alarm: str | None = None
    decibel: float | None = None

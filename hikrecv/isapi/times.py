"""A device's idea of the time, in all its spellings, as an aware datetime."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hikrecv.push import Anomaly

from .fields import as_text

# Firmware that lost the sign writes the offset right behind the seconds
# (14:18:0600:00); others write one digit (-6:00), blanks, slashes, or no seconds.
_BROKEN = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})[T\s_-]+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,:](?P<part>\d{1,9}))?)?\s*"
    r"(?:(?P<utc>Z|UTC|GMT)?\s*(?:(?P<sign>[+-]?)(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?)?)",
    re.IGNORECASE,
)
# ANPR: absTime and picTime, without zone.
_DENSE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{1,6})?")
_LONGEST = 64
"""Characters; no time is longer, and the patterns below need not be safe on more."""
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d\d)?")
_MINUTE = timedelta(minutes=1)
_EPOCH_SECONDS = range(10**8, 10**10)
# Clocks are set to 1970 (or the evening before) and to 2034, but not to year 1:
# outside of this no arithmetic with offsets is safe.
_FIRST_YEAR, _LAST_YEAR = 1969, 2199


class Reading(NamedTuple):
    """
    What a text says about the time.

    :param at: aware, or None when the text is no time.
    :param zoned: whether the text itself said the offset.
    :param anomaly: what was tolerated, with the raw text as detail.
    """

    at: datetime | None
    zoned: bool = True
    anomaly: Anomaly | None = None


NOTHING = Reading(None, False)


def read(raw: Any, zone: tzinfo | None = None) -> Reading:
    """
    Read a time as a device writes it.

    :param zone: what the device's clock is set to, for a text without offset;
        without it such a text is taken for UTC, and the anomaly says so.
    """
    said = raw.strip() if type(raw) is str else as_text(raw)
    if not said:
        return NOTHING
    if len(said) > _LONGEST:
        return Reading(None, False, Anomaly("time-unreadable", said[:_LONGEST]))
    found = (
        _from_standard(said, zone) or _from_epoch(said) or _from_dense(said, zone) or _from_broken(said, zone)
    )
    if found is None or found.at is None or not _FIRST_YEAR <= found.at.year <= _LAST_YEAR:
        return Reading(None, False, Anomaly("time-unreadable", said[:_LONGEST]))
    return found


def zone_of(name: str | None) -> tzinfo | None:
    """The zone of a config's text: an IANA name, or an offset such as ``+08:00``."""
    return _zone(name) if name else None


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    return _fixed(offset[1], offset[2], offset[3]) if offset else ZoneInfo(name)


def in_offset(at: datetime, offset: Any) -> datetime:
    """A UTC time as the device's wall clock shows it; `timeDiff` beside a time in ``Z`` says how."""
    found = _OFFSET.fullmatch(as_text(offset) or "")
    try:
        return at.astimezone(_fixed(*found.groups())) if found else at
    except (ValueError, OverflowError):
        return at


def _fixed(sign: str | None, hours: str, minutes: str | None) -> timezone:
    span = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-span if sign == "-" else span)


def _zoned(at: datetime, zone: tzinfo | None, raw: str) -> Reading:
    if zone is not None:
        return Reading(at.replace(tzinfo=zone), zoned=False)
    return Reading(at.replace(tzinfo=timezone.utc), False, Anomaly("time-without-zone", raw[:_LONGEST]))


def _from_standard(said: str, zone: tzinfo | None) -> Reading | None:
    # `fromisoformat` alone would take week dates and dense digits for times, too.
    if said[4:5] != "-" or said[7:8] != "-" or said[10:11] not in ("T", " "):
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return None
    offset = at.utcoffset()
    if offset is None:
        return _zoned(at, zone, said)
    if not (offset.seconds % 60 or offset.microseconds):
        return Reading(at)
    # Python reads seconds in an offset, JSON's times (RFC 3339) cannot carry them, and no zone has any.
    whole = timezone(int(offset / _MINUTE) * _MINUTE)
    return Reading(at.replace(tzinfo=whole), anomaly=Anomaly("time-repaired", said))


def _from_epoch(said: str) -> Reading | None:
    if not said.isascii() or not said.isdigit() or len(said) > 13:
        return None
    seconds = int(said) / 1000 if len(said) == 13 else int(said)
    if int(seconds) not in _EPOCH_SECONDS:
        return None
    return Reading(datetime.fromtimestamp(seconds, timezone.utc), anomaly=Anomaly("time-repaired", said))


def _from_dense(said: str, zone: tzinfo | None) -> Reading | None:
    found = _DENSE.fullmatch(said)
    if found is None:
        return None
    *numbers, part = found.groups()
    at = _naive([*numbers, (part or "0").ljust(6, "0")])
    return None if at is None else _zoned(at, zone, said)


def _from_broken(said: str, zone: tzinfo | None) -> Reading | None:
    found = _BROKEN.fullmatch(said)
    if found is None:
        return None
    numbers = [found[name] or "0" for name in ("year", "month", "day", "hour", "minute", "second")]
    at = _naive([*numbers, (found["part"] or "0")[:6].ljust(6, "0")])
    if at is None:
        return None
    if not found["hours"] and not found["utc"]:
        return _zoned(at, zone, said)
    try:
        offset = _fixed(found["sign"], found["hours"] or "0", found["minutes"])
    except ValueError:
        return None
    return Reading(at.replace(tzinfo=offset), anomaly=Anomaly("time-repaired", said[:_LONGEST]))


def _naive(numbers: list[str]) -> datetime | None:
    year, month, day, hour, minute, second, micro = map(int, numbers)
    try:
        return datetime(year, month, day, hour, minute, second, micro)  # noqa: DTZ001
    except ValueError:
        return None

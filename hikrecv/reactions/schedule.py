"""Weekly times in which a reaction wants events, judged by when they were received."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from hikrecv.config import Schedule, Zone
from hikrecv.errors import ConfigError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60

Open = Callable[[datetime], bool]
_RANGE = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


def zone_of(zone: Zone | None) -> tzinfo | None:
    """*zone* as Python's tzinfo; None stands for the system's own zone."""
    if not zone:
        return None
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", zone)
    if offset is None:
        return ZoneInfo(zone)
    span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return timezone(-span if offset[1] == "-" else span)


def compile_schedule(entries: Sequence[Schedule], path: str) -> Open | None:
    """
    A function that says whether a moment lies in any of *entries*; None when there are none.

    A range over midnight (``22:00-06:00``) belongs to the day on which it begins:
    with ``days = ["fri"]`` it ends on Saturday morning.  The end is not part of a
    range; ``24:00`` is the end of the day.

    :raises ConfigError: when a range is not ``"HH:MM-HH:MM"``.
    """
    opens = [_entry(entry, f"{path}[{place}]") for place, entry in enumerate(entries)]
    if not opens:
        return None
    return lambda moment: any(is_open(moment) for is_open in opens)


def _entry(entry: Schedule, path: str) -> Open:
    days = frozenset(WEEKDAYS.index(day) for day in entry.days) or frozenset(range(7))
    ranges = [_range(text, path) for text in entry.times] or [(0, DAY)]
    zone = zone_of(entry.zone)

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        today, minute = local.weekday(), local.hour * 60 + local.minute
        yesterday = (today - 1) % 7
        return any(
            (today in days and start <= minute < end) or (yesterday in days and minute < end - DAY)
            for start, end in ranges
        )

    return is_open


def _range(text: str, path: str) -> tuple[int, int]:
    """Start and end in minutes of the day; an end on the next day is beyond `DAY`."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f'{text!r} is not a range of times; write "08:00-18:00"', f"{path}.times")
    start, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if start >= DAY or end > DAY or int(found[2]) > 59 or int(found[4]) > 59 or start == end:
        raise ConfigError(f'{text!r} is not a range of times of a day; write "08:00-18:00"', f"{path}.times")
    return start, end if end > start else end + DAY

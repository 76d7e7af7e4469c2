"""One line of a list: who it is, when and where it holds, and what is done then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec

from hikrecv import Event
from hikrecv.config import Schedule, Zone
from hikrecv.errors import ConfigError
from hikrecv.reactions.schedule import Open, compile_schedule, zone_of

from .plates import Folding

Key = tuple[str, str]
"""What somebody is known by: the column, and the value as it is compared."""

KEYS: Final = ("plate", "employee_no", "card_no", "certificate_no", "person")
COLUMNS: Final = (
    *KEYS,
    "valid_from",
    "valid_until",
    "days",
    "hours",
    "device",
    "door",
    "do",
    "number",
    "note",
)
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LIST = re.compile(r"[\s;|]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Row(msgspec.Struct, frozen=True):
    """
    A line that was read.

    :param origin: file and line, for the audit.
    :param keys: one of them is enough; see `agrees`.
    :param until: the first moment at which it holds no more.
    """

    origin: str
    keys: tuple[Key, ...]
    begin: datetime | None = None
    until: datetime | None = None
    opens: Open | None = None
    devices: frozenset[str] = frozenset()
    doors: frozenset[int] = frozenset()
    do: str | None = None
    number: int | None = None

    def agrees(self, who: Mapping[str, str]) -> bool:
        """Does nothing that *who* is known by speak against this line?"""
        return all(who.get(kind, value) == value for kind, value in self.keys)

    def why_not(self, event: Event) -> str:
        """Why the line does not hold for *event*, judged by when it was received; "" when it does."""
        at = event.received
        if self.begin is not None and at < self.begin:
            return "not valid yet"
        if self.until is not None and at >= self.until:
            return "not valid any more"
        if self.opens is not None and not self.opens(at):
            return "not at this time"
        if self.devices and not {event.device.id, event.device.id.partition("/")[0]} & self.devices:
            return "not at this device"
        if self.doors and (event.access is None or event.access.door not in self.doors):
            return "not at this door"
        return ""


class Reader:
    """
    Makes rows of the cells of a file.

    :param words: what `do` may say.
    """

    def __init__(self, fold: Folding, zone: Zone, words: Iterable[str]) -> None:
        self._fold = fold
        self._zone = zone
        self._tz: tzinfo | None = zone_of(zone)
        self._words = frozenset(words)
        self._times: dict[tuple[str, str], Open | None] = {}

    def row(self, cells: Mapping[str, str], origin: str) -> Row:
        """:raises ValueError: in a sentence that names the column."""
        return Row(
            origin,
            self._keys(cells),
            self._moment(cells, "valid_from", timedelta()),
            self._moment(cells, "valid_until", timedelta(days=1)),
            self._opens(cells.get("days", ""), cells.get("hours", "")),
            frozenset(_items(cells.get("device", ""))),
            frozenset(_number(item, "door") for item in _items(cells.get("door", ""))),
            self._word(cells.get("do", "")),
            _number(cells["number"], "number") if cells.get("number") else None,
        )

    def _keys(self, cells: Mapping[str, str]) -> tuple[Key, ...]:
        found = [(kind, self.compared(kind, cells.get(kind, ""))) for kind in KEYS]
        keys = [(kind, value) for kind, value in found if value]
        # Two people can have one name, and devices cut names off: it counts when there is nothing better.
        better = [key for key in keys if key[0] != "person"]
        if not keys:
            raise ValueError(f"it names nobody; fill in one of {', '.join(KEYS)}")
        return tuple(better or keys)

    def compared(self, kind: str, value: str) -> str:
        """*value* as it is compared with another of its *kind*."""
        plain = " ".join(value.split())
        if kind == "plate":
            return self._fold(plain)
        if kind == "card_no":
            # Spreadsheets eat leading zeros, and so do some readers.
            return plain.lstrip("0") or plain[:1]
        return plain.casefold()

    def _moment(self, cells: Mapping[str, str], name: str, day: timedelta) -> datetime | None:
        said = cells.get(name, "")
        if not said:
            return None
        try:
            moment = datetime.fromisoformat(said)
            if _DATE.fullmatch(said):
                moment += day
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._tz) if self._tz else moment.astimezone()
        except (ValueError, OverflowError):
            raise ValueError(
                f"{name}: {said!r} is not a date such as 2026-12-31 or 2026-12-31T18:00"
            ) from None
        return moment

    def _opens(self, days: str, hours: str) -> Open | None:
        if (days, hours) not in self._times:
            self._times[days, hours] = self._compiled(days, hours)
        return self._times[days, hours]

    def _compiled(self, days: str, hours: str) -> Open | None:
        if not days and not hours:
            return None
        named: Any = tuple(day for item in _items(days.lower()) for day in _days(item))
        entry = Schedule(days=named, times=tuple(_items(hours)), zone=self._zone)
        try:
            return compile_schedule([entry], "hours")
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def _word(self, said: str) -> str | None:
        if said and said not in self._words:
            raise ValueError(f"do: {said!r} is not one of {', '.join(sorted(self._words)) or 'nothing'}")
        return said or None


def who_is(event: Event, compared: Callable[[str, str], str]) -> dict[str, str]:
    """What *event* says about somebody, by the columns of the lists."""
    plate, access, match = event.plate, event.access, event.match
    said = {
        "plate": plate and plate.text,
        "employee_no": access and access.employee_no,
        "card_no": access and access.card_no,
        "certificate_no": match and match.certificate_number,
        "person": (access and access.person) or (match and match.person),
    }
    found = {kind: compared(kind, value) for kind, value in said.items() if value}
    return {kind: value for kind, value in found.items() if value}


def _items(text: str) -> list[str]:
    return [item for item in _LIST.split(text) if item]


def _days(item: str) -> Iterable[str]:
    first, dash, last = item.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"days: {item!r} is not one of {', '.join(DAYS)}, or mon-fri")
    if not dash:
        return (first,)
    begin, end = DAYS.index(first), DAYS.index(last)
    return DAYS[begin : end + 1] if begin <= end else (*DAYS[begin:], *DAYS[: end + 1])


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError(f"{name}: {text!r} is not a number as the device counts")
    return int(text)

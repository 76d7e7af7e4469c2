"""Whom a cooldown counts an event for.  When it was last handed over stands in the ledger."""

from __future__ import annotations

from hikrecv.config import Cooldown
from hikrecv.isapi.event import Event


def who(event: Event, cooldown: Cooldown) -> str | None:
    """
    The name under which *event* is counted, or None when it names nobody.

    A stranger's face and a plate that was not read have no name: such events
    are never held back, because two of them need not be the same person.  What
    is counted per person or plate is counted over all devices.
    """
    if cooldown.per == "device":
        return f"device {event.device.id}"
    name = _person(event) if cooldown.per == "person" else _plate(event)
    return None if name is None else f"{cooldown.per} {name}"


def cooling(cooldown: Cooldown, last: float | None, received: float) -> bool:
    """
    Is it too soon after *last*?  Both are times of receipt, in seconds since 1970.

    An event that is older than *last* (a replay) is held back only when it lies
    within the same span before it.
    """
    return last is not None and abs(received - last) < cooldown.every


def _person(event: Event) -> str | None:
    if event.access is not None:
        return event.access.employee_no or event.access.card_no or event.access.person
    if event.match is not None:
        return event.match.person_id or event.match.certificate_number or event.match.person
    return None


def _plate(event: Event) -> str | None:
    return None if event.plate is None else event.plate.text

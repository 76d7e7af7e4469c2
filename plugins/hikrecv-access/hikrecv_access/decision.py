"""May this somebody, now and here?  And why."""

from __future__ import annotations

from typing import Literal

import msgspec

from hikrecv import Event

from .echo import Echoes
from .lists import Lists
from .rows import Reader, Row, who_is
from .settings import Settings

Verdict = Literal["allow", "deny", "unknown", "ignore"]


class Decision(msgspec.Struct, frozen=True):
    """
    What was decided about an event.

    :param who: what somebody was known by, as it was compared.
    :param row: the line that decided, or None.
    """

    verdict: Verdict
    reason: str
    who: dict[str, str] = {}
    row: Row | None = None


class Judge:
    """
    Decides by the lists.

    Who is denied is denied, whatever the other list says.  For a denial one thing
    in common with the line is enough; for a permission nothing may speak against it.
    """

    def __init__(self, settings: Settings, reader: Reader, allow: Lists, deny: Lists, echoes: Echoes) -> None:
        self._settings = settings
        self._reader = reader
        self._allow = allow
        self._deny = deny
        self._echoes = echoes

    def decide(self, event: Event, *, asked: bool = False) -> Decision:
        """
        The decision about *event*.

        :param asked: a terminal waits for the answer.
        """
        if not asked and self._echoes.is_one(event, self._settings.echo):
            return Decision("ignore", "the device reports what it was told")
        who = who_is(event, self._reader.compared)
        believed = self._believes(event, asked)
        if event.access is not None and event.access.outcome == "denied" and not believed:
            refusal = f"the terminal refused: {event.access.name}"
            return Decision("deny" if asked else "ignore", refusal, who)
        return (
            self._denied(event, who)
            or (self._allowed(event, who) if believed else None)
            or self._unknown(who, believed)
        )

    def _believes(self, event: Event, asked: bool) -> bool:
        """
        Is somebody who an access event names really there?

        A terminal that refused a face, or has only taken it, names whom somebody claims
        to be.  One that asks has not decided yet.
        """
        if event.access is None or event.access.outcome in self._settings.outcomes:
            return True
        return asked and event.access.outcome != "denied"

    def _denied(self, event: Event, who: dict[str, str]) -> Decision | None:
        for row in self._deny.about(who):
            if not row.why_not(event):
                return Decision("deny", "on the list of those who may not", who, row)
        return None

    def _allowed(self, event: Event, who: dict[str, str]) -> Decision | None:
        missed: Decision | None = None
        for row in self._allow.about(who):
            if not row.agrees(who):
                continue
            why_not = row.why_not(event)
            if not why_not:
                return Decision("allow", "listed", who, row)
            missed = missed or Decision("deny", f"listed, but {why_not}", who, row)
        return missed

    def _unknown(self, who: dict[str, str], believed: bool) -> Decision:
        if self._settings.unknown == "allow":
            return Decision("allow", "not on the list of those who may not", who)
        named = "on no list" if believed else "the terminal has not let this person in itself"
        return Decision("unknown", named if who else "the event names nobody", who)

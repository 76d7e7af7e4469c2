"""
hikrecv-email: mail with the event's own pictures, by template and per recipient.

With ``batch`` in its table a reaction puts several events into one mail.  To compose a
mail of 40 events with their pictures takes half a second of CPU, so the hook is a plain
``def`` and runs in the reaction's own thread; only the talk with the server is on the reactor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from hikrecv import Context, Event, Picture, Reject, Retry, hookimpl
from hikrecv.reactions.rule import Rule

from .letter import Album, Shown, Writer, subtype_of
from .server import BUSY, Refusals, Server
from .settings import Settings

__all__ = ["HIKRECV_API", "Plugin", "Settings", "dry_run"]
__version__ = "0.1.0"

HIKRECV_API = 1
dry_run = True
"""It looks at `context.dry_run`."""

REMEMBERED = 10_000
"""So many deliveries of an event to an address are remembered, for the attempts that follow."""


class Mailing(NamedTuple):
    """One mail: what it is about, and who gets it."""

    events: tuple[Event, ...]
    to: list[str]


class Plugin:
    """
    Mails events with their own pictures, by template and per recipient.

    When the server takes a mail for some recipients and not for others, the next
    attempt is for those others only.
    """

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._settings = settings
        self._writer = Writer(context.name, settings)
        self._rules = [(each.to, Rule(each.when) if each.when else None) for each in settings.recipients]
        self._had: dict[tuple[str, str], None] = {}
        self.server = Server(settings, context.clock)

    @hookimpl
    def hikrecv_start(self, context: Context) -> None:
        """Warn of what was chosen."""
        if self._settings.security == "none" and self._settings.user:
            context.log.warn("the login goes to the mail server in clear; set security to starttls or tls")

    @hookimpl
    def hikrecv_events(self, events: Sequence[Event], context: Context) -> None:
        """Mail the events to everybody who wants one of them and has it not yet."""
        refused: Refusals = {}
        for mailing in self._mailings(events, again=context.replay):
            refused |= self._mail(mailing, context)
        if refused:
            raise _verdict(refused)

    def _mailings(self, events: Sequence[Event], *, again: bool) -> list[Mailing]:
        """The mails to write: one for all recipients who want the same events."""
        found: dict[tuple[str, ...], Mailing] = {}
        for to, rule in self._rules:
            wanted = tuple(
                event
                for event in events
                if (rule is None or rule.matches(event)) and (again or (event.id, to) not in self._had)
            )
            if wanted:
                mailing = found.setdefault(tuple(event.id for event in wanted), Mailing(wanted, []))
                mailing.to.append(to)
        return list(found.values())

    def _mail(self, mailing: Mailing, context: Context) -> Refusals:
        album, left_out = self._album(mailing.events, context)
        now = datetime.now(timezone.utc)
        letter = self._writer.write(mailing.events, album, mailing.to, now, left_out)
        if context.dry_run:
            said = {"subject": letter.subject, "to": mailing.to, "size": len(letter.content)}
            context.log.info("would mail {subject!r} to {to}: {size} bytes", **said)
            return {}
        refused: Refusals = context.wait(self.server.deliver, letter.content, mailing.to)
        self._remember(mailing, refused)
        return refused

    def _remember(self, mailing: Mailing, refused: Refusals) -> None:
        for to in mailing.to:
            if to not in refused:
                self._had |= {(event.id, to): None for event in mailing.events}
        while len(self._had) > REMEMBERED:
            del self._had[next(iter(self._had))]

    def _album(self, events: Sequence[Event], context: Context) -> tuple[Album, int]:
        """The pictures that go into the mail, and how many were too much."""
        left, left_out = int(self._settings.size), 0
        album: dict[str, list[Shown]] = {}
        for event in events if self._settings.pictures != "none" else ():
            for picture in event.pictures:
                content = self._content(picture, event, context)
                subtype = subtype_of(content)
                if subtype is None:
                    continue
                if len(content) > left:
                    left_out += 1
                    continue
                left -= len(content)
                shown = Shown(picture.n, picture.role, subtype, content)
                album.setdefault(event.id, []).append(shown)
        return album, left_out

    def _content(self, picture: Picture, event: Event, context: Context) -> bytes:
        """The picture, or nothing when it is not wanted or not to be had."""
        if self._settings.roles and picture.role not in self._settings.roles:
            return b""
        content = picture.content()
        if content is None and self._settings.fetch and not context.dry_run:
            try:
                fetched: bytes = context.wait(context.fetch, picture, event)
                return fetched
            except Reject as problem:
                context.log.warn("a mail goes without a picture: {problem}", problem=problem)
        return content or b""


def _verdict(refused: Refusals) -> Retry | Reject:
    """What it means that the server did not take the mail for everybody."""
    said = ", ".join(f"{to}: {code} {text}" for to, (code, text) in refused.items())
    if any(code < 500 for code, _ in refused.values()):
        return Retry(f"the mail server does not take the mail yet for {said}", after=BUSY)
    return Reject(f"the mail server does not take the mail for {said}")

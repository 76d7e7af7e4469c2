"""
hikrecv-notify: events with their picture to Telegram, ntfy, Slack, Teams, Pushover and the rest.

`apprise <https://pypi.org/project/apprise/>`_ knows the services.  It blocks, so the hook is a
plain ``def`` and runs in the reaction's own thread.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec
from hikrecv_notify_service import Kind, Note, Service
from hikrecv_notify_text import Format, escape_for, one_line

from hikrecv import Context, Event, Hold, Picture, Reject, Retry, hookimpl
from hikrecv.config import Bytes, Secret
from hikrecv.errors import ConfigError
from hikrecv.sheet import Sheet, together
from hikrecv.templates import Template

__version__ = "0.1.0"

HIKRECV_API = 1
dry_run = True
"""It looks at `context.dry_run`."""

REMEMBERED = 10_000
"""So many deliveries of an event to a service are remembered, for the attempts that follow."""
WITH_PICTURES = 3
"""From the next attempt on it goes without: some services take the text and then fail at the picture."""
REFUSED = re.compile(r"error=40[137]\b")
"""How apprise tells of a service that does not let us in."""
SLOW = 1.0
"""Seconds between two messages of which the operator should know."""
_ENDINGS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"RIFF", ".webp"),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the table."""

    urls: tuple[Secret, ...]
    """Where to: addresses of apprise's services, such as `ntfy://TOPIC`, best as `file:...` or `env:...`."""
    title: str = "{{ device.id }}{% if count > 1 %} ({{ count }}){% endif %}"
    """A template for the title; of many events in one message it is filled with the first."""
    body: str = "{{ words }}\n{{ time }}"
    """A template for the text."""
    format: Format = "text"
    """How the text is written; apprise makes of it what the service understands."""
    kind: Kind = "info"
    """How serious it is, for services that show it."""
    pictures: Literal["first", "all", "none"] = "first"
    """Of each event: the first that there is of `roles`, all of them, or none."""
    roles: tuple[str, ...] = ("face", "plate", "human", "vehicle", "capture", "background")
    """Which pictures are sent, by what they show, the best first."""
    size: Bytes = Bytes(8_000_000)
    """A picture that is larger is left out."""
    fetch: bool = False
    """Also fetch the pictures that the device sent as a link, from its configured address."""

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("urls: name at least one")
        for number, url in enumerate(self.urls):
            try:
                Service(url)
            except ValueError as error:
                raise ValueError(f"urls[{number}]: {error}") from None
        for key in ("title", "body"):
            try:
                Template(getattr(self, key))
            except ConfigError as error:
                raise ValueError(f"{key}: {error}") from None


class Plugin:
    """
    Sends events with their picture to Telegram, ntfy, Slack, Teams, Pushover and the rest.

    When one of several services fails, the next attempt is for that one only.
    """

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        path, escape = f"reactions.{context.name}", escape_for(settings.format)
        self._settings = settings
        self._services = [Service(url) for url in settings.urls]
        self._title = Template(settings.title, f"{path}.title", escape=escape_for("text"))
        self._body = Sheet(
            settings.body, f"{path}.body", between="\n\n", html=settings.format == "html", escape=escape
        )
        self._had: dict[tuple[str, int], None] = {}

    @hookimpl
    def hikrecv_start(self, context: Context) -> None:
        """Remove what a crash may have left of pictures; say what is slow by nature."""
        slow = max(self._services, key=lambda service: service.apart)
        if slow.apart >= SLOW:
            context.log.info(
                "{service} is sent one message in {apart} s; with `batch` many events are one message",
                service=slow.name,
                apart=slow.apart,
            )
        for old in context.state_dir.glob("pictures-*"):
            shutil.rmtree(old, ignore_errors=True)

    @hookimpl
    def hikrecv_events(self, events: Sequence[Event], context: Context) -> None:
        """Tell every service that has not been told yet."""
        todo = [(number, self._missing(events, number, context)) for number in range(len(self._services))]
        if context.dry_run:
            self._say(events, todo, context)
            return
        with ExitStack() as until_sent:
            files = self._files(events, context, until_sent)
            failed = [self._send(number, mine, files) for number, mine in todo if mine]
        problems = [problem for problem in failed if problem]
        if problems:
            said = "; ".join(problems)
            if all(map(REFUSED.search, problems)):
                raise Hold(f"{said}; correct the address or its token")
            raise Retry(said, certain=False)

    def _missing(self, events: Sequence[Event], number: int, context: Context) -> list[Event]:
        return [event for event in events if context.replay or (event.id, number) not in self._had]

    def _send(self, number: int, events: Sequence[Event], files: dict[str, list[Path]]) -> str | None:
        service = self._services[number]
        attached = [file for event in events for file in files.get(event.id, ())]
        note = self._note(events)._replace(files=attached)
        problem = service.send(note, self._settings.kind, self._settings.format)
        if problem is not None:
            return f"urls[{number}] ({service.name}): {problem}"
        self._had |= {(event.id, number): None for event in events}
        while len(self._had) > REMEMBERED:
            del self._had[next(iter(self._had))]
        return None

    def _note(self, events: Sequence[Event]) -> Note:
        told = together(events)
        title = one_line(self._title.render(events[0], **told[0]))
        return Note(title, self._body.fill(events, told), ())

    def _say(self, events: Sequence[Event], todo: list[tuple[int, list[Event]]], context: Context) -> None:
        names = [self._services[number].name for number, mine in todo if mine]
        context.log.info("would send {note!r} to {names}", note=self._note(events), names=names)

    # -- pictures ---------------------------------------------------------------

    def _files(self, events: Sequence[Event], context: Context, until: ExitStack) -> dict[str, list[Path]]:
        """The pictures as files, by the id of their event: not every service takes them from memory."""
        if self._settings.pictures == "none" or context.attempt > WITH_PICTURES:
            return {}
        found: dict[str, list[Path]] = {}
        try:
            folder = Path(until.enter_context(TemporaryDirectory(prefix="pictures-", dir=context.state_dir)))
            for event in events:
                for picture, content, ending in self._wanted(event, context):
                    file = folder / f"{event.seq}-{event.n}-{picture.n}{ending}"
                    file.write_bytes(content)
                    found.setdefault(event.id, []).append(file)
        except OSError as problem:
            context.log.warn("messages go without pictures: {problem}", problem=problem)
            return {}
        return found

    def _wanted(self, event: Event, context: Context) -> list[tuple[Picture, bytes, str]]:
        roles = self._settings.roles
        chosen = [picture for role in roles for picture in event.pictures if picture.role == role]
        found = []
        for picture in chosen:
            content = self._content(picture, event, context)
            ending = next((ending for start, ending in _ENDINGS if content.startswith(start)), None)
            if ending is None or len(content) > self._settings.size:
                continue
            found.append((picture, content, ending))
            if self._settings.pictures == "first":
                break
        return found

    def _content(self, picture: Picture, event: Event, context: Context) -> bytes:
        content = picture.content()
        if content is None and self._settings.fetch:
            try:
                content = context.wait(context.fetch, picture, event)
            except Reject as problem:
                context.log.warn("{event} goes without a picture: {problem}", event=event.id, problem=problem)
        return content or b""

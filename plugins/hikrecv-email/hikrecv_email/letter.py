"""Events and their pictures as one mail."""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from hashlib import sha256
from secrets import token_bytes
from typing import Any, NamedTuple

import msgspec

from hikrecv import Event
from hikrecv.sheet import Sheet, together
from hikrecv.templates import Template

from .settings import Settings, address

SUBJECT = 200
"""Characters of a subject."""
# Twisted makes the line ends of SMTP of these; nothing but ASCII, so that every server takes it.
_POLICY = EmailPolicy(linesep="\n", cte_type="7bit", max_line_length=78)
_PAGE = '<html><body style="font-family: sans-serif">\n{}\n</body></html>\n'
_STARTS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG", "png"), (b"GIF8", "gif"), (b"BM", "bmp"))
# What would turn the reading order round, or ring the bell of whoever reads mail in a terminal.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Shown(NamedTuple):
    """A picture that goes into the mail."""

    n: int
    role: str
    subtype: str
    content: bytes


Album = Mapping[str, Sequence[Shown]]
"""The pictures by the id of their event."""


class Letter(NamedTuple):
    """A mail; its `subject` is for the log."""

    subject: str
    content: bytes


class Writer:
    """
    Writes the mails of one reaction.

    The same events make the same Message-ID, so a mail that is sent again, because the
    answer of the server was lost, is known as the same by most mailboxes.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._settings = settings
        self._sender = address(settings.sender)
        self._subject = Template(settings.subject, f"reactions.{name}.subject")
        self._text = Sheet(settings.text, f"reactions.{name}.text", between="\n\n")
        self._html: Sheet | None = None
        if settings.html:
            self._html = Sheet(settings.html, f"reactions.{name}.html", between="\n<hr>\n", html=True)

    def write(
        self, events: Sequence[Event], album: Album, to: Sequence[str], date: datetime, left_out: int = 0
    ) -> Letter:
        """
        One mail about *events* for the addresses *to*.

        :param left_out: so many pictures were too much; the mail says it.
        :raises Reject: when a template fails.
        """
        inline = self._html is not None and self._settings.pictures in ("inline", "both")
        told = together(events, [_pictures(event, album.get(event.id, ()), inline) for event in events])
        subject = one_line(self._subject.render(events[0], **told[0]))
        message = EmailMessage(_POLICY)
        self._address(message, subject, events, to, date)
        note = f"{left_out} pictures are left out: together they are too large." if left_out else ""
        text = self._text.fill(events, told)
        message.set_content(_shown(f"{text}\n\n{note}" if note else text))
        if self._html is not None:
            html = self._html.fill(events, told) + (f"\n<p>{note}</p>" if note else "")
            whole = html if "<html" in html.lower() else _PAGE.replace("{}", html)
            message.add_alternative(_shown(whole), subtype="html")
        page = message.get_body(("html",)) if inline else None
        stand_ins: dict[bytes, bytes] = {}
        for event in events:
            for picture in album.get(event.id, ()):
                # The email package needs a second for what base64 alone does in a few milliseconds.
                stand_in = token_bytes(30)
                stand_ins[stand_in] = picture.content
                self._hang_up(message, page, event, picture._replace(content=stand_in))
        return Letter(subject, _filled_in(message.as_bytes(), stand_ins))

    def _address(
        self, message: EmailMessage, subject: str, events: Sequence[Event], to: Sequence[str], date: datetime
    ) -> None:
        message["From"] = self._sender
        message["To"] = [address(each) for each in to]
        if self._settings.reply_to:
            message["Reply-To"] = address(self._settings.reply_to)
        message["Subject"] = subject
        message["Date"] = date
        keys = "\n".join((self._name, *(event.key for event in events)))
        message["Message-ID"] = f"<{_digest(keys)}@{self._sender.domain}>"
        # RFC 3834: nobody's "I am on holiday" comes back.
        message["Auto-Submitted"] = "auto-generated"

    def _hang_up(self, message: EmailMessage, page: MIMEPart | None, event: Event, picture: Shown) -> None:
        content, kind, name = picture.content, picture.subtype, _filename(event, picture)
        if page is not None:
            cid = f"<{_cid(event, picture)}>"
            page.add_related(content, "image", kind, cid=cid, disposition="inline", filename=name)
        if page is None or self._settings.pictures == "both":
            message.add_attachment(content, "image", kind, filename=name)


def one_line(text: str) -> str:
    """*text* as a header takes it: what is no visible character is a blank, and it is not too long."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= SUBJECT else line[: SUBJECT - 1] + "…"


def subtype_of(content: bytes) -> str | None:
    """What kind of picture *content* is, by its first bytes; None when it is none."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _STARTS if content.startswith(start)), None)


def _pictures(event: Event, shown: Sequence[Shown], inline: bool) -> dict[str, Any]:
    """The pictures as a template sees them."""
    sources = {picture.n: f"cid:{_cid(event, picture)}" for picture in shown if inline}
    said = msgspec.to_builtins(event.pictures)
    return {"pictures": [picture | {"src": sources.get(picture["n"])} for picture in said]}


def _shown(text: str) -> str:
    return _HIDDEN.sub("", text) + "\n"


def _filled_in(content: bytes, stand_ins: Mapping[bytes, bytes]) -> bytes:
    """*content* with the pictures in the place of what stands there for them."""
    for stand_in, picture in stand_ins.items():
        content = content.replace(encodebytes(stand_in), encodebytes(picture))
    return content


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:40]


def _cid(event: Event, picture: Shown) -> str:
    return f"{picture.n}.{_digest(event.id)}@hikrecv"


def _filename(event: Event, picture: Shown) -> str:
    role = re.sub(r"[^a-z0-9-]", "-", picture.role.lower())[:32]
    return f"{event.seq}-{picture.n}-{role}.{picture.subtype.replace('jpeg', 'jpg')}"

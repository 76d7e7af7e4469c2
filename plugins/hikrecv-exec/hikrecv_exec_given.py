"""What a program is given about an event: variables, and pictures as files, under names of our own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hikrecv import Context, Event

LONGEST = 1_000
"""Characters of one variable; the whole event is on stdin."""
_KINDS = {b"\xff\xd8": ".jpg", b"\x89P": ".png"}


def variables(event: Event, context: Context) -> dict[str, str]:
    r"""
    The ``HIKRECV_...`` variables of *event*; all of them are always there, empty where nothing was said.

    The text of a device may hold anything, and shells and logs act on control
    characters: they are written as ``\x1b``.
    """
    access, match = event.access, event.match
    said: dict[str, Any] = {
        "REACTION": context.name,
        "ATTEMPT": context.attempt,
        "REPLAY": int(context.replay),
        "ID": event.id,
        "KEY": event.key,
        "SEQ": event.seq,
        "FAMILY": event.family,
        "TYPE": event.type,
        "STATE": event.state,
        "FRESHNESS": event.freshness,
        "TRUST": event.peer.trust,
        "RECEIVED": event.received,
        "OCCURRED": event.occurred,
        "DEVICE": event.device.id,
        "CHANNEL": event.channel and event.channel.id,
        "PERSON": (match and match.person) or (access and access.person),
        "EMPLOYEE": access and access.employee_no,
        "CARD": access and access.card_no,
        "DOOR": access and access.door,
        "OUTCOME": access and access.outcome,
        "PLATE": event.plate and event.plate.text,
    }
    return {f"HIKRECV_{name}": _text(value) for name, value in said.items()}


def visible(text: str) -> str:
    """*text* with everything that is no letter, sign or blank written as an escape."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


@contextmanager
def pictures(event: Event, parent: Path) -> Iterator[Path]:
    """A folder with the pictures that came with *event*, while it is needed."""
    parent.mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        for name, content in _files(event).items():
            (folder / name).write_bytes(content)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _files(event: Event) -> Mapping[str, bytes]:
    """By number and role: the device's own names are its own business."""
    found = {}
    for picture in event.pictures:
        content = picture.content()
        if content is not None:
            role = "".join(letter for letter in picture.role if letter.isascii() and letter.isalpha())
            found[f"{picture.n:02d}-{role or 'picture'}{_KINDS.get(content[:2], '.bin')}"] = content
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return visible((value.isoformat() if isinstance(value, datetime) else str(value))[:LONGEST])


def _escaped(letter: str) -> str:
    number = ord(letter)
    return (
        f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )

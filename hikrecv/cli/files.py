"""What commands call the files that they write."""

from __future__ import annotations

import re
from pathlib import Path

from hikrecv.isapi.event import Event, Picture
from hikrecv.ownership import give_all
from hikrecv.state import State

_ENDINGS = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"))


def picture_file(event: Event, picture: Picture, content: bytes) -> str:
    """
    The name of a picture's file, without a folder.

    The device's own name for it is a label and never a path: ours is made of our numbers,
    and of the role as far as that is a word (a plugin's events may say anything).
    """
    role = re.sub("[^a-z0-9-]", "", picture.role.lower())[:32]
    ending = next((ending for beginning, ending in _ENDINGS if content.startswith(beginning)), ".bin")
    return f"{event.id}-{picture.n}-{role}{ending}"


def belonging(folder: Path, state: State) -> None:
    """What root wrote into *folder* belongs to the receiver's user, when that lies in its state directory."""
    if folder.resolve().is_relative_to(state.root.resolve()):
        give_all(state.root)

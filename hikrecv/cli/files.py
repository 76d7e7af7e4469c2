"""What commands call the files that they write."""

from __future__ import annotations

import re

from hikrecv.isapi.event import Event, Picture

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

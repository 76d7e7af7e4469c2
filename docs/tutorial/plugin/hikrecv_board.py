"""
hikrecv-board: greets on a screen whoever a camera recognises.

hikrecv makes one `Plugin` of it for each ``[reactions.<name>]`` table of its
configuration that says ``plugin = "board"``.
"""

from __future__ import annotations

from base64 import b64encode

import msgspec

from hikrecv import Context, Event, hookimpl
from hikrecv.config import Url

__version__ = "0.1.0"

HIKRECV_API = 1
"""The version of the hooks that this was written for."""

dry_run = True
"""In a dry run it does nothing by itself: `context.http` then only says what it would do."""


# -- begin settings --
class Settings(msgspec.Struct, frozen=True):
    """The plugin's own keys; one that is wrong or unknown is an error before anything starts."""

    url: Url
    """The screen: `http://` or `https://`, in clear or as `env:VARIABLE` or `file:PATH`."""
    greeting: str = "Welcome, {name}"
    """What it shows; `{name}` is the person's name."""
    picture: bool = False
    """Show the person's face too."""

    def __post_init__(self) -> None:
        if "{name}" not in self.greeting:
            raise ValueError("greeting: write {name} where the name goes")


# -- end settings --
# -- begin plugin --
class Plugin:
    """One reaction: one screen."""

    def __init__(self, context: Context) -> None:
        self._settings: Settings = context.settings

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """Greet.  When this returns, the event is done; what it raises says what to do."""
        if event.match is None or event.match.person is None:
            return
        text = self._settings.greeting.replace("{name}", event.match.person)
        shown = {"key": event.key, "text": text}
        if self._settings.picture and (face := _face(event)) is not None:
            shown["picture"] = b64encode(face).decode()
        await context.http.put(self._settings.url, json=shown)


def _face(event: Event) -> bytes | None:
    """The face as JPEG; None when the camera is set to send no pictures."""
    faces = (picture.content() for picture in event.pictures if picture.role == "face")
    return next(faces, None)


# -- end plugin --

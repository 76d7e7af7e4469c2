"""
hikrecv-yours: tells every event to a web server.

hikrecv makes one `Plugin` of it for each ``[reactions.<name>]`` table of its
configuration that says ``plugin = "yours"``.
"""

from __future__ import annotations

import msgspec

from hikrecv import Context, Event, hookimpl
from hikrecv.config import Url

__version__ = "0.1.0"

HIKRECV_API = 1
"""The version of the hooks that this was written for."""

dry_run = True
"""In a dry run it does nothing by itself: `context.http` then only says what it would do."""


class Settings(msgspec.Struct, frozen=True):
    """The plugin's own keys; one that is wrong or unknown is an error before anything starts."""

    url: Url
    """Where to: `http://` or `https://`, in clear or as `env:VARIABLE` or `file:PATH`."""


class Plugin:
    """One reaction."""

    def __init__(self, context: Context) -> None:
        self._settings: Settings = context.settings

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """Tell the server.  When this returns, the event is done; what it raises says what to do."""
        await context.http.post(self._settings.url, json=event.to_dict())

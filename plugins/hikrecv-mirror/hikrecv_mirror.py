"""
hikrecv-mirror: every request as the device sent it, passed on to another receiver.

A device has one place for a receiver, or three; behind hikrecv there can be as many
as you like: HikCentral, Home Assistant, a hikrecv at the headquarters.
"""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from hikrecv_mirror_head import headers_for, url_for
from twisted.internet.defer import DeferredLock

from hikrecv import Context, Event, Push, Reject, Retry, hookimpl
from hikrecv.config import Login, Url

__version__ = "0.1.0"

HIKRECV_API = 1

dry_run = True
"""It looks at `context.dry_run`."""

LONGEST = 86_400.0
"""Seconds; the reaction's own `timeout` ends an attempt sooner."""
REMEMBERED = 1_024
"""Pushes of which it is known that they were passed on."""
_ANSWER = 1_000_000


class Settings(msgspec.Struct, frozen=True):
    """The plugin's keys in its ``[reactions.<name>]`` table."""

    url: Url
    """The other receiver, `http://` or `https://`, in clear or as `env:NAME` or `file:PATH`."""
    path: Literal["url", "device"] = "url"
    """`url`: the path of `url`; `device`: the path and query that the device uses, below that of `url`."""
    basic: Login | None = None
    """`{ user, password }` for a Basic login."""
    digest: Login | None = None
    """`{ user, password }` for a Digest login."""

    def __post_init__(self) -> None:
        if self.basic is not None and self.digest is not None:
            raise ValueError("basic and digest exclude each other; choose one")
        if self.path == "device" and urlsplit(self.url).query:
            raise ValueError('url has a query, and path = "device" uses that of the device; remove one')


class Plugin:
    """One reaction: one other receiver."""

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._url = str(settings.url)
        self._host = urlsplit(self._url).hostname or ""
        self._keep_path = settings.path == "device"
        self._login = _basic(settings.basic)
        self._turns: OrderedDict[int, _Turn] = OrderedDict()
        self._digest: Any = None
        if settings.digest is not None:
            user, password = settings.digest.user, str(settings.digest.password)
            self._digest = context.http.with_digest(self._url, user, password)

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """
        Pass on the request in which *event* came; returning means that the other receiver has it.

        A request may hold several events.  It goes out with the first of them that the
        reaction wants; for the others there is nothing left to do.
        """
        if event.id.endswith("-end"):
            return  # The end of an alarm by its silence: no device sent that.
        turn = self._turn(event.seq)
        async with turn.lock:
            # The same event once more is a replay or a rewind: then it shall go out again.
            if turn.taken is None or event.n <= turn.taken:
                await self._pass_on(event, context)
                turn.taken = event.n

    async def _pass_on(self, event: Event, context: Context) -> None:
        push = await context.push(event)
        if context.dry_run:
            context.log.info(
                "would pass on the {size} bytes of {event} to {host}",
                size=len(push.body),
                event=event.id,
                host=self._host,
            )
            return
        await self._send(push, context)

    async def _send(self, push: Push, context: Context) -> None:
        http = self._digest or context.http
        response = await http.request(
            push.method,
            url_for(push, self._url, keep_path=self._keep_path),
            headers=headers_for(push, self._url, self._login),
            data=push.body or None,
            allow_redirects=False,
            timeout=LONGEST,
            most=_ANSWER,
        )
        if response.code >= 300:
            reason = f"{self._host} answered {response.code} and redirects; correct url"
            # 301 and 308 are for good; the others may be a sign that says "closed for now".
            raise Reject(reason) if response.code in (301, 308) else Retry(reason)

    def _turn(self, seq: int) -> _Turn:
        turn = self._turns.setdefault(seq, _Turn())
        self._turns.move_to_end(seq)
        while len(self._turns) > REMEMBERED:
            self._turns.popitem(last=False)
        return turn


class _Turn:
    """
    The events of one push take turns, when several are handed over side by side.

    :ivar taken: the number of the event with which the other receiver took the push.
    """

    def __init__(self) -> None:
        self.lock = DeferredLock()
        self.taken: int | None = None


def _basic(login: Login | None) -> str | None:
    if login is None:
        return None
    pair = f"{login.user}:{login.password}"
    return f"Basic {b64encode(pair.encode()).decode()}"

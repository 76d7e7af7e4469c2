"""What a plugin's hook may use: its settings, the clock, HTTP, pictures, the configured devices."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python import threadable

from hikrecv.errors import Gone, JournalError, Reject, Retry
from hikrecv.isapi.event import Event, Picture
from hikrecv.ownership import give_path
from hikrecv.push import Push

if TYPE_CHECKING:
    from hikrecv.device.isapi import DeviceClient

    from .http import Http

T = TypeVar("T")


def _no_reactor(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    raise RuntimeError("this receiver gives plain hooks no way to wait for the reactor")


async def _no_journal(seq: int) -> Push:
    raise Gone("this receiver gives plugins no requests")


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """
    What every context is made of; the service builds one, tests build their own.

    :param state_dir: the receiver's; plugins get a folder of their own below it.
    :param device: gives the client of a ``[devices.<name>]``; raises Reject for another name.
    :param wait: calls a function on the reactor from another thread, and blocks for its result.
    :param wait_blocks: so the reactor's own thread must not call `wait`; False for a test's clock.
    :param http_once: for reactions that must do nothing twice; `http` when there is none.
    :param push: reads the push with that seq from the journal, without blocking; raises JournalError.
    """

    clock: IReactorTime
    http: Http
    state_dir: Path
    device: Callable[[str], DeviceClient]
    wait: Callable[..., Any] = _no_reactor
    wait_blocks: bool = True
    http_once: Http | None = None
    push: Callable[[int], Awaitable[Push]] = _no_journal


class Context:
    """
    What a hook is given beside the event.

    :param once: its reaction is at-most-once.
    :ivar name: the reaction's name in the configuration.
    :ivar settings: its own keys, as the plugin's `Settings`; None when it declares none.
    :ivar clock: an IReactorTime; wait with ``twisted.internet.task.deferLater(context.clock, ...)``.
    :ivar log: a twisted Logger in the reaction's name.
    :ivar http: treq's calls, where an answer of 400 or more raises Retry, Hold or Reject.
    :ivar attempt: 1 for the first try of this event; 0 outside of an attempt.
    :ivar replay: the event is handed over again because the operator asked for it.
    :ivar dry_run: say in the log what would be done, and do nothing; `http` and `device` then
        refuse what is asked of them.
    """

    def __init__(self, name: str, settings: Any, services: Services, *, once: bool = False) -> None:
        self.name = name
        self.settings = settings
        self.clock = services.clock
        self.http = ((services.http_once if once else None) or services.http).for_reaction()
        self.log = Logger(namespace=f"hikrecv.reactions.{name}")
        self.attempt = 0
        self.replay = False
        self.dry_run = False
        self._services = services

    def for_attempt(self, attempt: int, *, replay: bool = False, dry_run: bool = False) -> Context:
        """The same context for one attempt; several attempts may run side by side."""
        mine = copy.copy(self)
        mine.attempt, mine.replay, mine.dry_run = attempt, replay, dry_run
        if dry_run:
            mine.http = self.http.dry()
        return mine

    @property
    def state_dir(self) -> Path:
        """A folder of the reaction's own, 0700, made when it is first asked for."""
        folder = self._services.state_dir / "plugins" / self.name
        for each in (folder.parent, folder):
            if not each.is_dir():
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
                give_path(each, each.parent)
        return folder

    def device(self, name: str) -> DeviceClient:
        """
        The client of ``[devices.<name>]``; address, login and TLS come from there and nowhere else.

        :raises Reject: when the configuration has no such device, and in a dry run.
        """
        if self.dry_run:
            raise Reject(f"dry run: would call device {name}")
        return self._services.device(name)

    def picture(self, picture: Picture) -> bytes:
        """
        The bytes of a picture that came with the event.

        :raises Reject: when the device sent a link only; `fetch` follows it.
        """
        content = picture.content()
        if content is None:
            raise Reject(f"picture {picture.n} did not come with the event; use context.fetch")
        return content

    async def fetch(self, picture: Picture, event: Event) -> bytes:
        """
        The bytes of a picture of *event*, that came with it or else by its link.

        A link is followed only to the configured address of the event's device.

        :raises Reject: when there is no link, or it leads elsewhere, or the device is not configured.
        :raises Retry: when the device cannot be reached now.
        """
        content = picture.content()
        if content is not None:
            return content
        if picture.url is None:
            raise Reject(f"picture {picture.n} has neither content nor a link")
        aliases = [host for host in (event.device.ip, event.peer.ip) if host]
        return await self.device(event.device.id).picture(picture.url, aliases)

    async def push(self, event: Event) -> Push:
        """
        The request that *event* came in, byte for byte as it is kept.

        The token of its path and the values of Authorization, Proxy-Authorization and Cookie
        are ``-`` in it, and what ``[privacy]`` masks is masked.

        :raises Reject: when it is not kept any more.
        :raises Retry: when the journal cannot be read now.
        """
        try:
            return await self._services.push(event.seq)
        except Gone as error:
            raise Reject(f"the request of {event.id} cannot be had: {error}") from error
        except JournalError as error:
            raise Retry(str(error)) from error

    def wait(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """
        From a plain hook: call *function* on the reactor and block until its result is there.

        ``context.wait(context.http.post, url, json=...)``

        :raises RuntimeError: on the reactor itself, which would wait for itself for ever.
        """
        if self._services.wait_blocks and threadable.ioThread == threadable.getThreadID():
            raise RuntimeError("context.wait is for plain hooks; in an `async def` write await")
        return self._services.wait(function, *arguments, **named)

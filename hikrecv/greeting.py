"""What the receiver says at its start, to somebody with a camera in front of her."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from .assembly import Parts
from .isapi.event import Event

PATIENCE = 60.0
_log = Logger()


class Greeting:
    """Says where to point cameras, which plugins lie idle, and where to look when nothing comes."""

    def __init__(self, clock: Any, parts: Parts, state: Path) -> None:
        self._clock, self._parts, self._state = clock, parts, state
        self._waiting: Any = None

    def start(self, endpoints: Sequence[str], addresses: Sequence[str]) -> None:
        """
        Say it, and wait for the first push.

        :param addresses: where the *endpoints* really listen, ``10.0.0.5:8089``.
        """
        token = "".join(
            f"<token of listen[{n}]>" for n, each in enumerate(self._parts.config.listen) if each.token
        )
        for url in urls(endpoints, addresses):
            _log.info("{url}{token}  <- {what}", url=url, token=token, what=_what(url))
        _log.info("events are kept in {state}", state=self._state)
        if self._parts.unused:
            _log.info(
                "installed and not used: {names}; `hikrecv plugins show NAME` says how to use one",
                names=", ".join(self._parts.unused),
            )
        self._waiting = self._clock.callLater(PATIENCE, self._nothing_came)

    def heard(self, seq: int, events: tuple[Event, ...], size: int) -> None:
        """A push came: there is nothing to explain."""
        if self._waiting is not None:
            self.stop()

    def stop(self) -> None:
        """Wait no more."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.active():
            waiting.cancel()

    def _nothing_came(self) -> None:
        self._waiting = None
        _log.info(
            "no push for {seconds:.0f} s: is the event's linkage ticked (Notify Surveillance Center), can "
            "the camera reach this address, does a firewall let the port through?  Try without a camera: "
            "`hikrecv simulate send vendor-note --to URL`; `hikrecv devices` shows who was turned away",
            seconds=PATIENCE,
        )


def urls(endpoints: Sequence[str], addresses: Sequence[str]) -> list[str]:
    """What to type into a camera for each of the *endpoints*, which really listen on *addresses*."""
    return [url for url in map(_url, endpoints, addresses) if url]


def _url(endpoint: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return ""
    host = own_address() if host in ("0.0.0.0", "[::]") else host  # noqa: S104, this binds nothing
    return f"{'https' if endpoint.startswith('ssl:') else 'http'}://{host}:{port}/"


def _what(url: str) -> str:
    if "//127." in url or "//[::1]" in url:
        return "only programs on this machine can send to this address"
    return 'type this into the camera, menu "HTTP Listening" (not "Alarm Host")'


def own_address() -> str:
    """The address by which this machine reaches others; nothing is sent to learn it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address

"""
What the receiver tells the service manager that started it: that it is ready, reloads, stops, lives.

The protocol of sd_notify(3), a datagram of lines to the socket that ``$NOTIFY_SOCKET`` names.  It is
written out here because it is no more than this, and the libraries for it bring less or much more.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

READING = 1.0
"""Seconds that a service manager gets to make room for what must not be lost, such as that we are ready."""
_log = Logger()


class ServiceManager:
    """
    The service manager, or nobody: then nothing is said.

    :param address: of its socket, ``/run/systemd/notify`` or ``@abstract``; "" for nobody.
    :param watchdog: seconds without a sign of life after which it starts us again; 0 when it does not.
    :param clock: the reactor, which feeds the watchdog: one that is stuck does not.
    """

    def __init__(self, clock: Any, address: str = "", watchdog: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        # Kept open, so that a process which has run out of descriptors still shows that it lives.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._watchdog = watchdog
        self._loop = LoopingCall(self._say, "WATCHDOG=1", wait=0.0)
        self._loop.clock = clock

    @classmethod
    def of(cls, environment: MutableMapping[str, str], clock: Any) -> ServiceManager:
        """
        The one that *environment* names.

        The names are taken out of it: programs that reactions start must not speak for the receiver.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        span, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")):
            return cls(clock)  # nobody, or a kind of socket (vsock) that no service gets
        ours = span.isdigit() and pid in ("", str(os.getpid()))
        return cls(clock, address, int(span) / 1e6 if ours else 0.0)

    def ready(self, status: str) -> None:
        """Everything is open; *status* is a line for ``systemctl status``.  Also after a reload."""
        self._say(f"READY=1\nSTATUS={status}")
        if self._watchdog and not self._loop.running:
            # Twice as often as must be, as sd_watchdog_enabled(3) advises.
            self._loop.start(self._watchdog / 2)

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends that, however it went."""
        # The moment lets the manager tell an answer to its own request from an older one.
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The receiver is about to end."""
        self._say("STOPPING=1\nSTATUS=stopping")

    def close(self) -> None:
        """Nothing more is said."""
        if self._loop.running:
            self._loop.stop()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say(self, text: str, wait: float = READING) -> None:
        if self._socket is None:
            return
        self._socket.settimeout(wait)
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            # A manager that does not listen must not keep anybody from receiving.
            _log.debug("the service manager was not told: {error}", error=error)

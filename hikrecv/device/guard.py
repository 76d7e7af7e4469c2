"""How often a login may be tried before the device locks the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hikrecv.errors import LoginRefused

PAUSE: Final = 900.0
"""Seconds after a wrong login without another."""
MOST: Final = 2
"""Wrong logins until the configuration changes; devices lock after five in 30 minutes or more."""


class LoginGuard:
    """
    Counts the wrong logins at one device.

    :param seconds: a monotonic clock.
    """

    def __init__(self, name: str, seconds: Callable[[], float]) -> None:
        self._name = name
        self._seconds = seconds
        self._wrong = 0
        self._not_before = 0.0

    def check(self) -> None:
        """:raises LoginRefused: when no login may be tried now."""
        if not self._wrong:
            return
        cure = f"correct [devices.{self._name}] login and reload"
        if self._wrong >= MOST:
            raise LoginRefused(
                f"device {self._name} refused the login {self._wrong} times, it is not tried again; {cure}"
            )
        wait = self._not_before - self._seconds()
        if wait > 0:
            raise LoginRefused(
                f"device {self._name} refused the login, the next try is in {wait:.0f} s; {cure}"
            )

    def refused(self) -> None:
        """The device did not take it."""
        self._wrong += 1
        self._not_before = self._seconds() + PAUSE

    def accepted(self) -> None:
        """The login is right; the count begins anew."""
        self._wrong = 0

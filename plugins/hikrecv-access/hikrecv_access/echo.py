"""What a device reports of our own commands, so that no door is opened because a door was opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary, proxy

from twisted.internet.interfaces import IReactorTime

from hikrecv import Event

from .command import ALL_DOORS, Command

_DOOR: Final = frozenset(
    {(3, code) for code in (1024, 1025, 1026, 1027)} | {(5, code) for code in (19, 20, 21, 22, 31, 32)}
)
"""Opened, closed or held from afar; lock released and engaged; kept open or closed."""
_OUTPUT: Final = frozenset({(3, 214), (3, 215), (5, 29), (5, 30)})
_UNDER_WAY: Final = float("inf")


class Echoes:
    """
    The latest commands of all reactions of a receiver, by place.

    Two reactions that answer each other's doors would never stop, so they share it.
    The echo may come before the device's answer: a command counts from its beginning.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = proxy(clock)  # which is the key under which we are known
        self._lock = Lock()
        # Before this process there may have been another, whose commands still echo.
        self._born = clock.seconds()
        self._ended: dict[tuple[str, str, int], float] = {}

    @contextmanager
    def during(self, command: Command) -> Iterator[None]:
        """While *command* is carried out, and from its end on."""
        with self._lock:
            self._ended[command.place] = _UNDER_WAY
        try:
            yield
        finally:
            with self._lock:
                self._ended[command.place] = self._clock.seconds()

    def is_one(self, event: Event, window: float) -> bool:
        """Does *event* report what we did within the last *window* seconds?"""
        access = event.access
        if access is None or (access.major, access.minor) not in _DOOR | _OUTPUT:
            return False
        what = "door" if (access.major, access.minor) in _DOOR else "output"
        now, device = self._clock.seconds(), event.device.id.partition("/")[0]
        if now - self._born < window:
            return True
        with self._lock:
            return any(
                place[:2] == (device, what) and now - ended <= window and _same(place[2], access.door, what)
                for place, ended in self._ended.items()
            )


_all: WeakKeyDictionary[IReactorTime, Echoes] = WeakKeyDictionary()


def echoes_of(clock: IReactorTime) -> Echoes:
    """Those of the receiver that has this clock."""
    return _all.setdefault(clock, Echoes(clock))


def _same(number: int, door: int | None, what: str) -> bool:
    return what != "door" or door is None or number in (door, ALL_DOORS)

"""
A clock that no wrong boot can make run ahead: it judges what is deleted for its age.

A wall clock may be years off after a boot (an empty battery, a time server that is not
reached), and for hours; a moment of it would be enough to forget that a door was opened
for an event, where a reaction was, or a month of events.  So for deleting only time
counts that was seen to pass: by CLOCK_BOOTTIME, which goes on in a suspended machine and
which nobody can set.  Over a reboot it begins anew; what it had counted is saved every
minute, with the boot that it belongs to.  Time over a power-off counts as nothing.

For acting it is the other way round: an event that was received before a power-off has
an age that nobody knows, see `continuous`.  And a machine without a clock of its own begins
with the time of its last minute: what a terminal has stored meanwhile would look like now,
see `SteadyClock.in_doubt`.
"""

from __future__ import annotations

import ctypes
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from .store import Store, contents, replace

STEP = 1.0
"""Seconds by which the wall clock may leave CLOCK_BOOTTIME and was not set: time servers take longer."""

BETWEEN = 86_400.0
"""From one life to the next no more seconds count: the clocks of a machine that was restored leap."""

IN_DOUBT = 300.0
"""Seconds after a boot within which a time server has set the clock, where there is one."""

POINTS = 500
"""In so many steps the age of the journal's numbers is known."""

_LEAST = 60.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
_NOT_SYNCHRONISED = 5
"""What adjtimex(2) gives then (TIME_ERROR)."""


class _Saved(msgspec.Struct, frozen=True):
    """
    The file, as JSON.

    :param boot: which boot of the machine it was.
    :param boottime: CLOCK_BOOTTIME then, *wall* the wall clock, *steady* this clock; seconds.
    :param points: how far the journal was: (steady seconds, the newest number then).
    """

    boot: str
    boottime: float
    wall: float
    steady: float
    points: list[tuple[float, int]] = []
    version: int = 1


class SteadyClock:
    """
    Seconds that have passed while somebody could see them pass, from an arbitrary beginning.

    It never goes back: not over a restart, a reboot, or a wall clock that is set.  A file that is lost
    or cannot be read costs time (what is deleted by age stays longer), and nothing else.

    :param path: where it is saved; None: nowhere.
    :param boot: names the boot of the machine.
    :param synchronised: says whether a time server has set the wall clock since the boot.
    :ivar continuous: since it was saved last neither the machine was started anew nor the wall clock set, so
        that the age of what was received before this life is known.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] | None = None,
        boot: str | None = None,
        store: Store | None = None,
        synchronised: Callable[[], bool] | None = None,
    ) -> None:
        self._path, self._store = path, store or Store()
        self._synchronised = synchronised or _is_synchronised
        self._wall, self._boottime = wall, boottime or _boottime
        self._boot = _boot_id() if boot is None else boot
        self._from, saved = self._boottime(), self._read()
        self._points = [] if saved is None else saved.points
        self._passed, self.continuous = 0.0, saved is None
        self._apart = self._wall() - self._from
        if saved is not None:
            self._passed = saved.steady
            if saved.boot == self._boot and self._from >= saved.boottime:
                self._passed += min(self._from - saved.boottime, BETWEEN)
                self.continuous = abs(self._apart - (saved.wall - saved.boottime)) <= STEP
        self._rebooted = saved is not None and saved.boot != self._boot
        # Where neither has happened, it is as right as it was; at the first start, as old as the boot.
        self._settled = 0.0 if self.continuous else self._from

    def now(self) -> float:
        """The time."""
        return self._passed + max(self._boottime() - self._from, 0.0)

    def at_least(self, moment: float) -> None:
        """Something was written at *moment* of this clock: when its file was lost, go on from there."""
        self._passed += max(moment - self.now(), 0.0)

    def wall_was_set(self) -> bool:
        """Has the wall clock been set since this was asked last?  To be asked often."""
        now = self._boottime()
        apart = self._wall() - now
        was_set, self._apart = abs(apart - self._apart) > STEP, apart
        if was_set:
            self._settled = now
        return was_set

    def settled(self, seconds: float) -> bool:
        """Has the wall clock not been set for so many seconds of this life?"""
        return self._boottime() - self._settled >= seconds

    def in_doubt(self) -> bool:
        """
        Was the machine started anew so lately that its wall clock may not have been set yet?

        A first start tells no boot from another, and is not doubted.
        """
        if not self._rebooted or self._settled > self._from or self._boottime() >= IN_DOUBT:
            return False
        return not self._synchronised()

    def ends_at(self, newest: int) -> None:
        """The journal has no number above *newest*: what is known of such is of another one, or was cut."""
        self._points = [point for point in self._points if point[1] <= newest]

    def note(self, newest: int, keep: float) -> None:
        """
        The journal has come to the number *newest*; what is too old to matter is forgotten.

        :param keep: seconds for which numbers are kept; it says how fine the ages have to be.
        """
        now = self.now()
        if not self._points or (
            newest > self._points[-1][1] and now - self._points[-1][0] >= max(_LEAST, keep / POINTS)
        ):
            self._points.append((now, newest))
        while len(self._points) > 1 and self._points[1][0] <= now - keep:
            del self._points[0]

    def older_than(self, seconds: float) -> int:
        """The highest number of the journal that is known to be older; 0 when none is."""
        place = bisect_right(self._points, self.now() - seconds, key=lambda point: point[0])
        return self._points[place - 1][1] if place else 0

    def save(self) -> None:
        """Keep it for the next life; :raises OSError: when that cannot be done now, which costs little."""
        if self._path is not None:
            saved = _Saved(self._boot, self._boottime(), self._wall(), self.now(), self._points)
            replace(self._store, self._path, msgspec.json.encode(saved))
            self._store.let_go()

    def _read(self) -> _Saved | None:
        with suppress(OSError, msgspec.MsgspecError):
            if self._path is not None and (raw := contents(self._store, self._path)):
                return msgspec.json.decode(raw, type=_Saved)
        return None


def _boottime() -> float:
    # Only Linux has it; elsewhere time in which the machine sleeps counts as nothing, too.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _is_synchronised() -> bool:
    if _TIMESYNCD.exists():
        return True
    try:
        # Asked for nothing but the state; 208 bytes on 64 bits, and no system takes more than twice as many.
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _NOT_SYNCHRONISED


def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT.read_text().strip()
    return ""

"""Seeing that a reaction keeps the reactor, while it does so and afterwards."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from threading import Event, Thread, get_ident
from types import FrameType, TracebackType
from typing import Any, NamedTuple, TypeVar

from twisted.logger import Logger

T = TypeVar("T")
_log = Logger()

LIMIT = 0.1
"""Seconds that one step of a reaction may keep the reactor."""
EVERY = 0.05
STRIKES = 3
WITHIN = 60.0
AT_ONCE = 2.0
"""A single step of so many seconds is as bad as `STRIKES` of them `WITHIN` a minute."""


class Slot:
    """
    Which reaction has the reactor right now, and since when.

    Written by the reactor's thread around each step of a reaction's code, read by
    the watchdog's: `now` is one tuple that is replaced as a whole, so that neither
    needs a lock.  Steps nest when one reaction's result wakes another's code; each
    answers only for its own time.

    :ivar kept: told on the reactor, after a step that took `LIMIT` or longer: by whom, and how long.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self.now: tuple[str, float] | None = None
        self.kept: Callable[[str, float], object] = lambda name, seconds: None
        self._seconds = seconds

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call *function* as a step of the reaction *name*."""
        before, began = self.now, self._seconds()
        self.now = (name, began)
        try:
            return function(*arguments)
        finally:
            end = self._seconds()
            own = end - self.now[1]  # later than `began` by what steps within this one took
            self.now = before and (before[0], before[1] + end - began)
            if own >= LIMIT:
                self.kept(name, own)


class Watched(Coroutine[Any, Any, T]):
    """A coroutine whose every step, from one await to the next, is told to the slot."""

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, T], slot: Slot) -> None:
        self._name = name
        self._coroutine = coroutine
        self._slot = slot

    def send(self, value: Any) -> Any:
        """One step."""
        return self._slot.run(self._name, self._coroutine.send, value)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        """One step that begins with an exception."""
        problem = kind if value is None else value
        return self._slot.run(self._name, self._coroutine.throw, problem)

    def close(self) -> None:
        """It is not wanted any more."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()


class Strikes:
    """How often each reaction kept the reactor of late.  `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._strikes: dict[str, deque[float]] = {}

    def add(self, name: str, kept: float, now: float) -> bool:
        """*name* kept the reactor for *kept* seconds; True when that is enough to suspend it."""
        strikes = self._strikes.setdefault(name, deque(maxlen=STRIKES))
        strikes.append(now)
        often = len(strikes) == STRIKES and now - strikes[0] <= WITHIN
        if not often and kept < AT_ONCE:
            return False
        del self._strikes[name]
        return True


class Kept(NamedTuple):
    """A reaction that has the reactor and does not give it back; `where` is the line of its code."""

    name: str
    seconds: float
    where: str


class Watchdog:
    """
    A thread that looks at the slot: while the reactor is kept, nobody else can.

    :param report: told once a step, in the watchdog's thread.
    """

    def __init__(
        self, slot: Slot, report: Callable[[Kept], None], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._slot = slot
        self._report = report
        self._seconds = seconds
        self._told: tuple[str, float] | None = None
        self._stop = Event()
        self._reactor_thread = get_ident()

    def start(self) -> None:
        """Begin to look; to be called in the reactor's thread."""
        self._reactor_thread = get_ident()
        Thread(target=self._watch, name="hikrecv-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """One look."""
        now = self._slot.now
        if now is None or now == self._told or self._seconds() - now[1] < LIMIT:
            return
        self._told = now
        frame = sys._current_frames().get(self._reactor_thread)
        self._report(Kept(now[0], self._seconds() - now[1], _line_in(frame)))

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()


class Lookout:
    """
    Everything about who keeps the reactor: seen, said, counted, and suspended when it goes on.

    :param seconds: the reactor's clock.
    :param suspend: told the name of a reaction that is to get nothing more, and why.
    """

    def __init__(
        self, slot: Slot, seconds: Callable[[], float], suspend: Callable[[str, str], object]
    ) -> None:
        self._watchdog = Watchdog(slot, _report)
        self._seconds = seconds
        self._suspend = suspend
        self._strikes = Strikes()
        self._kept: dict[str, tuple[int, float]] = {}
        slot.kept = self.note
        self.start = self._watchdog.start
        self.stop = self._watchdog.stop

    def seen(self, name: str) -> tuple[int, float]:
        """How often *name* has kept the reactor, and the longest time in seconds."""
        return self._kept.get(name, (0, 0.0))

    def note(self, name: str, seconds: float) -> None:
        """On the reactor, after a step of *name* that was too long."""
        times, longest = self.seen(name)
        times, longest = self._kept[name] = times + 1, max(longest, seconds)
        _log.warn(
            "{reaction} kept everybody waiting for {milliseconds} ms; "
            "what takes long belongs into a plain `def`, or set isolate = true",
            reaction=name,
            milliseconds=round(seconds * 1000),
        )
        if self._strikes.add(name, seconds, self._seconds()):
            self._suspend(
                name,
                f"it kept the reactor {times} times, up to {longest:.1f} s; write its hook as a plain "
                f"`def` or set isolate = true, then `hikrecv reactions resume {name}`",
            )


def _report(kept: Kept) -> None:
    """In the watchdog's thread: the reactor is kept, and cannot say so itself."""
    _log.warn(
        "{reaction} has kept everybody waiting for {milliseconds} ms, at {where}",
        reaction=kept.name,
        milliseconds=round(kept.seconds * 1000),
        where=kept.where,
    )


def _line_in(frame: FrameType | None) -> str:
    """Where the reaction's own code is: the frame that the innermost step has called."""
    inner = frame
    while frame is not None and frame.f_code is not Slot.run.__code__:
        inner, frame = frame, frame.f_back
    if inner is None or frame is None:
        return "an unknown line"
    code = inner.f_code
    return f"{Path(code.co_filename).name}:{inner.f_lineno} in {code.co_name}"

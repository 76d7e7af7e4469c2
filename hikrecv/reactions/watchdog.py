"""
Seeing that a reaction keeps the reactor, while it does so and afterwards.

Wall time says nothing about whose fault it is: beside plain hooks that compute, or
on a machine that is busy, every step takes long.  What counts is the CPU time of
the reactor's own thread, and for how long it slept in a call.  A thread that waits
for its turn is not asleep in that sense: neither for the interpreter's lock, which
it asks for every few milliseconds, nor for a processor.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from threading import Event, Thread, get_ident, get_native_id
from types import FrameType, TracebackType
from typing import Any, NamedTuple, TypeVar

from twisted.logger import Logger

from .usage import Usage, usage_of

T = TypeVar("T")
_log = Logger()

LIMIT = 0.1
"""Seconds of the reactor's time that one step of a reaction may take, computing or asleep in a call."""
EVERY = 0.05
STRIKES = 3
WITHIN = 60.0
AT_ONCE = 2.0
"""A single step of so many seconds is as bad as `STRIKES` of them `WITHIN` a minute."""
SHORTEST, LONGEST = 10.0, 300.0
"""Seconds for which a reaction that goes on like that gets nothing; twice as long each time."""
FORGIVEN = 3_600.0
"""After so many seconds without it the first pause is the shortest again."""


Step = tuple[str, float, float]
"""
What runs on the reactor: whose code, since when, and the CPU seconds of the thread by then.

Time and CPU of the steps within this one are added.  A plain tuple: one is made for every event.
"""


class Slot:
    """
    Which reaction has the reactor right now, and since when.

    Written by the reactor's thread around each step of a reaction's code, read by
    the watchdog's: `now` is one tuple that is replaced as a whole, so that neither
    needs a lock.  Steps nest when one reaction's result wakes another's code; each
    answers only for its own time.

    :ivar long: told on the reactor, after a step that took `LIMIT` or longer: which, and how much
        of that it computed.  Whether it was at fault is for who is told to say.
    :param cpu: CPU seconds of the thread that asks.
    """

    def __init__(
        self, seconds: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.thread_time
    ) -> None:
        self.now: Step | None = None
        self.long: Callable[[Step, float], object] = lambda step, computed: None
        self._seconds = seconds
        self._cpu = cpu

    def run(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call *function* as a step of the reaction *name*."""
        before, began, cpu = self.now, self._seconds(), self._cpu()
        self.now = (name, began, cpu)
        try:
            return function(*arguments)
        finally:
            end, mine = self._seconds(), self.now
            own = end - mine[1]  # later than `began` by what steps within this one took
            if before is None:
                self.now = None
                if own >= LIMIT:
                    self.long(mine, self._cpu() - mine[2])
            else:
                now = self._cpu()
                self.now = (before[0], before[1] + end - began, before[2] + now - cpu)
                if own >= LIMIT:
                    self.long(mine, now - mine[2])


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
        self._pauses: dict[str, tuple[float, float]] = {}

    def add(self, name: str, kept: float, now: float) -> float:
        """*name* kept the reactor for *kept* seconds; for how many it shall get nothing, mostly 0."""
        strikes = self._strikes.setdefault(name, deque(maxlen=STRIKES))
        strikes.append(now)
        often = len(strikes) == STRIKES and now - strikes[0] <= WITHIN
        if not often and kept < AT_ONCE:
            return 0.0
        del self._strikes[name]
        last, at = self._pauses.get(name, (0.0, now))
        pause = SHORTEST if now - at > FORGIVEN or not last else min(2 * last, LONGEST)
        self._pauses[name] = pause, now
        return pause


class Kept(NamedTuple):
    """
    A reaction that has the reactor and does not give it back.

    :ivar how: ``computing``, or ``asleep in a call``.
    :ivar where: the line of its code.
    """

    name: str
    seconds: float
    how: str
    where: str


class Watchdog:
    """
    A thread that looks at the slot: while the reactor is kept, nobody else can.

    :param report: told once a step, in the watchdog's thread.
    :param usage: what a thread of this process has used, by its two ids; None where that cannot be known.
    """

    def __init__(
        self,
        slot: Slot,
        report: Callable[[Kept], None],
        seconds: Callable[[], float] = time.monotonic,
        usage: Callable[[int, int], Usage | None] = usage_of,
    ) -> None:
        self._slot = slot
        self._report = report
        self._seconds = seconds
        self._usage = usage
        self._told: Step | None = None
        # The step that was under way at the last look, and how things stood at the first look at it.
        self._seen: tuple[Step, float, Usage | None] | None = None
        self._stop = Event()
        self._reactor = get_ident(), get_native_id()

    def start(self) -> None:
        """Begin to look; to be called in the reactor's thread."""
        self._reactor = get_ident(), get_native_id()
        Thread(target=self._watch, name="hikrecv-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """One look."""
        step = self._slot.now
        if step is None:
            return
        if self._seen is None or self._seen[0] is not step:
            # Others may run between two lines here: what is measured must not become longer by it.
            usage = self._usage(*self._reactor)
            self._seen = step, self._seconds(), usage
        if step is self._told or self._seconds() - step[1] < LIMIT:
            return
        computed, asleep = self._computed(step), self.asleep(step)
        if computed < LIMIT and not asleep:
            return
        self._told = step
        how = "computing" if computed >= LIMIT else "asleep in a call"
        frame = sys._current_frames().get(self._reactor[0])
        self._report(Kept(step[0], computed + asleep, how, _line_in(frame)))

    def asleep(self, step: Step) -> float:
        """
        For how many seconds the reactor slept in a call of *step*; 0 when that is not worth a word.

        From the first look on, so up to `EVERY` less than it was: that is why half of `LIMIT` is enough.
        """
        if self._seen is None or self._seen[0] is not step:
            return 0.0
        _, since, before = self._seen
        wall = self._seconds() - since
        now = self._usage(*self._reactor)
        if before is None or now is None:
            return 0.0
        asleep = now.since(before).asleep(wall)
        return asleep if asleep >= LIMIT / 2 else 0.0

    def _computed(self, step: Step) -> float:
        usage = self._usage(*self._reactor)
        return 0.0 if usage is None else usage.cpu - step[2]

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()


class Lookout:
    """
    Everything about who keeps the reactor: seen, said, counted, and throttled when it goes on.

    :param seconds: the reactor's clock.
    :param pause: told the name of a reaction that is to get nothing for so many seconds, and why.
    """

    def __init__(
        self, slot: Slot, seconds: Callable[[], float], pause: Callable[[str, float, str], object]
    ) -> None:
        self._watchdog = Watchdog(slot, _report)
        self._seconds = seconds
        self._pause = pause
        self._strikes = Strikes()
        self._kept: dict[str, tuple[int, float]] = {}
        slot.long = self.judge
        self.start = self._watchdog.start
        self.stop = self._watchdog.stop

    def seen(self, name: str) -> tuple[int, float]:
        """How often *name* has kept the reactor, and the longest time in seconds."""
        return self._kept.get(name, (0, 0.0))

    def judge(self, step: Step, computed: float) -> None:
        """On the reactor, after a step that took long: was it at fault?"""
        asleep = self._watchdog.asleep(step)
        if computed >= LIMIT or asleep:
            self.note(step[0], computed + asleep)

    def note(self, name: str, seconds: float) -> None:
        """On the reactor, after a step of *name* that took too much of its time."""
        times, longest = self.seen(name)
        times, longest = self._kept[name] = times + 1, max(longest, seconds)
        _log.warn(
            "{reaction} blocked the reactor for {milliseconds} ms; "
            "what takes long belongs into a plain `def`, or set isolate = true",
            reaction=name,
            milliseconds=round(seconds * 1000),
        )
        if pause := self._strikes.add(name, seconds, self._seconds()):
            self._pause(
                name,
                pause,
                f"it blocked the reactor {times} times, up to {longest:.1f} s, and gets nothing for "
                f"{pause:g} s; write its hook as a plain `def` or set isolate = true",
            )


def _report(kept: Kept) -> None:
    """In the watchdog's thread: the reactor is kept, and cannot say so itself."""
    _log.warn(
        "{reaction} has blocked the reactor for {milliseconds} ms, {how} at {where}",
        reaction=kept.name,
        milliseconds=round(kept.seconds * 1000),
        how=kept.how,
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

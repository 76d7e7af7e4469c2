"""What was switched on for a time, and is switched off again, whatever happens to the receiver."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from hikrecv import Reject, Retry

from .command import Command

LONGEST_WAIT = 60.0

Place = tuple[str, str, int]


class Pending:
    """A command that has to be carried out some time; a later one for the same place takes its place."""

    def __init__(self, command: Command) -> None:
        self.command = command


class Lasting:
    """
    The commands that end what lasts.

    Each is in a file before the device is told to begin, and leaves it when the device
    was told to end.  What a receiver finds in it at its start is ended at once, and what
    lasts when it stops is ended then: nobody else would.

    :param end: carries a command out.
    """

    def __init__(
        self, path: Path, end: Callable[[Command], Awaitable[None]], clock: IReactorTime, log: Logger
    ) -> None:
        self._path = path
        self._end = end
        self._clock = clock
        self._log = log
        self._lock = Lock()
        self._known: dict[Place, Pending] = {}
        self._timers: dict[Place, Any] = {}

    def remember(self, command: Command) -> Pending:
        """
        Write down that *command* has to be carried out; in any thread.

        :raises OSError: when it cannot be written.
        """
        pending = Pending(command)
        with self._lock:
            self._known[command.place] = pending
            self._write()
        return pending

    def forget(self, pending: Pending) -> None:
        """It was carried out, or what it was to end never began."""
        place = pending.command.place
        with self._lock:
            if self._known.get(place) is pending:
                del self._known[place]
                try:
                    self._write()
                except OSError as error:
                    # Then it is carried out once more at the next start.
                    self._log.warn("cannot write {path}: {error}", path=self._path, error=error)

    def end_in(self, seconds: float, pending: Pending) -> None:
        """Carry it out after *seconds*."""
        place = pending.command.place
        self._cancel(place)
        self._timers[place] = self._clock.callLater(seconds, self._begin, pending)

    def recover(self) -> None:
        """End at once what an earlier receiver has left."""
        with self._lock:
            for command in _read(self._path):
                self._known.setdefault(command.place, Pending(command))
        for pending in tuple(self._known.values()):
            self._begin(pending)

    async def end_all(self) -> None:
        """Carry out at once all that is due some time."""
        for place in tuple(self._timers):
            self._cancel(place)
        await gatherResults([self._begin(pending) for pending in tuple(self._known.values())])

    def _begin(self, pending: Pending) -> Deferred[None]:
        return Deferred.fromCoroutine(self._until_done(pending))

    async def _until_done(self, pending: Pending) -> None:
        wait, what = 1.0, pending.command.what
        while self._known.get(pending.command.place) is pending:
            try:
                await self._end(pending.command)
            except Retry as error:
                self._log.warn("{what} has still to be ended: {error}", what=what, error=error)
                await deferLater(self._clock, wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            except Reject as error:
                self._log.error("{what} cannot be ended: {error}", what=what, error=error)
            self.forget(pending)

    def _cancel(self, place: Place) -> None:
        timer = self._timers.pop(place, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _write(self) -> None:
        aside = self._path.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(msgspec.json.encode([pending.command for pending in self._known.values()]))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)


def _read(path: Path) -> list[Command]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Command])
    except (OSError, msgspec.MsgspecError):
        return []

"""What the less known senders have added to the journal, kept over a restart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .wire.shares import Shares

EVERY = 10.0
"""Seconds between two looks: so much of a stranger's day can be forgotten by `kill -9`."""
_log = Logger()


class SharesFile:
    """
    Keeps :class:`~hikrecv.wire.shares.Shares` in a small file of the state directory.

    A file, and not the journal itself, because to count the journal at start its heads of a
    whole day have to be read, up to half of ``[journal] max`` on a slow disk, before the first
    push may be answered.  Nobody outside can use the ten seconds that it may be behind; and
    without it, or when it is damaged, the count begins anew, which the log says.

    :param path: where it is.
    :param run: calls a function in a thread: a sync may take long.
    """

    def __init__(
        self,
        path: Path,
        shares: Shares,
        clock: Any,
        run: Callable[..., object],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._shares, self._run, self._wall = path, shares, run, wall
        self._writing = Lock()
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def start(self) -> None:
        """Go on with what was kept, and keep it from now on."""
        try:
            self._shares.load(self._path.read_bytes(), self._wall())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warn(
                "what strangers and admitted senders have added to the journal today is counted anew: "
                "{path} cannot be read: {error}",
                path=str(self._path),
                error=error,
            )
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """End, with everything on disk."""
        if self._loop.running:
            self._loop.stop()
            if self._shares.changed:
                self._write(self._shares.dump(self._wall()))

    def _look(self) -> None:
        if self._shares.changed:
            self._run(self._write, self._shares.dump(self._wall()))

    def _write(self, data: bytes) -> None:
        partial = self._path.with_suffix(".new")
        try:
            with self._writing:  # the last time it is not the thread that writes
                partial.touch(mode=0o600)
                with partial.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.rename(self._path)
        except OSError as error:  # a full disk keeps nobody from receiving
            _log.debug("{path} was not written: {error}", path=str(self._path), error=error)

"""The lock of a state directory: whoever writes holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from ..errors import StateError, StateInUse
from ..ownership import give
from .state import Layout, check_format
from .store import Store


class Lock:
    """
    An exclusive `flock` on ``<state>/lock``, which goes with its process, however that ends.

    The file names the process and its start; what it says is for people, what counts is the lock.
    Taken before the journal is opened and given back after it was closed.
    """

    def __init__(self, state: Path, *, wall: Callable[[], float] = time.time) -> None:
        self.path = state / "lock"
        self._wall = wall
        self._fd: int | None = None

    def acquire(self) -> None:
        """
        Take the lock; the directory is made when it is missing.

        :raises StateInUse: naming the process that has it.
        :raises StateTooNew: before anything was touched.
        :raises StateError: when the directory cannot be used.
        """
        store = Store()
        try:
            check_format(store, Layout(self.path.parent))
            store.make_directory(self.path.parent)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            give(fd, self.path.parent)
        except OSError as error:
            what = error.filename or self.path.parent
            raise StateError(f"cannot use {what}: {error.strerror}{_cure(error)}") from error
        finally:
            store.let_go()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(fd, 200, 0).decode("ascii", "replace")
            os.close(fd)
            raise StateInUse(self._sentence(holder)) from None
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
        os.fchmod(fd, 0o600)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {started}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give it back; doing so twice is fine."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _sentence(self, holder: str) -> str:
        pid, _, started = holder.strip().partition(" ")
        who = f"process {pid} (since {started})" if pid.isdigit() else "another process"
        return f"{self.path.parent} is in use by {who}; stop it first, or let it do the work"

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _cure(error: OSError) -> str:
    return "; it has to belong to the receiver's user" if isinstance(error, PermissionError) else ""

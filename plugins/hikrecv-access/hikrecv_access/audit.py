"""What was decided and what came of it: a line of JSON each, on disk before anything is done."""

from __future__ import annotations

import errno
import os
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec


class Audit:
    """
    Appends to a file that only this user may read.

    It is opened for each line, so it may be moved away at any time (logrotate).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def write(self, **record: Any) -> None:
        """
        Add a line and wait for the disk; what is None is left out.

        :raises OSError: when it is not there.
        """
        said = {"at": datetime.now(timezone.utc), **record}
        line = msgspec.json.encode({name: value for name, value in said.items() if value is not None}) + b"\n"
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _append(fd, line)
            finally:
                os.close(fd)


def _append(fd: int, line: bytes) -> None:
    size = os.fstat(fd).st_size
    # Half a line that a crash or a full disk has left stays by itself.
    if size and os.pread(fd, 1, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(fd, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(fd)

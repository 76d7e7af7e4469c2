"""The few things the journal asks of a file system."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..ownership import give, give_path

Buffer = bytes | bytearray | memoryview

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that pass when something is freed; any other error of a write or a sync is final."""


class Identity(NamedTuple):
    """What tells a file from a copy of it: a copy has another number, or at least another change time."""

    inode: int
    changed: int


class Store:
    """
    The file system, as narrow as the journal needs it, so that tests can put a failing one in its place.

    Descriptors are plain integers of this store.  Every file is made 0600 and every directory 0700,
    whatever the umask.  Errors are :class:`OSError`.
    """

    def __init__(self) -> None:
        # Kept open, so that a process that has run out of descriptors can still sync.
        self._directories: dict[Path, int] = {}

    def names(self, directory: Path) -> list[str]:
        """What the directory holds, in no order."""
        return os.listdir(directory)  # noqa: PTH208

    def make_directory(self, directory: Path) -> None:
        """Make it and its missing parents, each entry synced; an existing one is left as it is."""
        if directory.is_dir():
            return
        self.make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        directory.chmod(0o700)
        give_path(directory, directory.parent)
        self.sync_directory(directory.parent)

    def create(self, path: Path, size: int) -> int:
        """Make a new file of *size* allocated bytes, all zero, open to read and write; or none at all."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(fd, 0o600)
            give(fd, path.parent)
            if size:
                os.posix_fallocate(fd, 0, size)
        except BaseException:
            os.close(fd)
            path.unlink()
            raise
        return fd

    def open(self, path: Path, *, write: bool = False) -> int:
        """Open an existing file.  :raises FileNotFoundError: when there is none."""
        return os.open(path, os.O_RDWR if write else os.O_RDONLY)

    def size(self, fd: int) -> int:
        """The length of the file in bytes."""
        return os.fstat(fd).st_size

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """At most *size* bytes; fewer only at the end of the file."""
        data = os.pread(fd, size, offset)
        while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
            data += more
        return data

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> None:
        """Write all of *buffers* (at most 1,024) one after the other; the caller's bytes are not copied."""
        left = list(buffers)
        wanted = sum(map(len, left))
        while wanted:
            done = os.pwritev(fd, left, offset)
            if not done:
                raise OSError(errno.EIO, "nothing was written")
            wanted -= done
            offset += done
            if wanted:
                left = rest_of(left, done)

    def sync(self, fd: int) -> None:
        """Return when the file's data, and what is needed to find it again, would survive a power cut."""
        os.fdatasync(fd)

    def sync_directory(self, directory: Path) -> None:
        """The same for the entries of a directory."""
        if directory not in self._directories:
            self._directories[directory] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(self._directories[directory])

    def truncate(self, fd: int, size: int) -> None:
        """Give back what lies behind *size*."""
        os.ftruncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, atomically; a file of that name is replaced."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        path.unlink(missing_ok=True)

    def close(self, fd: int) -> None:
        """Give the descriptor back."""
        os.close(fd)

    def let_go(self) -> None:
        """Close what the store itself keeps open."""
        while self._directories:
            os.close(self._directories.popitem()[1])

    def free(self, directory: Path) -> int:
        """Bytes that an ordinary user may still write on that file system."""
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize

    def identity(self, path: Path) -> Identity:
        """What a copy of the file would not have."""
        found = path.stat()
        return Identity(found.st_ino, found.st_ctime_ns)


def contents(store: Store, path: Path) -> bytes | None:
    """A small file as a whole, or None when there is none."""
    try:
        fd = store.open(path)
    except FileNotFoundError:
        return None
    try:
        return store.read(fd, store.size(fd), 0)
    finally:
        store.close(fd)


def replace(store: Store, path: Path, data: bytes) -> None:
    """Put *data* in the place of the file, so that a power cut leaves either the old or the new."""
    fresh = path.with_name(path.name + ".new")
    store.unlink(fresh)
    fd = store.create(fresh, 0)
    try:
        store.write(fd, [data], 0)
        store.sync(fd)
    finally:
        store.close(fd)
    store.rename(fresh, path)
    store.sync_directory(path.parent)


def rest_of(buffers: Sequence[Buffer], done: int) -> list[Buffer]:
    """What is left of *buffers* when *done* bytes of them were written."""
    for place, buffer in enumerate(buffers):
        if done < len(buffer):
            return [memoryview(buffer)[done:], *buffers[place + 1 :]]
        done -= len(buffer)
    return []

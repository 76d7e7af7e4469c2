"""Stores that fail, fill up, or lose their power."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from hikrecv.journal.store import Buffer, Identity, Store

SECTOR = 512


class Inode:
    """A file in memory: what is in the page cache, and what each sector may be on the disk."""

    def __init__(self, number: int, data: bytes = b"") -> None:
        self.number, self.changed = number, 0
        self.data = bytearray(data)
        self.sizes = [len(data)]  # the last one that was synced, then all since
        self.sectors: dict[int, list[bytes]] = {}  # the same for every sector that was written since
        self.lost: dict[
            int, bytes
        ] = {}  # on the disk, where the page cache says otherwise and thinks it clean

    def touch(self, offset: int, data: bytes) -> None:
        self.changed += 1
        end = offset + len(data)
        if end > len(self.data):
            self.data += bytes(end - len(self.data))
            self.sizes.append(end)
        first, last = offset // SECTOR, max(offset, end - 1) // SECTOR
        for sector in range(first, last + 1):
            self.sectors.setdefault(sector, [self.lost.pop(sector, self.sector(sector))])
        self.data[offset:end] = data
        for sector in range(first, last + 1):
            self.sectors[sector].append(self.sector(sector))

    def sector(self, sector: int) -> bytes:
        return bytes(self.data[sector * SECTOR : (sector + 1) * SECTOR])

    def resize(self, size: int) -> None:
        self.changed += 1
        self.data = self.data[:size] + bytes(max(0, size - len(self.data)))
        self.sizes.append(size)

    def sync(self) -> None:
        self.sizes, self.sectors = [len(self.data)], {}

    def fail_to_sync(self) -> None:
        """As Linux does it: what could not be written counts as clean, and stays in the page cache."""
        self.lost |= {sector: versions[0] for sector, versions in self.sectors.items()}
        self.sectors = {}

    def after_power_cut(self, random: Random) -> Inode:
        """What was synced, and of the rest any sectors in any version."""
        data = bytearray(self.data)
        lost = {sector: [version] for sector, version in self.lost.items()}
        for sector, versions in {**lost, **self.sectors}.items():
            start = sector * SECTOR
            version = random.choice(versions)
            data[start : start + SECTOR] = version.ljust(min(SECTOR, len(data) - start), b"\0")
        size = random.choice(self.sizes)
        inode = Inode(self.number, bytes(data[:size]).ljust(size, b"\0"))
        inode.changed = self.changed
        return inode


class MemoryStore(Store):
    """
    A file system in memory that knows what a power cut would leave.

    :param room: bytes of all files; beyond them it is full.
    """

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.files: dict[Path, Inode] = {}
        self.directories: set[Path] = {Path("/")}
        self.on_disk: dict[Path, Inode] = {}
        self.pending: list[tuple[str, Path, Path | None, Inode | None]] = []
        self.open_files: dict[int, Inode] = {}
        self.numbers = self.descriptors = 0

    # -- the store --------------------------------------------------------

    def names(self, directory: Path) -> list[str]:
        if directory not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "no such directory", str(directory))
        inside = [*self.files, *self.directories]
        return [path.name for path in inside if path.parent == directory and path != directory]

    def make_directory(self, directory: Path) -> None:
        if directory not in self.directories:
            self.make_directory(directory.parent)
            self.directories.add(directory)

    def create(self, path: Path, size: int) -> int:
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        self.names(path.parent)
        self._need(size)
        self.numbers += 1
        inode = self.files[path] = Inode(self.numbers)
        if size:
            inode.resize(size)
        self.pending.append(("create", path, None, inode))
        return self._opened(inode)

    def open(self, path: Path, *, write: bool = False) -> int:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self._opened(self.files[path])

    def size(self, fd: int) -> int:
        return len(self.open_files[fd].data)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self.open_files[fd].data[offset : offset + size])

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> None:
        inode, data = self.open_files[fd], b"".join(buffers)
        self._need(max(0, offset + len(data) - len(inode.data)))
        inode.touch(offset, data)

    def sync(self, fd: int) -> None:
        self.open_files[fd].sync()

    def sync_directory(self, directory: Path) -> None:
        waiting = []
        for change in self.pending:
            _, path, other, _ = change
            if path.parent == directory or (other is not None and other.parent == directory):
                _apply(self.on_disk, change)
            else:
                waiting.append(change)
        self.pending = waiting

    def truncate(self, fd: int, size: int) -> None:
        self.open_files[fd].resize(size)

    def rename(self, old: Path, new: Path) -> None:
        inode = self.files[new] = self.files.pop(old)
        inode.changed += 1
        self.pending.append(("rename", old, new, inode))

    def unlink(self, path: Path) -> None:
        if self.files.pop(path, None) is not None:
            self.pending.append(("unlink", path, None, None))

    def close(self, fd: int) -> None:
        del self.open_files[fd]

    def let_go(self) -> None:
        pass

    def free(self, directory: Path) -> int:
        return self.room - self._taken()

    def identity(self, path: Path) -> Identity:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return Identity(self.files[path].number, self.files[path].changed)

    # -- what tests do to it ----------------------------------------------

    def killed(self) -> MemoryStore:
        """The process is gone; the page cache is not."""
        self.open_files.clear()
        return self

    def as_it_is(self, _: Random) -> MemoryStore:
        """Another store with all that a process that is killed at this moment leaves."""
        return deepcopy(self).killed()

    def after_power_cut(self, random: Random) -> MemoryStore:
        """Another store with what a power cut at this moment might leave."""
        store = MemoryStore(self.room)
        store.numbers, store.directories = self.numbers, set(self.directories)
        files = dict(self.on_disk)
        for change in self.pending:
            if random.random() < 0.5:
                _apply(files, change)
        store.files = {path: inode.after_power_cut(random) for path, inode in files.items()}
        store.on_disk = dict(store.files)
        return store

    def copied(self) -> MemoryStore:
        """Another store with copies of all files, as a backup tool makes them."""
        store = MemoryStore(self.room)
        store.directories = set(self.directories)
        for path, inode in self.files.items():
            store.close(store.create(path, 0))
            store.files[path].touch(0, bytes(inode.data))
            store.files[path].sync()
        store.on_disk, store.pending = dict(store.files), []
        return store

    def spoil(self, path: Path, offset: int, data: bytes) -> None:
        """Change bytes on the disk behind everybody's back."""
        inode = self.files[path]
        inode.touch(offset, data)
        inode.sync()

    def _opened(self, inode: Inode) -> int:
        self.descriptors += 1
        self.open_files[self.descriptors] = inode
        return self.descriptors

    def _need(self, size: int) -> None:
        if size > self.free(Path("/")):
            raise OSError(errno.ENOSPC, "No space left on device")

    def _taken(self) -> int:
        return sum(len(inode.data) for inode in self.files.values())


def _apply(files: dict[Path, Inode], change: tuple[str, Path, Path | None, Inode | None]) -> None:
    what, path, other, inode = change
    if what == "unlink":
        files.pop(path, None)
    elif what == "create" and inode is not None:
        files[path] = inode
    elif other is not None and path in files:  # a rename of what never reached the disk changes nothing
        files[other] = files.pop(path)


OPERATIONS = tuple(name for name, value in vars(Store).items() if callable(value) and name[0] != "_")
READING = frozenset({"names", "open", "size", "read", "close", "free", "identity", "let_go"})
SYNCS = frozenset({"sync", "sync_directory"})


class Watched(Store):
    """
    Another store, with something before every call.

    :param before: hears the operation's name and its arguments; may raise.
    :param without: operations that do nothing.
    """

    def __init__(
        self,
        inner: Store,
        before: Callable[..., None] = lambda *_: None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.inner, self.before, self.without = inner, before, without


def _watched(name: str) -> Callable[..., object]:
    def call(self: Watched, *args: object, **kwargs: object) -> object:
        self.before(name, *args)
        return None if name in self.without else getattr(self.inner, name)(*args, **kwargs)

    return call


for operation in OPERATIONS:
    setattr(Watched, operation, _watched(operation))


class FailsAt:
    """
    A `before` that raises at the n-th of some operations, counted from 1; a write is done by half first.

    :param store: the store that is watched.
    """

    def __init__(
        self, store: MemoryStore, nth: int, operations: frozenset[str], number: int = errno.EIO
    ) -> None:
        self.store, self.nth, self.operations, self.number = store, nth, operations, number
        self.calls, self.failed = 0, ""

    def __call__(self, name: str, *args: Any) -> None:
        if name not in self.operations:
            return
        self.calls += 1
        if self.calls != self.nth:
            return
        self.failed = name
        if name == "write":
            fd, buffers, offset = args
            data = b"".join(buffers)
            self.store.write(fd, [data[: len(data) // 2]], offset)
        if name == "sync":
            self.store.open_files[args[0]].fail_to_sync()
        raise OSError(self.number, "the disk said no")

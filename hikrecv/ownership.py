"""
Whose the files are that root makes in another user's state directory: that user's.

An operator types `sudo hikrecv reindex`, and the service, which is not root, must still be able to open
what that made.  Becoming the owner instead would be simpler and does not work: with systemd's
``DynamicUser`` the way to the directory leads through one that is closed to everybody but root.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def give(fd: int, directory: Path) -> None:
    """A file that was just made in *directory*, open as *fd*, to whoever *directory* belongs to."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def give_path(path: Path, directory: Path) -> None:
    """The same for what has no descriptor: a folder, a socket.  A link itself, never what it points to."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def give_all(root: Path, uid: int | None = None, gid: int | None = None) -> None:
    """
    Everything below *root* that is root's to whoever *root* belongs to; nothing unless we are root.

    This finds what plugins made, too, and what an older hikrecv left.

    :param uid: to give *root* itself away first, with all that is in it, also what was another user's.
    """
    if os.geteuid() != 0 or not root.is_dir():
        return
    anew = uid is not None or gid is not None
    if anew:
        os.chown(root, -1 if uid is None else uid, -1 if gid is None else gid)
    owner = root.stat()
    for _, folders, files, fd in os.fwalk(root):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if found.st_uid != 0 and not anew:
                    continue
                if (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid):
                    continue
                # A second name of a file that lies elsewhere would give that away.
                if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=fd, follow_symlinks=False)

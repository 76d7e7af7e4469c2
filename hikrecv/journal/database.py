"""One SQLite file of the state directory: made, opened, upgraded, refused, or only looked at."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from hikrecv.errors import StateError, StateTooNew
from hikrecv.ownership import give

LOG = 16_000_000
"""Bytes to which the log is cut when everything in it was carried over."""

_PASSING = tuple(
    f"SQLITE_{word}"
    for word in ("BUSY", "LOCKED", "FULL", "IOERR", "NOMEM", "READONLY", "CANTOPEN", "PERM", "INTERRUPT")
)


class Schema(NamedTuple):
    """
    How the tables of one kind of file look, and how older ones become so.

    A new file goes the same way as an old one: what makes version 1, then every step.  So
    both are the same, and what a step says is said once.

    :param name: of the ``.sql`` file in this package that makes version 1.
    :param upgrades: SQL that makes version 2 of 1, 3 of 2 and so on.
    :param derived: it can be made again, so that nobody keeps a copy of it before an upgrade.
    """

    name: str
    upgrades: tuple[str, ...] = ()
    derived: bool = False

    @classmethod
    def of(cls, name: str, *, derived: bool = False) -> Schema:
        """The schema of that name, with a step for each ``<name>-<version>.sql`` in this package."""
        steps: list[str] = []
        while (step := files(__package__) / f"{name}-{len(steps) + 2}.sql").is_file():
            steps.append(step.read_text(encoding="utf-8"))
        return cls(name, tuple(steps), derived)

    @property
    def version(self) -> int:
        """The version that this hikrecv writes."""
        return len(self.upgrades) + 1

    def since(self, version: int) -> list[str]:
        """The steps from *version* to this one; 0 is a file without tables."""
        first = (files(__package__) / f"{self.name}.sql").read_text(encoding="utf-8")
        return [first, *self.upgrades][version:]


def open_to_write(
    path: Path | str, schema: Schema, synchronous: Literal["FULL", "NORMAL"]
) -> sqlite3.Connection:
    """
    Open the file at *path* (0600) as its only writer; make it when it is not there.

    :param path: ``":memory:"`` for one that nobody keeps.
    :raises StateTooNew: when a newer hikrecv made it; it is left as it was.
    :raises StateError: when it cannot be opened at all.
    :raises sqlite3.DatabaseError: when it is damaged, or no file of ours.
    """
    if path != ":memory:":
        _refuse_newer(Path(path), schema)
        _make_new(Path(path))
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        version_of(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG}")
        _bring_up(connection, schema, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path, schema: Schema) -> sqlite3.Connection:
    """
    Open the file at *path* for a look, without making or changing any file.

    With a live writer, or after one that was killed, its memory of the log
    (``-shm``) is used as it is; a file whose writer left properly is complete in
    itself and read as immutable.  Then a writer that starts meanwhile is not
    noticed: look, and close.  One of an older version that is not derived is read as
    it will be after its upgrade, which happens in memory.

    :raises StateTooNew: when a newer hikrecv made it.
    :raises StateError: when it is not there or cannot be looked at without repair.
    :raises sqlite3.DatabaseError: when it is damaged, or no file of ours.
    """
    if not path.exists():
        raise StateError(f"there is no {path}")
    logged = beside(path, "-wal").exists()
    if logged and not beside(path, "-shm").exists():
        # SQLite would have to make it, which is the writer's business.
        raise StateError(f"{path} was not closed properly; start the receiver once to repair it")
    how = "readonly_shm=1" if logged else "immutable=1"
    where = f"{path.absolute().as_uri()}?mode=ro&{how}"
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(where, uri=True, timeout=5, isolation_level=None)
        version = version_of(connection)
        if version > schema.version:
            raise _too_new(path, version, schema)
        if version < schema.version and not schema.derived:
            connection = _upgraded_in_memory(connection, schema)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error) and in_passing(error):
            raise StateError(f"{path} cannot be read: {error}") from None
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """
    The version of the tables; 0 when there are none yet.

    :raises sqlite3.DatabaseError: when it is damaged, or no file of ours.
    """
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        return 0
    found: tuple[int] | None = connection.execute("SELECT version FROM version").fetchone()
    if found is None:
        raise sqlite3.DatabaseError("it says no version")
    return found[0]


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; committed when the block ends."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back on some errors, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def in_passing(error: sqlite3.Error) -> bool:
    """Is it trouble that can pass (a full disk, a lock, a failing read) and no damage to the file?"""
    return getattr(error, "sqlite_errorname", "").startswith(_PASSING)


def can_wait(error: sqlite3.Error) -> bool:
    """
    Can the same be written later with the same connection?

    Not after a failed write or sync: the system may hold for written what is not.
    """
    name = getattr(error, "sqlite_errorname", "")
    return in_passing(error) and not name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_PERM"))


def storable(text: str) -> str:
    """*text* with half characters, which UTF-8 has no form for, spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class Presence:
    """
    Whether the names of an open database still lead to its files.

    SQLite goes on with a file that somebody removed, moved away or replaced, as with any
    other, and what it writes is gone when the process ends.

    :param path: of a file that :func:`open_to_write` has opened.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, beside(path, "-wal")
        self._known = _number(self._path), _number(self._log)

    def missing(self, *, log: bool = True) -> str:
        """
        What became of one of them, "" when all is well; costs two looks at the directory.

        :param log: False when the database is closed, and its log with it.
        """
        for path, known in zip((self._path, self._log)[: 1 + log], self._known, strict=False):
            if (now := _number(path)) != known:
                return f"{path} was {'replaced' if now else 'removed'} while it was in use"
        return ""

    def opened_again(self) -> None:
        """It has another log now."""
        self._known = self._known[0], _number(self._log)


def _number(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def beside(path: Path, ending: str) -> Path:
    """A file that stands beside *path*, as SQLite's ``-wal`` and ``-shm`` do."""
    return path.with_name(path.name + ending)


def remove(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it; the log first, it must never meet another file."""
    for each in (beside(path, "-wal"), beside(path, "-shm"), path):
        try:
            each.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"cannot remove {each}: {error.strerror}") from None


def usable(path: Path) -> bool:
    """May this user read and write the file and what SQLite keeps beside it, as far as they are there?"""
    return all(
        each.is_file() and os.access(each, os.R_OK | os.W_OK, effective_ids=True)
        for each in (path, beside(path, "-wal"), beside(path, "-shm"))
        if each.exists()
    )


def sync_directory(path: Path) -> None:
    """Make the names in the directory *path* survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    """SQLite gives its ``-wal`` and ``-shm`` the mode and owner of the file, so the file is made first."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        give(descriptor, path.parent)
    finally:
        os.close(descriptor)


def _make_new(path: Path) -> None:
    try:
        _make(path)
        sync_directory(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise StateError(f"cannot create {path}: {error.strerror}") from None


def _refuse_newer(path: Path, schema: Schema) -> None:
    """Look before opening to write, which carries over what stands in the log even if nothing is written."""
    try:
        open_to_read(path, schema).close()
    except StateTooNew:
        raise
    except (StateError, sqlite3.DatabaseError):
        return


def _bring_up(connection: sqlite3.Connection, schema: Schema, path: Path | str) -> None:
    version = version_of(connection)
    if version > schema.version:
        raise _too_new(path, version, schema)
    if version == schema.version:
        return
    if version and not schema.derived:
        _keep_copy(connection, Path(path), version)
    _upgrade(connection, schema, version)


def _upgrade(connection: sqlite3.Connection, schema: Schema, version: int) -> None:
    """All steps in one transaction: a file is of one version or of the other."""
    stamp = f"UPDATE version SET version = {schema.version};"  # noqa: S608, a number of ours
    try:
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *schema.since(version), stamp, "COMMIT;"]))
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """
    Copy the file to ``<name>.version-<version>``, on disk before this returns.

    Nobody can make it again, and the hikrecv that wrote it refuses what becomes of it:
    whoever goes back to that one puts the copy in its place.
    """
    copy, fresh = beside(path, f".version-{version}"), beside(path, f".version-{version}.new")
    remove(fresh)
    try:
        _make(fresh)
        connection.execute("VACUUM INTO ?", (str(fresh),))
        descriptor = os.open(fresh, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.rename(copy)
        sync_directory(path.parent)
    except OSError as error:
        raise StateError(
            f"cannot copy {path} before it is upgraded to a newer version: {error.strerror}"
        ) from None
    finally:
        remove(fresh)


def _upgraded_in_memory(old: sqlite3.Connection, schema: Schema) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        old.backup(connection)
        _upgrade(connection, schema, version_of(connection))
    except BaseException:
        connection.close()
        raise
    old.close()
    return connection


def _too_new(path: Path | str, version: int, schema: Schema) -> StateTooNew:
    return StateTooNew(
        f"{path} has version {version} and this hikrecv knows up to {schema.version}; "
        "install the newer hikrecv that wrote it"
    )

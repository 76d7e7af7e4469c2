"""The real file system, as the journal uses it, and the one in memory that stands for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from journal_kit import push, table
from journal_stores import MemoryStore

from hikrecv.journal.journal import Journal
from hikrecv.journal.store import Store, contents, replace, rest_of


@pytest.fixture
def loose_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
def test_everything_is_for_its_user_only_whatever_the_umask(tmp_path: Path) -> None:
    journal = open_real(tmp_path / "a" / "state")
    journal.append(push(b"x"))
    journal.commit()
    journal.close()

    below = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
    modes = {(path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode))) for path in below}
    assert modes == {(True, "0o700"), (False, "0o600")}


def open_real(state: Path) -> Journal:
    return Journal.open(
        state,
        table(),
        from_thread=lambda function, *args: function(*args),
        on_broken=print,
        threaded=False,
    )


def test_a_real_copy_is_known_from_its_original_and_a_moved_one_is_not_a_copy(tmp_path: Path) -> None:
    import shutil

    journal = open_real(tmp_path / "state")
    journal.close()

    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    (tmp_path / "state").rename(tmp_path / "moved")

    assert open_real(tmp_path / "moved").word == journal.word
    assert open_real(tmp_path / "copy").word != journal.word


def test_a_write_takes_any_bytes_and_a_hole_before_them(tmp_path: Path) -> None:
    store = Store()
    fd = store.create(tmp_path / "file", 0)

    store.write(fd, [b"abc", b"", bytearray(b"defg"), memoryview(b"h")], 2)

    assert contents(store, tmp_path / "file") == b"\0\0abcdefgh"


@pytest.mark.parametrize("done", range(8))
def test_a_write_that_came_short_goes_on_where_it_ended(done: int) -> None:
    rest = rest_of([b"abc", b"", b"defg", b"h"], done)

    assert b"".join(rest) == b"abcdefgh"[done:]


@pytest.mark.parametrize("kind", [Store, MemoryStore])
def test_the_two_stores_behave_alike(kind: type[Store], tmp_path: Path) -> None:
    store = kind()
    store.make_directory(tmp_path / "d")
    fd = store.create(tmp_path / "d" / "file", 5000)
    store.write(fd, [b"x" * 10, b"y"], 4995)
    store.truncate(fd, 5001)
    store.sync(fd)
    store.sync_directory(tmp_path / "d")

    assert store.size(fd) == 5001
    assert store.read(fd, 100, 4990) == bytes(5) + b"x" * 6
    with pytest.raises(FileExistsError):
        store.create(tmp_path / "d" / "file", 0)
    with pytest.raises(FileNotFoundError):
        store.open(tmp_path / "d" / "none")
    store.close(fd)
    before = store.identity(tmp_path / "d" / "file")
    store.rename(tmp_path / "d" / "file", tmp_path / "d" / "other")
    after = store.identity(tmp_path / "d" / "other")
    assert before.inode == after.inode
    replace(store, tmp_path / "d" / "other", b"new")
    assert contents(store, tmp_path / "d" / "other") == b"new"
    assert contents(store, tmp_path / "d" / "file") is None
    assert store.names(tmp_path / "d") == ["other"]
    store.unlink(tmp_path / "d" / "other")
    store.unlink(tmp_path / "d" / "other")
    assert store.names(tmp_path / "d") == []
    assert store.free(tmp_path) > 0


def test_a_file_that_cannot_be_allocated_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"."):
        Store().create(tmp_path / "file", 1 << 62)

    assert list(tmp_path.iterdir()) == []

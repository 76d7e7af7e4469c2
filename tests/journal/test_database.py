import contextlib
import os
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from hikrecv.errors import StateError, StateTooNew
from hikrecv.journal.database import Schema, open_to_read, open_to_write, transaction, version_of

FIRST = Schema("ledger")
SECOND = Schema("ledger", ("ALTER TABLE marks ADD COLUMN note TEXT; UPDATE marks SET note = 'old';",))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with_one_mark = open_to_write(path, FIRST, "FULL")
    with_one_mark.execute("INSERT INTO marks VALUES ('hq', 'k', 1)")
    with_one_mark.close()
    return path


def test_an_older_file_is_upgraded_and_keeps_what_is_in_it(path):
    connection = open_to_write(path, SECOND, "FULL")

    assert version_of(connection) == 2
    assert connection.execute("SELECT * FROM marks").fetchall() == [("hq", "k", 1.0, "old")]
    connection.close()


def test_an_upgrade_that_fails_changes_nothing(path):
    broken = Schema("ledger", ("DELETE FROM marks; INSERT INTO nowhere VALUES (1);",))

    with pytest.raises(sqlite3.DatabaseError, match="nowhere"):
        open_to_write(path, broken, "FULL")

    connection = open_to_write(path, FIRST, "FULL")
    assert version_of(connection) == 1
    assert connection.execute("SELECT count(*) FROM marks").fetchone() == (1,)
    connection.close()


def test_an_older_hikrecv_refuses_what_a_newer_one_upgraded(path):
    open_to_write(path, SECOND, "FULL").close()
    before = path.read_bytes()

    with pytest.raises(StateTooNew, match="has version 2 and this hikrecv knows up to 1"):
        open_to_write(path, FIRST, "FULL")
    assert path.read_bytes() == before


def test_an_older_file_is_copied_before_it_is_upgraded_and_the_copy_is_whole_in_itself(path):
    open_to_write(path, SECOND, "FULL").close()

    copy = path.with_name("ledger.sqlite.version-1")
    assert oct(copy.stat().st_mode & 0o777) == "0o600"
    connection = open_to_read(copy, FIRST)
    assert version_of(connection) == 1
    assert connection.execute("SELECT * FROM marks").fetchall() == [("hq", "k", 1.0)]
    connection.close()
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, copy.name]


def test_what_stood_in_the_log_alone_is_in_the_copy_too(path):
    killed = sqlite3.connect(path, isolation_level=None)
    killed.execute("PRAGMA wal_autocheckpoint = 0")
    killed.execute("INSERT INTO marks VALUES ('hq', 'late', 2)")
    try:
        open_to_write(path, SECOND, "FULL").close()
    finally:
        killed.close()

    connection = open_to_read(path.with_name("ledger.sqlite.version-1"), FIRST)
    assert connection.execute("SELECT key FROM marks").fetchall() == [("k",), ("late",)]
    connection.close()


def test_the_copy_is_on_disk_before_anything_of_the_old_file_changes(path, monkeypatch):
    synced = []
    fsync = os.fsync

    def watched(descriptor):
        fsync(descriptor)
        synced.append(
            (str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.read_bytes(), version_in(path))
        )

    monkeypatch.setattr(os, "fsync", watched)
    before = path.read_bytes()
    open_to_write(path, SECOND, "FULL").close()

    assert [(name, version) for name, _, version in synced] == [
        (f"{path}.version-1.new", 1),
        (str(path.parent), 1),
    ]
    assert {data for _, data, _ in synced} == {before}


def test_without_room_for_the_copy_nothing_is_upgraded(path):
    path.with_name("ledger.sqlite.version-1").mkdir()

    with pytest.raises(StateError, match=r"cannot copy .*ledger\.sqlite before it is upgraded"):
        open_to_write(path, SECOND, "FULL")

    assert version_in(path) == 1
    assert not path.with_name("ledger.sqlite.version-1.new").exists()


def test_what_can_be_made_again_is_upgraded_without_a_copy(path):
    open_to_write(path, SECOND._replace(derived=True), "FULL").close()

    assert version_in(path) == 2
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def version_in(path):
    connection = open_to_read(path, SECOND._replace(derived=True))
    try:
        return version_of(connection)
    finally:
        connection.close()


def test_an_older_file_is_looked_at_as_it_will_be_after_its_upgrade(path):
    before = path.read_bytes()

    connection = open_to_read(path, SECOND)

    assert version_of(connection) == 2
    assert connection.execute("SELECT * FROM marks").fetchall() == [("hq", "k", 1.0, "old")]
    connection.close()
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("name", "derived"), [("ledger", False), ("index", True)])
def test_a_schema_has_the_steps_that_stand_beside_it(name, derived):
    schema = Schema.of(name, derived=derived)
    connection = open_to_write(":memory:", schema, "FULL")
    here = resources.files("hikrecv.journal")

    assert version_of(connection) == schema.version
    assert not (here / f"{name}-{schema.version + 1}.sql").is_file()
    assert all((here / f"{name}-{step}.sql").is_file() for step in range(2, schema.version + 1))
    connection.close()


def test_a_new_file_has_the_newest_version(tmp_path):
    connection = open_to_write(tmp_path / "new.sqlite", SECOND, "FULL")

    assert version_of(connection) == 2
    connection.close()


def test_a_file_that_was_begun_and_not_finished_is_begun_again(tmp_path):
    (tmp_path / "new.sqlite").touch()

    connection = open_to_write(tmp_path / "new.sqlite", FIRST, "FULL")

    assert version_of(connection) == 1
    connection.close()


def test_a_directory_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(StateError, match=r"cannot create .*new\.sqlite: No such file or directory"):
        open_to_write(tmp_path / "nowhere" / "new.sqlite", FIRST, "FULL")


def test_the_log_is_written_ahead_and_synced_as_asked(path):
    full, normal = open_to_write(path, FIRST, "FULL"), open_to_write(path, FIRST, "NORMAL")

    assert [each.execute("PRAGMA synchronous").fetchone() for each in (full, normal)] == [(2,), (1,)]
    assert full.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    full.close()
    normal.close()


def test_a_transaction_is_all_or_nothing(path):
    connection = open_to_write(path, FIRST, "FULL")

    with contextlib.suppress(KeyError), transaction(connection):
        connection.execute("DELETE FROM marks")
        raise KeyError

    assert connection.execute("SELECT count(*) FROM marks").fetchone() == (1,)
    connection.close()

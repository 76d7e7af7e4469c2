import contextlib
import sqlite3

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


def test_an_older_file_can_be_looked_at_before_it_is_upgraded(path):
    connection = open_to_read(path, SECOND)

    assert version_of(connection) == 1
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

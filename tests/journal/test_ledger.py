import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hikrecv.errors import LedgerBusy, LedgerError, StateError, StateTooNew
from hikrecv.journal.dead_letters import DeadLetter
from hikrecv.journal.ledger import REMOVED, Ledger
from hikrecv.journal.place import Place, Try
from hikrecv.journal.promises import DAY, MARKS

ROOT = Path(__file__).parents[2]
NOW = 1_777_896_000.0


class Small(Ledger):
    most_letters = 3
    most_names = 10


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    ledger = Ledger.open(path)
    yield ledger
    ledger.close()


def lose_what_was_not_synced(ledger, path):
    """As after kill -9: nothing that waits is written."""
    ledger._grouped.clear()
    ledger.close()
    return Ledger.open(path)


def contents(directory):
    return {each.name: (each.stat().st_mtime_ns, each.read_bytes()) for each in directory.iterdir()}


# -- places ------------------------------------------------------------------------


def test_a_new_reaction_has_its_place_on_disk(ledger, path):
    ledger.add("hq", 7)

    again = lose_what_was_not_synced(ledger, path)

    assert again.places() == {"hq": Place(cursor=7)}
    assert again.places()["hq"].state == "placed"
    again.close()


def test_a_reaction_that_has_a_place_keeps_it(ledger):
    ledger.add("hq", 7)
    ledger.add("hq", 99)

    assert ledger.places()["hq"].cursor == 7


def test_a_cursor_is_grouped_and_on_disk_after_commit(ledger, path):
    ledger.add("hq", 1)
    ledger.advance("hq", 2)
    ledger.commit()
    ledger.advance("hq", 3)
    assert ledger.places()["hq"].cursor == 3

    again = lose_what_was_not_synced(ledger, path)

    assert again.places()["hq"].cursor == 2
    again.close()


def test_closing_writes_what_waits(ledger, path):
    ledger.add("hq", 1)
    ledger.advance("hq", 5)
    ledger.close()

    again = Ledger.open(path)

    assert again.places()["hq"].cursor == 5
    again.close()


def test_what_is_synced_takes_along_what_waits(ledger, path):
    ledger.add("hq", 1)
    ledger.advance("hq", 5)
    ledger.mark("door", "k", NOW)

    again = lose_what_was_not_synced(ledger, path)

    assert again.places()["hq"].cursor == 5
    again.close()


def test_who_never_commits_does_not_fill_the_memory(ledger):
    ledger.add("hq", 0)
    for n in range(2500):
        ledger.cooled("hq", f"who {n}", NOW, NOW)

    assert len(ledger._grouped) < 1000


def test_what_is_done_beyond_the_cursor_is_kept_until_the_cursor_passes_it(ledger, path):
    ledger.add("hq", 10)
    for seq, n in ((12, 0), (12, 1), (14, -1), (9, 0)):
        ledger.done("hq", seq, n)
    ledger.commit()

    again = lose_what_was_not_synced(ledger, path)

    assert again.places()["hq"].done == {(12, 0), (12, 1), (14, -1)}
    again.advance("hq", 12)
    assert again.places()["hq"].done == {(14, -1)}
    again.close()


def test_attempts_are_remembered_until_the_event_is_done(ledger, path):
    ledger.add("hq", 10)
    ledger.failed("hq", 11, 0, 1, "503", NOW)
    ledger.failed("hq", 11, 0, 2, "504", NOW + 5)
    ledger.failed("hq", 12, 1, 1, "x" * 5000)
    ledger.close()

    again = Ledger.open(path)

    place = again.places()["hq"]
    assert place.tries[0] == Try(11, 0, 2, "504", NOW)
    assert (place.attempts(11, 0), place.attempts(12, 1), place.attempts(13, 0)) == (2, 1, 0)
    assert (place.last_error, place.last_error_at) == ("x" * 1000, NOW + 5)
    again.done("hq", 12, 1, NOW + 9)
    again.advance("hq", 11)
    assert again.places()["hq"].tries == ()
    assert again.places()["hq"].last_success == NOW + 9
    again.close()


def test_rewinding_forgets_what_was_done_above(ledger):
    ledger.add("hq", 10)
    ledger.done("hq", 12, 0)
    ledger.failed("hq", 11, 0, 1, "no")

    ledger.rewind("hq", 5)

    assert ledger.places()["hq"] == Place(cursor=5, last_error="no")


def test_a_pause_survives_and_what_an_older_version_suspended_goes_on(ledger, path):
    ledger.add("a", 1)
    ledger.add("b", 1)
    ledger.pause("a", True)
    with contextlib.closing(sqlite3.connect(path)) as older, older:
        older.execute("UPDATE places SET suspended = 'it blocks the reactor' WHERE reaction = 'b'")

    again = lose_what_was_not_synced(ledger, path)

    assert {name: place.state for name, place in again.places().items()} == {"a": "paused", "b": "placed"}
    again.pause("a", False)
    assert {place.state for place in again.places().values()} == {"placed"}
    again.close()


def test_a_removed_reaction_holds_nothing_and_comes_back_to_its_place(ledger):
    ledger.add("hq", 4)
    assert ledger.places()["hq"].holds == 4

    ledger.removed("hq", NOW)
    ledger.removed("hq", NOW + 3600)

    assert ledger.places()["hq"].holds is None
    assert ledger.prune(NOW + REMOVED) == ()
    ledger.returned("hq")
    assert ledger.places()["hq"] == Place(cursor=4)
    assert ledger.prune(NOW + 2 * REMOVED) == ()


def test_a_removed_reaction_is_forgotten_after_a_week(ledger):
    ledger.add("hq", 4)
    ledger.removed("hq", NOW)

    assert ledger.prune(NOW + REMOVED + 1) == ("hq",)
    assert ledger.places() == {}


def test_forgetting_keeps_the_marks(ledger, path):
    ledger.add("door", 4)
    ledger.mark("door", "k", NOW)
    ledger.cooled("door", "who", NOW, NOW)
    ledger.dead("door", "word-1-0", "k", 1, 0, "no", 1, NOW)

    ledger.forget("door")

    again = lose_what_was_not_synced(ledger, path)
    assert again.places() == {}
    assert again.dead_letters() == []
    assert again.last("door", "who") is None
    assert not again.mark("door", "k", NOW)
    again.close()


def test_a_cursor_beyond_the_journal_is_no_place(ledger, path):
    ledger.add("old", 500)
    ledger.add("new", 3)

    assert ledger.displaced(10) == ("old",)

    again = lose_what_was_not_synced(ledger, path)
    assert again.places()["old"].state == "unplaced"
    assert again.displaced(10) == ()
    again.rewind("old", 10)
    assert again.places()["old"] == Place(cursor=10)
    again.close()


@pytest.mark.parametrize("change", ["pause", "removed", "returned", "done", "advance"])
def test_a_name_that_is_not_in_the_book_is_an_error(ledger, change):
    with pytest.raises(KeyError):
        getattr(ledger, change)("nobody", *{"returned": (), "done": (1, 0)}.get(change, (1,)))


# -- promises ------------------------------------------------------------------------


def test_a_mark_is_given_once_and_is_on_disk(ledger, path):
    assert ledger.mark("door", "k", NOW)
    assert not ledger.mark("door", "k", NOW + 1)
    assert ledger.mark("gate", "k", NOW)

    again = lose_what_was_not_synced(ledger, path)

    assert not again.mark("door", "k", NOW)
    again.close()


def test_marks_are_kept_for_thirty_days_whatever_is_asked(ledger):
    ledger.mark("door", "k", NOW)

    ledger.prune(NOW + MARKS - 1, keep=DAY)
    assert not ledger.mark("door", "k", NOW)

    ledger.prune(NOW + MARKS + 1, keep=90 * DAY)
    assert not ledger.mark("door", "k", NOW)

    ledger.prune(NOW + MARKS + 1)
    assert ledger.mark("door", "k", NOW)


def test_a_terminal_that_asks_again_is_told_the_same(ledger, path):
    assert ledger.decision("k") is None
    assert ledger.decide("k", False, NOW) is False
    assert ledger.decide("k", True, NOW) is False
    assert ledger.decide("l", True, NOW) is True

    again = lose_what_was_not_synced(ledger, path)

    assert (again.decision("k"), again.decision("l")) == (False, True)
    again.prune(NOW + 8 * DAY)
    assert again.decision("k") is None
    again.close()


def test_a_cooldown_is_known_before_and_after_commit(ledger, path):
    assert ledger.last("mail", "device gate") is None
    ledger.cooled("mail", "device gate", NOW, NOW)
    assert ledger.last("mail", "device gate") == NOW
    ledger.cooled("mail", "device gate", NOW + 0.25, NOW + 0.25)
    ledger.commit()

    again = lose_what_was_not_synced(ledger, path)

    assert again.last("mail", "device gate") == NOW + 0.25
    again.prune(NOW + 32 * DAY)
    assert again.last("mail", "device gate") is None
    again.close()


def test_who_invents_plates_does_not_fill_the_disk():
    ledger = Small.open(":memory:")
    for n in range(40):
        ledger.cooled("mail", f"plate {n}", NOW + n, NOW + n)
        ledger.decide(f"key {n}", True, NOW + n)

    ledger.prune(NOW + 60)

    assert [n for n in range(40) if ledger.last("mail", f"plate {n}")] == list(range(30, 40))
    assert [n for n in range(40) if ledger.decision(f"key {n}")] == list(range(30, 40))
    ledger.close()


def test_half_characters_of_a_device_are_kept_apart(ledger):
    assert ledger.mark("door", "\ud800", NOW)
    assert ledger.mark("door", "\ud801", NOW)
    assert not ledger.mark("door", "\ud800", NOW)
    ledger.cooled("door", "\ud800", NOW, NOW)
    assert ledger.last("door", "\ud800") == NOW
    ledger.commit()
    assert ledger.last("door", "\ud800") == NOW


# -- dead letters ----------------------------------------------------------------------


def test_a_dead_letter_says_all_about_it(ledger, path):
    ledger.add("hq", 0)
    ledger.failed("hq", 5, 1, 1, "503", NOW - 60)
    ledger.dead("hq", "word-5-1", "key", 5, 1, "never", 5, NOW)

    again = lose_what_was_not_synced(ledger, path)

    (letter,) = again.dead_letters("hq")
    assert letter == DeadLetter(
        id=1,
        reaction="hq",
        event="word-5-1",
        key="key",
        seq=5,
        n=1,
        reason="never",
        attempts=5,
        at=NOW,
        first=NOW - 60,
    )
    assert again.dead_letters("other") == []
    assert again.dead_counts() == {"hq": 1}
    again.close()


def test_the_same_event_again_replaces_its_letter(ledger):
    ledger.add("hq", 0)
    ledger.dead("hq", "word-5-1", "key", 5, 1, "never", 5, NOW)
    ledger.dead("hq", "word-5-1", "key", 5, 1, "not today", 6, NOW + 1)

    assert [letter.reason for letter in ledger.dead_letters()] == ["not today"]
    assert ledger.dead_counts() == {"hq": 1}


def test_a_letter_is_dropped_once(ledger):
    ledger.add("hq", 0)
    ledger.dead("hq", "word-5-1", "key", 5, 1, "never", 5, NOW)
    (letter,) = ledger.dead_letters()

    assert ledger.drop(letter.id) == 1
    assert ledger.drop(letter.id) == 0
    assert ledger.dead_counts() == {}


def test_letters_are_bounded_and_the_oldest_goes_first():
    ledger = Small.open(":memory:")
    for name in ("hq", "other"):
        ledger.add(name, 0)
        for seq in range(1, 6):
            ledger.dead(name, f"word-{seq}-0", "key", seq, 0, "never", 1, NOW)

    assert [letter.seq for letter in ledger.dead_letters("hq")] == [3, 4, 5]
    assert ledger.dead_counts() == {"hq": 3, "other": 3}
    assert len(ledger.dead_letters(most=4)) == 4
    ledger.close()


# -- the file -----------------------------------------------------------------------------


def test_the_files_are_for_one_user(tmp_path, path):
    old = os.umask(0)
    try:
        ledger = Ledger.open(path)
        ledger.add("hq", 1)
    finally:
        os.umask(old)

    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    ledger.close()


@pytest.mark.parametrize("left", [None, b""])
def test_a_ledger_that_is_missing_though_it_is_expected_is_lost(path, left):
    if left is not None:
        path.write_bytes(left)

    with pytest.raises(
        LedgerError, match=r"ledger\.sqlite is lost.*hikrecv reactions rewind NAME --to now\|SEQ"
    ):
        Ledger.open(path, expected=True)
    assert (path.read_bytes() if path.exists() else None) == left


def filled(path):
    ledger = Ledger.open(path)
    ledger.add("hq", 7)
    for n in range(500):
        ledger.cooled("hq", f"device {n}", NOW, NOW)
    ledger.mark("hq", "k", NOW)
    ledger.close()
    return path


@pytest.mark.parametrize("at", [0, 60, 4096, 8192, 20480])
def test_a_damaged_ledger_is_found_when_it_is_opened(path, at):
    with filled(path).open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 3000)

    with pytest.raises(LedgerError, match=r"is damaged .*hikrecv reactions rewind NAME"):
        Ledger.open(path, expected=True)


def test_a_truncated_ledger_is_found_when_it_is_opened(path):
    os.truncate(filled(path), 12288)

    with pytest.raises(LedgerError, match="is damaged"):
        Ledger.open(path, expected=True)


def test_a_page_that_makes_no_sense_is_found_when_it_is_opened(path):
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE places SET done = 'nonsense'")
    connection.close()

    with pytest.raises(LedgerError, match="is damaged"):
        Ledger.open(path, expected=True)


@pytest.mark.parametrize("look", [Ledger.open, Ledger.read])
def test_a_newer_ledger_is_refused_untouched(tmp_path, path, look):
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE version SET version = 99")
    connection.close()
    before = contents(tmp_path)

    with pytest.raises(StateTooNew):
        look(path)
    assert contents(tmp_path) == before


def test_a_new_ledger_gives_nobody_a_place_until_it_is_rewound(tmp_path, path):
    path.write_bytes(b"rubbish")
    (tmp_path / "ledger.sqlite-wal").write_bytes(b"the log of the rubbish")

    ledger = Ledger.anew(path, ["hq", "door"])

    assert {place.state for place in ledger.places().values()} == {"unplaced"}
    assert {place.holds for place in ledger.places().values()} == {None}
    ledger.rewind("hq", 12)
    ledger.close()
    again = Ledger.open(path, expected=True)
    assert [again.places()[name].state for name in ("hq", "door")] == ["placed", "unplaced"]
    assert (tmp_path / "ledger.sqlite.damaged-1").read_bytes() == b"rubbish"
    assert (tmp_path / "ledger.sqlite.damaged-1-wal").read_bytes() == b"the log of the rubbish"
    again.close()


def test_what_was_put_aside_before_is_kept(tmp_path, path):
    for text in (b"one", b"two"):
        path.write_bytes(text)
        Ledger.anew(path, []).close()

    assert (tmp_path / "ledger.sqlite.damaged-1").read_bytes() == b"one"
    assert (tmp_path / "ledger.sqlite.damaged-2").read_bytes() == b"two"


def test_a_full_disk_fails_the_mark_and_nothing_else(ledger, path):
    ledger.add("hq", 1)
    ledger.advance("hq", 2)
    ledger._connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(LedgerError, match="cannot be used now: database or disk is full"):
        ledger.mark("hq", "k" * 5000, NOW)
    assert ledger.places()["hq"].cursor == 2

    ledger._connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.mark("hq", "k" * 5000, NOW)
    again = lose_what_was_not_synced(ledger, path)
    assert again.places()["hq"].cursor == 2
    again.close()


def test_what_an_operator_was_told_has_failed_does_not_happen_later(ledger):
    ledger.add("hq", 1)
    ledger.commit()
    ledger._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(LedgerError):
        ledger.add("x" * 9000, 9)
    ledger.advance("hq", 5)

    ledger._connection.execute("PRAGMA max_page_count = 100000")
    ledger.commit()

    assert ledger.places() == {"hq": Place(cursor=5)}
    assert ledger._all("SELECT reaction, cursor FROM places") == [("hq", 5)]


def test_after_a_failed_write_the_file_is_opened_and_written_anew_before_it_is_used(path):
    ledger = Ledger.open(path)
    ledger.add("hq", 1)
    ledger.advance("hq", 7)
    ledger._connection.execute("PRAGMA query_only = ON")

    with pytest.raises(LedgerError, match="cannot be used now: attempt to write a readonly database"):
        ledger.mark("hq", "k", NOW)

    # What failed had not happened, and what waited still waits.
    assert ledger.mark("hq", "k", NOW) is True
    assert ledger.mark("hq", "k", NOW) is False
    again = lose_what_was_not_synced(ledger, path)
    assert again.places()["hq"].cursor == 7
    again.close()
    ledger.close()


def test_a_file_that_still_cannot_be_written_is_tried_once_a_second(path):
    ledger = Ledger.open(path)
    now, tries = [100.0], []
    reopen = ledger._reopen

    def opened():
        tries.append(now[0])
        connection = reopen()
        connection.execute("PRAGMA query_only = ON")
        return connection

    ledger._reopen, ledger._monotonic = opened, lambda: now[0]
    ledger._connection.execute("PRAGMA query_only = ON")
    for step in (0, 0.5, 0.5, 0.25, 0.25, 0.5):
        now[0] += step
        with pytest.raises(LedgerBusy, match="readonly"):
            ledger.mark("hq", "k", NOW)
    ledger._reopen = reopen
    now[0] += 1

    assert tries == [100.5, 101.5]
    assert ledger.mark("hq", "k", NOW)
    ledger.close()


def test_a_ledger_in_memory_has_no_other_chance():
    ledger = Ledger.open(":memory:")
    ledger._connection.execute("PRAGMA query_only = ON")

    for _ in range(2):
        with pytest.raises(LedgerBusy, match="readonly"):
            ledger.mark("hq", "k", NOW)
    ledger.close()


@pytest.mark.parametrize("ending", ["", "-wal"])
@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_ledger_that_is_removed_under_its_writer_is_lost_at_once_and_for_good(path, ending, what):
    ledger = Ledger.open(path)
    ledger.add("hq", 1)
    name = path.with_name(path.name + ending)
    kept = name.rename(name.with_name("elsewhere"))
    if what == "replaced":
        name.write_bytes(kept.read_bytes())

    said = f"{name.name} was {what} while it was in use, so nobody knows .* rewind NAME"
    with pytest.raises(LedgerError, match=said):
        ledger.check()
    for attempt in (ledger.check, lambda: ledger.mark("hq", "k", NOW), lambda: ledger.decision("k")):
        with pytest.raises(LedgerError, match=said) as caught:
            attempt()
        assert not isinstance(caught.value, LedgerBusy)
    ledger._connection.close()


def test_a_mark_in_a_ledger_that_is_gone_is_not_given(path):
    ledger = Ledger.open(path)
    path.unlink()

    with pytest.raises(LedgerError, match="was removed while it was in use"):
        ledger.mark("hq", "k", NOW)
    ledger._connection.close()


# -- another process ------------------------------------------------------------------------


def child(script, path, **options):
    script = "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n" + script
    return subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT), str(path)], stdout=subprocess.PIPE, text=True, **options
    )


def test_a_look_beside_the_receiver_changes_nothing(tmp_path, path):
    ledger = Ledger.open(path)
    ledger.add("hq", 7)
    before = contents(tmp_path)

    look = child(
        "from hikrecv.journal.ledger import Ledger\n"
        "ledger = Ledger.read(Path(sys.argv[2]))\n"
        "print(ledger.places()['hq'].cursor)\n"
        "ledger.close()\n",
        path,
    )
    said, _ = look.communicate(timeout=30)

    assert said == "7\n"
    assert contents(tmp_path) == before
    ledger.close()


def test_a_look_at_nothing_says_so(path):
    with pytest.raises(StateError, match="there is no"):
        Ledger.read(path)


WORK = """
from hikrecv.journal.ledger import Ledger
ledger = Ledger.open(Path(sys.argv[2]))
ledger.add("hq", 0)
round = sys.stdin.readline().strip()
for n in range(1, 1_000_000):
    ledger.advance("hq", n)
    ledger.done("hq", n + 2, 0)
    if n % 3 == 0:
        ledger.dead("hq", f"{round}-{n}-0", "k", n, 0, "no", 1, 1.0)
        print("dead", f"{round}-{n}-0", flush=True)
    assert ledger.mark("hq", f"{round}-{n}", 1.0)
    print("mark", f"{round}-{n}", flush=True)
"""


def test_a_kill_in_the_middle_of_writing_loses_no_mark_and_no_letter(path):
    promised = []
    for attempt in range(4):
        with child(WORK, path, stdin=subprocess.PIPE) as work:
            work.stdin.write(f"{attempt}\n")
            work.stdin.flush()
            promised += [work.stdout.readline().split() for _ in range(40 + 17 * attempt)]
            os.kill(work.pid, signal.SIGKILL)
            promised += [
                line.split() for line in work.stdout.read().splitlines(keepends=True) if "\n" in line
            ]

    ledger = Ledger.open(path, expected=True)

    letters = {letter.event for letter in ledger.dead_letters()}
    lost = [
        promise
        for promise in promised
        if (ledger.mark("hq", promise[1], 1.0) if promise[0] == "mark" else promise[1] not in letters)
    ]
    assert len(promised) > 200
    assert lost == []
    ledger.close()


# -- against a plain dict ----------------------------------------------------------------------

names = st.sampled_from(["hq", "door"])
keys = st.sampled_from(["k", "l", "m"])
seqs = st.integers(0, 30)


class AgainstADict(RuleBasedStateMachine):
    """The ledger, closed, killed and opened again, against the same in plain values."""

    @initialize()
    def begin(self):
        self.ledger = Ledger.open(":memory:")
        self.cursors, self.done, self.states = {}, {}, {}
        self.marks, self.letters, self.cooled = set(), {}, {}
        self.synced = ({}, {}, {})

    def sync(self):
        self.synced = (
            dict(self.cursors),
            {name: set(done) for name, done in self.done.items()},
            dict(self.cooled),
        )

    @rule(name=names, cursor=seqs)
    def add(self, name, cursor):
        self.ledger.add(name, cursor)
        if name not in self.cursors:
            self.cursors[name], self.done[name], self.states[name] = cursor, set(), "placed"
            self.sync()

    @precondition(lambda self: self.cursors)
    @rule(data=st.data(), cursor=seqs)
    def advance(self, data, cursor):
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        self.ledger.advance(name, cursor)
        self.cursors[name] = cursor
        self.done[name] = {place for place in self.done[name] if place[0] > cursor}

    @precondition(lambda self: self.cursors)
    @rule(data=st.data(), seq=seqs, n=st.integers(-1, 2))
    def finish(self, data, seq, n):
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        self.ledger.done(name, seq, n)
        if seq > self.cursors[name]:
            self.done[name].add((seq, n))

    @rule(name=names, cursor=seqs)
    def rewind(self, name, cursor):
        self.ledger.rewind(name, cursor)
        self.cursors[name], self.done[name] = cursor, set()
        self.states.setdefault(name, "placed")
        self.sync()

    @precondition(lambda self: self.cursors)
    @rule(data=st.data(), paused=st.booleans())
    def pause(self, data, paused):
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        self.ledger.pause(name, paused)
        self.states[name] = "paused" if paused else "placed"
        self.sync()

    @rule(name=names)
    def forget(self, name):
        self.ledger.forget(name)
        for table in (self.cursors, self.done, self.states):
            table.pop(name, None)
        self.letters = {event: owner for event, owner in self.letters.items() if owner != name}
        self.cooled = {pair: at for pair, at in self.cooled.items() if pair[0] != name}
        self.sync()

    @rule(name=names, key=keys)
    def mark(self, name, key):
        assert self.ledger.mark(name, key, NOW) == ((name, key) not in self.marks)
        self.marks.add((name, key))
        self.sync()

    @precondition(lambda self: self.cursors)
    @rule(data=st.data(), seq=seqs)
    def bury(self, data, seq):
        name = data.draw(st.sampled_from(sorted(self.cursors)))
        self.ledger.dead(name, f"{name}-{seq}", "k", seq, 0, "no", 1, NOW)
        self.letters[f"{name}-{seq}"] = name
        self.sync()

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def drop(self, data):
        letter = data.draw(st.sampled_from(self.ledger.dead_letters()))
        assert self.ledger.drop(letter.id)
        del self.letters[letter.event]
        self.sync()

    @rule(name=names, who=keys, at=st.integers(0, 9))
    def cool(self, name, who, at):
        self.ledger.cooled(name, who, NOW + at, NOW + at)
        self.cooled[name, who] = NOW + at

    @rule()
    def commit(self):
        self.ledger.commit()
        self.sync()

    @rule()
    def die_and_begin_again(self):
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self.ledger._connection.backup(copy)
        self.ledger._connection.close()
        self.ledger = Ledger(copy, "copy")
        cursors, done, cooled = self.synced
        self.cursors, self.cooled = dict(cursors), dict(cooled)
        self.done = {name: set(places) for name, places in done.items()}

    @invariant()
    def the_same(self):
        if not hasattr(self, "ledger"):
            return
        places = self.ledger.places()
        assert {name: place.cursor for name, place in places.items()} == self.cursors
        assert {name: set(place.done) for name, place in places.items()} == self.done
        assert {name: place.state for name, place in places.items()} == self.states
        assert {letter.event: letter.reaction for letter in self.ledger.dead_letters()} == self.letters
        assert sum(self.ledger.dead_counts().values()) == len(self.letters)
        for name in ("hq", "door"):
            for who in ("k", "l", "m"):
                assert self.ledger.last(name, who) == self.cooled.get((name, who))

    def teardown(self):
        if hasattr(self, "ledger"):
            self.ledger._connection.close()


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

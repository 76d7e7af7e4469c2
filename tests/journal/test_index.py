import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hikrecv.errors import IndexBroken, StateError, StateTooNew
from hikrecv.isapi.event import Access, Candidate, Channel, Device, Episode, Event, Face, Match, Plate
from hikrecv.journal.fact import fact_of
from hikrecv.journal.index import Index
from hikrecv.journal.row import row_of
from hikrecv.push import Peer

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
DAY = 86_400


def says(seq, at=0.0, n=0, device="gate", **others):
    """An event: ``says(7, at=2.5)`` is push 7, received 2.5 s after noon."""
    received = NOON + timedelta(seconds=at)
    values = {
        "id": f"word-{seq}-{n}",
        "key": f"key {seq} {n}",
        "type": "VMD",
        "wire_type": "VMD",
        "family": "motion",
        "state": "active",
        "freshness": "live",
        "peer": Peer("10.0.0.4", 4000, "token"),
        "device": Device(id=device) if isinstance(device, str) else device,
        "channel": Channel(id="1"),
        "received": received,
        "occurred": received,
    } | others
    return Event(seq=seq, n=n, **values)


@pytest.fixture
def index():
    index = Index.open(":memory:")
    yield index
    index.close()


def places(rows):
    return [(row.seq, row.n) for row in rows]


def contents(directory):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(directory.iterdir())}


# -- adding and finding ---------------------------------------------------------


def test_the_newest_rows_are_found_oldest_first(index):
    index.add([says(1), says(2), says(2, n=1), says(3)])

    assert places(index.search(limit=3)) == [(2, 0), (2, 1), (3, 0)]
    assert places(index.search(limit=3, newest=False)) == [(1, 0), (2, 0), (2, 1)]


odd = st.none() | st.text(alphabet="aB \0\u00df\u0130\ud800\\n", max_size=300)


@settings(max_examples=100, deadline=None)
@given(name=odd, description=odd, person=odd, plate=odd, door=st.none() | st.integers(-(1 << 70), 1 << 70))
def test_every_column_is_found_as_it_was_made(name, description, person, plate, door):
    event = says(
        1,
        device=Device(id="gate", name=name),
        description=description,
        occurred=None,
        plate=None if plate is None else Plate(text=plate),
        access=Access(major=5, minor=1, name="", outcome="granted", person=person, door=door),
    )
    index = Index.open(":memory:")

    index.add([event])

    (row,) = index.search()
    index.close()
    assert row == row_of(event)
    assert row.door == (door if door is not None and abs(door) < 1 << 63 else None)
    said = ["VMD", description, "gate", name, plate, person]
    texts = [text[:256].encode("utf-8", "backslashreplace").decode() for text in said if text]
    assert row.words == "\n".join(dict.fromkeys(texts)).replace("\0", " ").casefold()


def test_a_row_says_what_people_search_by(index):
    event = says(
        7,
        2.5,
        occurred=NOON,
        family="access",
        device=Device(id="gate", mac="c0:56:e3:00:00:01", ip="10.0.0.9"),
        access=Access(
            major=5, minor=75, name="face", outcome="granted", employee_no="1001", card_no="77", door=2
        ),
        match=Match(person="Yunus", person_id="p9"),
        plate=Plate(text="B-MA1234"),
        freshness="late",
        duplicate_of="word-1-0",
        episode=Episode(id="word-3-0", count=4, first=NOON),
    )

    index.add([event])

    (row,) = index.search()
    assert row.id == "word-7-0"
    assert row.key == "key 7 0"
    assert row.received_at == event.received
    assert row.received - row.occurred == 2_500_000
    assert (row.device, row.channel, row.mac, row.ip) == ("gate", "1", "c0:56:e3:00:00:01", "10.0.0.9")
    assert (row.peer_ip, row.trust) == ("10.0.0.4", "token")
    assert (row.type, row.family, row.state, row.freshness) == ("VMD", "access", "active", "late")
    assert (row.duplicate_of, row.episode, row.episode_count) == ("word-1-0", "word-3-0", 4)
    assert (row.person, row.person_id, row.plate) == ("Yunus", "p9", "B-MA1234")
    assert (row.employee_no, row.card_no, row.door, row.outcome) == ("1001", "77", 2, "granted")


def test_seq_and_moment_bound_a_search_on_both_sides(index):
    index.add([says(seq, seq) for seq in range(1, 10)])

    assert places(index.search(since=3, until=5)) == [(3, 0), (4, 0), (5, 0)]
    assert places(index.search(since=NOON + timedelta(seconds=3), until=NOON + timedelta(seconds=5))) == [
        (3, 0),
        (4, 0),
        (5, 0),
    ]
    assert index.search(since=NOON + timedelta(days=1)) == []


def test_a_clock_that_jumped_hides_nothing(index):
    index.add([says(1, 0), says(2, 7200), says(3, 1), says(4, 7300)])

    assert places(index.search(since=NOON + timedelta(hours=1))) == [(2, 0), (4, 0)]
    assert places(index.search(until=NOON + timedelta(hours=1))) == [(1, 0), (3, 0)]


def test_families_are_chosen_or_left_out(index):
    index.add([says(1), says(2, family="heartbeat"), says(3, family="plate")])

    assert places(index.search(without=["heartbeat"])) == [(1, 0), (3, 0)]
    assert places(index.search(families=["plate", "heartbeat"])) == [(2, 0), (3, 0)]


def test_a_recorder_stands_for_all_that_comes_through_it(index):
    index.add([says(n, device=name) for n, name in enumerate(("nvr", "nvr/33", "nvr2", "nvr0", "nv"), 1)])

    assert places(index.search(device="nvr")) == [(1, 0), (2, 0)]
    assert places(index.search(device="nvr/33")) == [(2, 0)]


@pytest.mark.parametrize(
    "text", ["yunus", "YUNUS", "ünal", "library é", "b-ma", "1001", "opened by", "gate", "vmd", "second"]
)
def test_text_is_found_wherever_it_stands_and_in_any_case(index, text):
    candidates = (Candidate(name="Yunus ÜNAL", library="Library É"), Candidate(name="Second"))
    event = says(
        1,
        faces=(Face(candidates=candidates),),
        plate=Plate(text="BMA1", original="B-MA 1"),
        access=Access(major=5, minor=1, name="door opened by card", outcome="granted", employee_no="1001"),
    )

    index.add([event, says(2, device="other", type="x")])

    assert (1, 0) in places(index.search(text=text))
    assert (2, 0) not in places(index.search(text=text))


def test_signs_of_a_pattern_mean_themselves(index):
    index.add([says(1, description="100% sure"), says(2, description="a_b"), says(3, description="a\\b")])

    assert places(index.search(text="%")) == [(1, 0)]
    assert places(index.search(text="_")) == [(2, 0)]
    assert places(index.search(text="\\")) == [(3, 0)]
    assert index.search(text="'; DROP TABLE events; --") == []


def test_whatever_a_device_says_can_be_kept(index):
    hostile = "\ud800\0" + "x" * 100_000
    event = says(
        1,
        device=Device(id="gate\ud800", name=hostile),
        channel=Channel(id="\udfff"),
        key="\ud800",
        description=hostile,
        access=Access(major=1, minor=1, name="n", outcome="other", door=2**70, person=hostile),
    )

    index.add([event])

    (row,) = index.search(text="xxx")
    assert row.door is None
    assert len(row.person) < 300


# -- going on -------------------------------------------------------------------


def test_what_was_added_before_is_passed_over(index):
    index.add([says(1), says(2)])

    index.add([says(1), says(2), says(3)])

    assert places(index.search()) == [(1, 0), (2, 0), (3, 0)]
    assert index.devices()[0].events == 3


def test_it_remembers_how_far_it_is(tmp_path):
    index = Index.open(tmp_path / "index.sqlite")
    index.add([says(1), says(5)])
    index.add([], upto=9)
    index.close()

    again = Index.open(tmp_path / "index.sqlite")

    assert again.last_seq == 9
    assert places(again.search()) == [(1, 0), (5, 0)]
    assert [seen.device for seen in again.devices()] == ["gate"]
    again.close()


def test_it_tells_how_it_stands_to_the_journal(index):
    assert index.standing(1, 0, str) == "current"
    assert index.standing(1, 5, str) == "behind"
    index.add([says(seq) for seq in range(1, 6)])

    assert index.standing(1, 5, lambda seq: "word") == "current"
    assert index.standing(1, 7, lambda seq: "word") == "behind"
    assert index.standing(1, 4, lambda seq: "word") == "ahead"
    assert index.standing(1, 7, lambda seq: "other") == "foreign"
    assert index.standing(6, 9, lambda seq: pytest.fail("not kept any more")) == "behind"


def test_it_is_made_again_in_batches_that_say_how_far_they_are(index):
    story = [(seq, [says(seq), says(seq, n=1)] if seq % 2 else []) for seq in range(1, 11)]
    told = []

    index.rebuild(story, progress=told.append, batch=4)

    assert told == [3, 7, 10]
    assert index.last_seq == 10
    assert len(index.search()) == 10


def test_a_rebuild_that_is_broken_off_goes_on_where_it_was(index):
    def story():
        yield from [(seq, [says(seq)]) for seq in range(1, 4)]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        index.rebuild(story(), batch=2)
    assert index.last_seq == 2

    index.rebuild([(seq, [says(seq)]) for seq in range(index.last_seq + 1, 7)])

    assert places(index.search()) == [(seq, 0) for seq in range(1, 7)]
    assert index.devices()[0].events == 6


def test_what_the_journal_drops_is_pruned(index):
    index.add([says(seq) for seq in range(1, 21)])

    assert index.prune(15) == 14
    assert index.prune(15) == 0
    assert places(index.search()) == [(seq, 0) for seq in range(15, 21)]
    assert index.last_seq == 20


# -- what sightings need ---------------------------------------------------------


def test_facts_are_the_latest_and_the_last_of_every_device_before(index):
    events = [says(1, device="a"), says(2, device="b"), says(3, device="a"), says(4, device="c"), says(5)]
    index.add(events)

    assert [fact.seq for fact in index.facts(2)] == [2, 3, 4, 5]
    assert [fact.seq for fact in index.facts(2, before=4)] == [2, 3]
    assert [fact.seq for fact in index.facts(1, before=4)] == [2, 3]
    assert list(index.facts(before=1)) == []


@settings(max_examples=50, deadline=None)
@given(
    events=st.lists(
        st.builds(
            says,
            st.just(0),
            st.floats(0, 1e6),
            device=st.sampled_from("abcd"),
            duplicate_of=st.sampled_from([None, "word-1-0"]),
            channel=st.sampled_from([None, Channel(id="2")]),
            episode=st.sampled_from([None, Episode(id="word-2-0", count=3, first=NOON)]),
            freshness=st.sampled_from(["live", "late", "resent"]),
        ),
        max_size=20,
    ),
    clock=st.tuples(st.none() | st.integers(-(2**60), 2**60), st.none() | st.integers(), st.integers(0, 9)),
)
def test_a_fact_comes_back_as_it_was(events, clock):
    index = Index.open(":memory:")
    events = [event.replace(seq=seq, id=f"word-{seq}-0") for seq, event in enumerate(events, 1)]
    facts = [replace(fact_of(event), clock_offset=clock[0], clock_steady=clock[2]) for event in events]
    for event, fact in zip(events, facts, strict=True):
        event.__dict__["_fact"] = fact

    index.add(events)

    assert list(index.facts(50)) == facts
    index.close()


# -- devices ---------------------------------------------------------------------


def test_a_device_is_counted_as_its_events_come(index):
    index.add(
        [
            says(1, 0, device="gate", anomalies=("truncated",)),
            says(2, 10, channel=Channel(id="2"), freshness="late", anomalies=("truncated", "no-length")),
            says(3, 20, family="plate", duplicate_of="word-1-0", freshness="resent"),
            says(4, 30, device="other", peer=Peer("10.0.0.7", 1, "none")),
        ]
    )

    gate, other = index.devices()

    assert (gate.events, gate.late, gate.resent, gate.duplicates) == (3, 1, 1, 1)
    assert gate.families == {"motion": 2, "plate": 1}
    assert gate.channels == {"1": 2, "2": 1}
    assert gate.anomalies == {"truncated": 2, "no-length": 1}
    assert (gate.last_seq, gate.peer_ip, gate.trust) == (3, "10.0.0.4", "token")
    assert gate.last_received - gate.first_received == 20_000_000
    assert (other.device, other.peer_ip, other.trust) == ("other", "10.0.0.7", "none")


def test_a_device_keeps_its_rate_and_loses_it_in_silence(index):
    index.add([says(seq, seq * 30) for seq in range(1, 601)])

    (seen,) = index.devices()
    minute = 60_000_000

    assert [seen.rate(seen.last_received + later * minute) for later in (0, 30, 60, 120)] == [121, 61, 1, 0]


def beats(days, every, start=1, skip=()):
    return [
        says(start + n, n * every) for n in range(int(days * DAY / every)) if n * every // 3600 not in skip
    ]


def test_silence_is_judged_by_the_usual_rhythm(index):
    index.add(beats(days=4, every=600))

    (seen,) = index.devices()
    minutes = 60_000_000

    assert seen.rhythm == 600
    assert not seen.silent(seen.last_received + 15 * minutes)
    assert seen.silent(seen.last_received + 22 * minutes)


def test_one_outage_is_no_rhythm(index):
    index.add(beats(days=4, every=600, skip={30, 31, 32}))

    assert index.devices()[0].rhythm == 600


def test_quiet_nights_are_a_rhythm(index):
    index.add(beats(days=4, every=600, skip={12 + 24 * day + hour for day in range(4) for hour in range(8)}))

    assert index.devices()[0].rhythm > 8 * 3600


def test_nothing_is_said_of_the_rhythm_on_the_first_day(index):
    index.add([says(1, 0), says(2, 10)])

    (seen,) = index.devices()

    assert seen.rhythm is None
    assert not seen.silent(seen.last_received + 10**15)


def test_who_invents_devices_pushes_out_the_longest_silent(index):
    index.add([says(1, device="real"), *(says(seq, device=f"made up {seq}") for seq in range(2, 4098))])

    assert len(index.devices()) == 4096
    assert "real" not in [seen.device for seen in index.devices()]


def test_what_a_device_invents_is_counted_up_to_a_bound(index):
    index.add([says(seq, channel=Channel(id=str(seq)), anomalies=(f"a{seq}",)) for seq in range(1, 1001)])

    (seen,) = index.devices()
    assert (len(seen.channels), len(seen.anomalies)) == (256, 256)
    assert len(msgspec.json.encode(seen)) < 20_000


# -- the file --------------------------------------------------------------------


def test_the_files_are_for_one_user(tmp_path):
    old = os.umask(0)
    try:
        index = Index.open(tmp_path / "index.sqlite")
        index.add([says(1)])
    finally:
        os.umask(old)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("index.sqlite", "index.sqlite-shm", "index.sqlite-wal"), 0o600)
    index.close()


@pytest.mark.parametrize("at", [0, 50, 3000, 8192, 20000])
def test_a_damaged_file_is_found_and_made_again(tmp_path, at):
    path = tmp_path / "index.sqlite"
    index = Index.open(path)
    index.add([says(seq) for seq in range(1, 200)])
    index.close()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 4096)

    with pytest.raises(IndexBroken, match=r"the index .*index\.sqlite is damaged .* made again"):
        use(Index.open(path))

    index = Index.anew(path)
    assert index.last_seq == 0
    index.close()


def use(index):
    try:
        index.search(limit=1000)
        list(index.facts(1000))
        index.prune(1000)
    finally:
        index.close()


def test_a_file_of_something_else_is_broken_and_left_alone(tmp_path):
    path = tmp_path / "index.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(IndexBroken):
        Index.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("look", [Index.open, Index.read])
def test_a_newer_index_is_refused_untouched(tmp_path, look):
    path = tmp_path / "index.sqlite"
    Index.open(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE version SET version = 99")
    connection.close()
    before = contents(tmp_path)

    with pytest.raises(StateTooNew, match=r"index\.sqlite has version 99 and this hikrecv knows up to 1"):
        look(path)
    assert contents(tmp_path) == before


def test_a_disk_that_is_full_is_no_damage_and_adding_can_be_repeated(tmp_path):
    index = Index.open(tmp_path / "index.sqlite")
    index.add([says(1)])
    index._connection.execute("PRAGMA max_page_count = 12")
    many = [says(seq, description="x" * 200) for seq in range(2, 500)]

    with pytest.raises(StateError, match="cannot be used now: database or disk is full") as caught:
        index.add(many)
    assert not isinstance(caught.value, IndexBroken)
    assert (index.last_seq, index.devices()[0].events) == (1, 1)

    index._connection.execute("PRAGMA max_page_count = 100000")
    index.add(many)
    assert (index.last_seq, index.devices()[0].events) == (499, 499)
    index.close()


# -- looking without touching ------------------------------------------------------


LOOK = """
from hikrecv.journal.index import Index
index = Index.read(Path(sys.argv[2]))
print([row.seq for row in index.search()], index.last_seq, [seen.device for seen in index.devices()])
index.close()
"""

KILLED = """
import os, signal
from hikrecv.journal.index import Index
index = Index.open(Path(sys.argv[2]))
with index._connection:
    index._connection.execute("UPDATE progress SET last_seq = 7")
os.kill(os.getpid(), signal.SIGKILL)
"""


def in_another_process(script, path):
    root = str(Path(__file__).parents[2])
    script = "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n" + script
    return subprocess.run(
        [sys.executable, "-c", script, root, str(path)],
        timeout=30,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_look_beside_the_writer_sees_what_is_committed_and_changes_nothing(tmp_path):
    path = tmp_path / "index.sqlite"
    writer = Index.open(path)
    writer.add([says(1), says(2)])
    before = contents(tmp_path)

    first = in_another_process(LOOK, path)

    assert (first.stdout, first.stderr) == ("[1, 2] 2 ['gate']\n", "")
    assert contents(tmp_path) == before
    writer.add([says(3)])
    assert in_another_process(LOOK, path).stdout == "[1, 2, 3] 3 ['gate']\n"
    writer.close()


def test_a_look_at_a_closed_index_makes_no_file(tmp_path):
    path = tmp_path / "index.sqlite"
    writer = Index.open(path)
    writer.add([says(1)])
    writer.close()
    before = contents(tmp_path)
    tmp_path.chmod(0o500)

    reader = Index.read(path)
    found = places(reader.search())
    reader.close()
    tmp_path.chmod(0o700)

    assert found == [(1, 0)]
    assert contents(tmp_path) == before
    assert list(before) == ["index.sqlite"]


def test_a_look_after_the_writer_was_killed_sees_its_log_and_changes_nothing(tmp_path):
    path = tmp_path / "index.sqlite"
    assert in_another_process(KILLED, path).returncode == -signal.SIGKILL
    before = contents(tmp_path)
    assert (tmp_path / "index.sqlite-wal").exists()

    look = in_another_process(LOOK, path)

    assert (look.stdout, look.stderr) == ("[] 7 []\n", "")
    assert contents(tmp_path) == before


def test_a_log_without_its_memory_is_left_to_the_receiver(tmp_path):
    writer = Index.open(tmp_path / "index.sqlite")
    writer.add([says(1)])
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("index.sqlite", "index.sqlite-wal"):
        shutil.copy(tmp_path / name, copy / name)
    writer.close()
    before = contents(copy)

    with pytest.raises(StateError, match="start the receiver once"):
        Index.read(copy / "index.sqlite")
    assert contents(copy) == before

    repaired = Index.open(copy / "index.sqlite")
    assert places(repaired.search()) == [(1, 0)]
    repaired.close()


def test_a_look_at_nothing_says_so_and_makes_nothing(tmp_path):
    with pytest.raises(StateError, match=r"there is no .*index\.sqlite"):
        Index.read(tmp_path / "index.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_an_index_that_is_removed_under_its_writer_is_broken_with_the_next_rows(tmp_path, ending):
    path = tmp_path / "index.sqlite"
    index = Index.open(path)
    path.with_name(path.name + ending).unlink()

    with pytest.raises(
        IndexBroken, match=f"index.sqlite{ending} was removed while it was in use; it is made again"
    ):
        index.add((), 5)
    assert index.last_seq == 0
    index.close()
    again = Index.anew(path)
    again.add((), 5)
    assert again.last_seq == 5
    again.close()

"""Where reactions begin and what they still need, in a file that may be torn, turned, old or too new."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import STATE, Desk
from journal_stores import MemoryStore, Watched

from hikrecv.errors import HikrecvError, StateTooNew
from hikrecv.journal.holds import Hold, Holds, Named, accept, beginning, read_holds, unpack, write_holds
from hikrecv.journal.place import Place
from hikrecv.journal.state import Layout

LAYOUT = Layout(STATE)
NUMBERS = st.integers(0, 2**63)
HOLDS = st.builds(Hold, NUMBERS, st.sampled_from(["budget", "always"]), st.booleans())
FILES = st.builds(Holds, NUMBERS, st.dictionaries(st.text(max_size=8), HOLDS, max_size=4))
FILE = Holds(41, {"hr": Hold(7, "always"), "hq": Hold(42, released=True)})


# -- the file --------------------------------------------------------------------


@given(FILES)
def test_what_is_written_is_read(holds: Holds) -> None:
    assert unpack(holds.pack()) == holds


@given(FILES, st.data())
def test_a_torn_file_cannot_be_read(holds: Holds, data: Any) -> None:
    whole = holds.pack()

    assert unpack(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@given(FILES, st.data())
def test_a_file_in_which_a_bit_turned_cannot_be_read_and_is_never_taken_for_a_newer_one(
    holds: Holds, data: Any
) -> None:
    turned = bytearray(holds.pack())
    turned[data.draw(st.integers(0, len(turned) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    assert unpack(bytes(turned)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_that_cannot_be_read(data: bytes) -> None:
    assert unpack(data) is None
    assert unpack(b"hikrecv holds " + data) is None


def test_the_file_of_this_version_is_read_by_every_later_one() -> None:
    assert (
        unpack(
            b"hikrecv holds 1 3f6a863abadecc9d\n"
            b'{"acknowledged":41,"reactions":{"hr":{"seq":7,"hold":"always","released":false},'
            b'"hq":{"seq":42,"hold":"budget","released":true}}}\n'
        )
        == FILE
    )


def test_a_newer_file_is_refused_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    Desk(store)
    with monkeypatch.context() as newer:
        newer.setattr("hikrecv.journal.holds.VERSION", 2)
        write_holds(store, LAYOUT, FILE)
    before = bytes(store.files[LAYOUT.holds].data)

    with pytest.raises(StateTooNew, match="has version 2 and this hikrecv knows 1: install a newer one"):
        read_holds(store, LAYOUT)

    assert bytes(store.files[LAYOUT.holds].data) == before


def test_where_nothing_was_ever_written_nothing_is_held() -> None:
    store = MemoryStore()
    Desk(store)

    assert read_holds(store, LAYOUT) == Holds()


def cut_at(step: int, chance: int) -> tuple[MemoryStore, MemoryStore]:
    """What a power cut leaves before the call number *step* of a write, and after the whole write."""
    store, calls, left = MemoryStore(), iter(range(100)), []
    Desk(store)
    write_holds(store, LAYOUT, FILE)

    def before(name: str, *_: Any) -> None:
        if next(calls) == step:
            left.append(store.after_power_cut(Random(chance)))

    write_holds(Watched(store, before), LAYOUT, Holds(50, {"hr": Hold(51)}))
    left.append(store.after_power_cut(Random(chance)))
    return left[0], left[-1]


@pytest.mark.parametrize("step", range(9))
def test_a_power_cut_leaves_the_old_file_or_the_new_one_and_the_new_one_once_it_was_told(step: int) -> None:
    for chance in range(8):
        during, after = cut_at(step, chance)

        assert read_holds(during, LAYOUT) in (FILE, Holds(50, {"hr": Hold(51)}))
        assert read_holds(after, LAYOUT) == Holds(50, {"hr": Hold(51)})


def test_recovery_takes_its_highest_number_for_acknowledged() -> None:
    store = MemoryStore()
    Desk(store).keep(b"one")

    desk = Desk(store.killed(), acknowledged=Holds(9).acknowledged)

    assert [damaged.last for damaged in desk.journal.report.damages] == [9]
    assert desk.keep(b"next") == [10]


# -- what a configuration begins with ------------------------------------------------


def begun(name: str = "hq", **given: Any) -> Hold:
    before = given.pop("before", Holds())
    places = given.pop("places", {})
    return accept(before, {name: Named(**given)}, places, first=3, last=10).reactions[name]


def test_a_new_reaction_begins_with_the_next_push_or_where_its_from_says() -> None:
    assert begun() == Hold(11)
    assert begun(start="beginning", hold="always") == Hold(3, "always")
    assert begun(start=5) == begun(start="5") == Hold(5)
    assert begun(start=99) == Hold(11)


def test_one_without_a_place_in_the_ledger_begins_where_the_file_says_and_from_counts_once() -> None:
    before = Holds(8, {"hq": Hold(7)})

    assert begun(before=before) == Hold(7)
    assert begun(before=before, start="beginning") == Hold(7)


def test_a_place_in_the_ledger_wins() -> None:
    before = Holds(8, {"hq": Hold(7)})

    assert begun(before=before, places={"hq": Place(cursor=9)}) == Hold(10)
    assert begun(before=before, places={"hq": Place(cursor=4)}) == Hold(5)


def test_its_hold_is_the_word_of_the_configuration_and_a_release_stays() -> None:
    before = Holds(8, {"hq": Hold(7, "always", released=True)})

    assert begun(before=before) == Hold(7, "budget", released=True)


def test_one_that_is_not_in_the_configuration_holds_nothing() -> None:
    assert accept(Holds(8, {"gone": Hold(2)}), {}, {}, first=3, last=10) == Holds(10)


def test_what_neither_file_nor_ledger_knows_though_one_of_them_should_needs_everything() -> None:
    unplaced = {"hq": Place(cursor=0, placed=False)}
    of_another_journal = {"hq": Place(cursor=11)}

    assert begun(before=None) == begun(places=None) == begun(places=unplaced) == Hold(0)
    assert begun(places=of_another_journal) == Hold(0)
    assert begun(before=None, places={"hq": Place(cursor=4)}) == Hold(5)
    assert begun(before=Holds(8, {"hq": Hold(7)}), places=None) == Hold(7)


def test_one_that_is_new_while_the_ledger_cannot_be_read_begins_where_its_from_says() -> None:
    assert begun(before=Holds(8, {"other": Hold(7)}), places=None) == Hold(11)
    assert accept(Holds(), {"hq": Named()}, None, first=1, last=0).reactions == {"hq": Hold(1)}


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(HikrecvError, match="'yesterday' is no place in the journal"):
        beginning("yesterday", first=1, last=2)


def test_the_file_stands_beside_the_segments_and_is_ours_alone(tmp_path: Path) -> None:
    from hikrecv.journal.store import Store

    (tmp_path / "journal").mkdir()
    layout = Layout(tmp_path)

    write_holds(Store(), layout, FILE)

    assert layout.holds.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in (tmp_path / "journal").iterdir()] == ["holds"]

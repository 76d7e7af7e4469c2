"""What the journal holds for the reactions, from the acceptance of a configuration on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from journal_kit import SEGMENT, STATE, Desk, table
from journal_stores import MemoryStore, Watched
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hikrecv.config import Bytes
from hikrecv.errors import HikrecvError, StateError
from hikrecv.holding import EVERY, Holding
from hikrecv.journal.holds import Hold, Holds, Named, read_holds
from hikrecv.journal.place import Place
from hikrecv.journal.retention import Loser
from hikrecv.journal.state import Layout
from hikrecv.lagging import Lagging

LAYOUT = Layout(STATE)


class Keeper:
    """
    A journal, and what it holds.

    :ivar waiting: what the thread was asked to do and has not done, when it is *slow*.
    """

    def __init__(self, store: MemoryStore | None = None, *, slow: bool = False, **journal: Any) -> None:
        self.store = store or MemoryStore()
        self.desk = Desk(self.store, table(**journal))
        self.clock = Clock()
        self.waiting: list[Callable[[], object]] = []
        self.slow = slow
        self.before: Callable[..., None] = lambda name, *_: None
        self.holding = Holding(
            STATE,
            self.desk.journal,
            read_holds(self.store, LAYOUT),
            self.in_thread,
            self.clock.seconds,
            store=Watched(self.store, lambda *call: self.before(*call)),
        )

    def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        if not self.slow:
            return maybeDeferred(function, *arguments)
        done: Deferred[Any] = Deferred()
        self.waiting.append(lambda: maybeDeferred(function, *arguments).chainDeferred(done))
        return done

    @property
    def file(self) -> Holds | None:
        return read_holds(self.store, LAYOUT)


def begun(*names: str, **more: Any) -> Keeper:
    keeper = Keeper(**more)
    keeper.holding.begin({name: Named() for name in names}, {})
    return keeper


def test_where_a_new_reaction_begins_is_synced_when_the_beginning_returns_whatever_the_ledger_does() -> None:
    keeper = begun("hq", slow=True)

    assert read_holds(keeper.store.killed(), LAYOUT) == keeper.file == Holds(0, {"hq": Hold(1)})


def test_what_was_acknowledged_before_a_kill_is_for_a_reaction_that_never_got_its_place() -> None:
    keeper = begun("hq", slow=True)
    keeper.desk.keep(b"one", b"two")

    again = Keeper(keeper.store.killed())

    assert again.holding.begin({"hq": Named()}, {}) == {"hq": 1}


def test_a_reaction_that_is_added_is_in_the_file_before_it_takes_effect() -> None:
    keeper = begun("hq", slow=True)
    keeper.desk.keep(b"one")

    added = Deferred.fromCoroutine(keeper.holding.add({"hq": Named(), "hr": Named(hold="always")}))
    before = added.called
    keeper.waiting.pop()()

    assert not before
    assert added.result == {"hq": 1, "hr": 2}
    assert keeper.file == Holds(1, {"hq": Hold(1), "hr": Hold(2, "always")})


def test_what_is_written_while_a_reaction_is_being_added_has_it_too() -> None:
    keeper = begun("hq", slow=True)
    keeper.desk.keep(b"one", b"two")

    keeper.holding.follow({"hq": 2}, {"hq": 2})
    added = Deferred.fromCoroutine(keeper.holding.add({"hq": Named(), "hr": Named()}))
    keeper.clock.advance(EVERY)
    keeper.waiting.pop(0)()
    keeper.holding.follow({"hq": 3}, {"hq": 3})
    while keeper.waiting:
        keeper.waiting.pop(0)()

    assert added.called
    assert keeper.file.reactions == {"hq": Hold(3), "hr": Hold(3)}  # type: ignore[union-attr]


def test_one_that_comes_back_while_its_removal_is_being_written_is_in_the_file() -> None:
    keeper = begun("hq", "hr", slow=True)
    keeper.holding.only(["hq"])
    keeper.holding.follow({}, {})

    added = Deferred.fromCoroutine(keeper.holding.add({"hq": Named(), "hr": Named()}))
    while keeper.waiting:
        keeper.waiting.pop(0)()

    assert added.called
    assert keeper.file.reactions == {"hq": Hold(1), "hr": Hold(1)}  # type: ignore[union-attr]


def test_a_file_that_cannot_be_written_refuses_the_configuration_and_the_old_one_stays() -> None:
    keeper = begun("hq")
    keeper.desk.keep(b"one")

    def refuse(name: str, *_: Any) -> None:
        if name == "create":
            raise OSError(errno.ENOSPC, "No space left on device")

    keeper.before = refuse
    seen: list[Any] = []
    Deferred.fromCoroutine(keeper.holding.add({"hr": Named()})).addErrback(seen.append)

    assert seen[0].check(StateError)
    assert "cannot write /state/journal/holds (No space left on device)" in seen[0].getErrorMessage()
    assert keeper.holding.holds == {"hq": Hold(1)}
    assert keeper.file == Holds(0, {"hq": Hold(1)})


def test_on_a_full_disk_the_ballast_makes_room_for_it() -> None:
    keeper = Keeper(ballast=Bytes(SEGMENT))
    keeper.desk.retain({})
    assert LAYOUT.ballast in keeper.store.files

    def refuse(name: str, *_: Any) -> None:
        if name == "create" and LAYOUT.ballast in keeper.store.files:
            raise OSError(errno.ENOSPC, "No space left on device")

    keeper.before = refuse
    keeper.holding.begin({"hq": Named()}, {})

    assert keeper.file == Holds(0, {"hq": Hold(1)})


def test_only_what_the_ledger_has_on_disk_is_written_and_that_every_five_seconds_at_most() -> None:
    keeper = begun("hq")
    keeper.desk.keep(*[b"event"] * 9)
    written = []

    for done in range(1, 10):
        keeper.holding.follow({"hq": done + 1}, {"hq": done})
        keeper.clock.advance(1)
        written.append(keeper.file.reactions["hq"].seq)  # type: ignore[union-attr]

    assert keeper.holding.holds == {"hq": Hold(10)}
    assert written == [1, 2, 2, 2, 2, 2, 7, 7, 7]


def test_a_rewind_is_held_at_once() -> None:
    keeper = begun("hq")
    keeper.desk.keep(*[b"event"] * 9)
    keeper.holding.follow({"hq": 9}, {"hq": 9})
    keeper.clock.advance(EVERY)

    keeper.holding.follow({"hq": 2}, {"hq": 9})

    assert keeper.holding.holds == keeper.file.reactions == {"hq": Hold(2)}  # type: ignore[union-attr]


def test_one_that_has_no_place_yet_holds_what_it_held() -> None:
    keeper = Keeper()
    keeper.desk.keep(*[b"event"] * 9)
    keeper.holding.begin({"hq": Named("beginning"), "hr": Named()}, None)

    keeper.holding.follow({}, {})

    assert keeper.holding.holds == {"hq": Hold(0), "hr": Hold(0)}


def test_one_that_is_gone_holds_until_the_new_configuration_has_taken_effect() -> None:
    keeper = begun("old")
    Deferred.fromCoroutine(keeper.holding.add({"new": Named()}))
    during = dict(keeper.holding.holds)

    keeper.holding.only(["new"])
    keeper.clock.advance(EVERY)
    keeper.holding.follow({}, {})

    assert during == {"old": Hold(1), "new": Hold(1)}
    assert keeper.holding.holds == keeper.file.reactions == {"new": Hold(1)}  # type: ignore[union-attr]


def test_a_file_that_cannot_be_read_holds_everything_and_says_so() -> None:
    keeper = begun("hq", "hr")
    keeper.desk.keep(*[bytes(5000)] * 20)
    keeper.store.spoil(LAYOUT.holds, 20, b"#")
    said: list[LogEvent] = []
    globalLogPublisher.addObserver(said.append)

    again = Keeper(keeper.store.killed(), hold_max=Bytes(5 * SEGMENT))
    begins = again.holding.begin({"hq": Named(), "hr": Named()}, {"hr": Place(cursor=20)})
    globalLogPublisher.removeObserver(said.append)
    again.desk.retain(dict(again.holding.holds), after=2000)

    assert begins == {"hq": 0, "hr": 21}
    assert again.desk.journal.first == 1
    assert any("journal/holds cannot be read: the journal holds everything" in formatEvent(e) for e in said)
    assert again.file == Holds(20, {"hq": Hold(0), "hr": Hold(21)})


def test_a_release_ends_when_the_reaction_has_caught_up_and_survives_a_restart() -> None:
    keeper = begun("hq")
    keeper.desk.keep(*[bytes(5000)] * 20)

    held = keeper.holding.release("hq")
    keeper.holding.follow({"hq": 2}, {"hq": 2})
    again = Keeper(keeper.store.killed())
    again.holding.begin({"hq": Named()}, {"hq": Place(cursor=1)})
    still = again.holding.holds["hq"]
    again.holding.follow({"hq": 21}, {"hq": 21})

    assert held.bytes == 3 * SEGMENT
    assert still == Hold(2, released=True)
    assert again.holding.holds == {"hq": Hold(21)}


def test_who_holds_nothing_cannot_be_released() -> None:
    with pytest.raises(HikrecvError, match="no reaction hr holds anything; there are: hq"):
        begun("hq").holding.release("hr")


# -- alarms ------------------------------------------------------------------------


def alarms(keeper: Keeper, lagging: Lagging) -> list[str]:
    said: list[LogEvent] = []
    globalLogPublisher.addObserver(said.append)
    lagging.look(keeper.holding.held())
    globalLogPublisher.removeObserver(said.append)
    return [formatEvent(event) for event in said]


def filled_by_segments(keeper: Keeper, lagging: Lagging, segments: int) -> list[list[str]]:
    heard = []
    for _ in range(segments):
        while keeper.desk.journal.held_bytes(1) < (len(heard) + 1) * SEGMENT:
            keeper.desk.keep(bytes(5000))
        heard.append(alarms(keeper, lagging))
    return heard


def test_an_alarm_at_half_of_the_budget_and_at_three_quarters_names_the_reaction_and_the_cure() -> None:
    keeper, lagging = begun("hq", most=16 * SEGMENT, hold_max=Bytes(8 * SEGMENT)), Lagging()

    heard = filled_by_segments(keeper, lagging, 8)

    assert [len(each) for each in heard] == [0, 0, 0, 1, 0, 1, 0, 0]
    assert heard[3] == [
        "ALARM: hq holds back 131 kB of events, half of the 262 kB at which it loses the oldest; see "
        '`hikrecv reactions`, raise [journal] hold_max, or write hold = "always" if it must lose nothing, '
        "or let go: hikrecv reactions release hq"
    ]
    assert "three quarters of the 262 kB" in heard[5][0]


def test_on_a_full_disk_the_advice_is_to_free_space_and_not_what_would_not_help() -> None:
    small = MemoryStore(9 * SEGMENT)
    keeper = begun("hq", store=small, most=100 * SEGMENT, hold_max=Bytes(50 * SEGMENT))

    heard = filled_by_segments(keeper, Lagging(), 4)

    (half,) = heard[2]
    assert "free some space: the disk gives no more, whatever hold_max and max say" in half
    assert "raise" not in half


def test_with_hold_always_the_alarm_says_that_pushes_will_be_rejected() -> None:
    keeper = Keeper(most=9 * SEGMENT)
    keeper.holding.begin({"hr": Named(hold="always")}, {})

    heard = filled_by_segments(keeper, Lagging(), 6)

    assert [len(each) for each in heard] == [0, 0, 0, 1, 0, 1]
    assert "half of the 262 kB at which pushes are rejected with 503" in heard[3][0]
    assert "raise [journal] max" in heard[3][0]


def test_one_that_caught_up_is_told_of_again_when_it_falls_behind_again() -> None:
    keeper, lagging = begun("hq", most=16 * SEGMENT, hold_max=Bytes(8 * SEGMENT)), Lagging()
    filled_by_segments(keeper, lagging, 4)

    keeper.holding.follow({"hq": keeper.desk.journal.durable + 1}, {})
    caught_up = alarms(keeper, lagging)
    keeper.holding.follow({"hq": 1}, {})

    assert caught_up == []
    assert len(alarms(keeper, lagging)) == 1


def test_each_loss_is_counted_to_the_event_and_the_reaction_is_losing_until_it_has_caught_up() -> None:
    keeper, lagging = begun("hq", most=16 * SEGMENT, hold_max=Bytes(2 * SEGMENT)), Lagging()
    filled_by_segments(keeper, lagging, 2)
    held = keeper.holding.held()["hq"]

    lagging.loses(Loser("hq", 7, 7), held, 1)
    one = dict(lagging.lost)
    lagging.loses(Loser("hq", 8, 10), held, 3)
    lagging.look(keeper.holding.held())
    losing = lagging.losing("hq")
    keeper.holding.follow({"hq": keeper.desk.journal.durable + 1}, {})
    lagging.look(keeper.holding.held())

    assert one == {"hq": 1}
    assert lagging.lost == {"hq": 4}
    assert losing.startswith("it loses the oldest events: see `hikrecv reactions`, raise [journal] hold_max")
    assert lagging.losing("hq") == ""


# -- a disk that fails ----------------------------------------------------------------


def full(keeper: Keeper) -> Keeper:
    def refuse(name: str, *_: Any) -> None:
        if name == "create":
            raise OSError(errno.ENOSPC, "No space left on device")

    keeper.before = refuse
    return keeper


def test_a_full_disk_keeps_nobody_from_starting_whose_reactions_are_known() -> None:
    keeper = begun("hq")
    keeper.desk.keep(b"one")
    again = full(Keeper(keeper.store.killed()))

    begins = again.holding.begin({"hq": Named()}, {"hq": Place(cursor=1)})

    assert begins == {"hq": 2}
    assert again.file == Holds(0, {"hq": Hold(1)})


@pytest.mark.parametrize("named", [{"hr": Named()}, {"hq": Named(hold="always")}])
def test_what_a_start_would_not_know_must_be_written(named: dict[str, Named]) -> None:
    again = full(Keeper(begun("hq").store.killed()))

    with pytest.raises(StateError, match="free some space, or repair the disk"):
        again.holding.begin(named, {})


def test_a_write_that_fails_later_is_said_once_and_tried_again() -> None:
    keeper = begun("hq")
    keeper.desk.keep(b"one", b"two")
    said: list[LogEvent] = []
    globalLogPublisher.addObserver(said.append)

    full(keeper)
    for _ in range(20):
        keeper.holding.follow({"hq": 3}, {"hq": 3})
        keeper.clock.advance(1)
    keeper.before = lambda name, *_: None
    for _ in range(6):
        keeper.holding.follow({"hq": 3}, {"hq": 3})
        keeper.clock.advance(1)
    globalLogPublisher.removeObserver(said.append)

    (sentence,) = map(formatEvent, said)
    assert "/state/journal/holds cannot be written ([Errno 28] No space left on device)" in sentence
    assert keeper.file == Holds(2, {"hq": Hold(3)})


def test_a_file_that_the_disk_does_not_give_cannot_be_read() -> None:
    keeper = begun("hq")

    def refuse(name: str, *_: Any) -> None:
        if name == "read":
            raise OSError(errno.EIO, "Input/output error")

    assert read_holds(Watched(keeper.store, refuse), LAYOUT) is None


def test_a_tenth_before_pushes_are_refused_for_always_it_is_nearly_full() -> None:
    keeper = Keeper(most=20 * SEGMENT)
    keeper.holding.begin({"hr": Named(hold="always"), "hq": Named()}, {})
    seen: list[tuple[int, bool]] = []

    while not seen or not seen[-1][1]:
        keeper.desk.keep(b"x" * (SEGMENT // 3))
        keeper.clock.advance(1)
        held = keeper.holding.held()["hr"]
        seen.append((held.most.bytes - held.bytes, keeper.holding.nearly_full()))

    assert all(left > 2 * SEGMENT for left, near in seen if not near)
    assert 0 < seen[-1][0] <= 2 * SEGMENT
    keeper.holding.release("hr")
    keeper.clock.advance(1)
    assert not keeper.holding.nearly_full()


def test_a_budget_makes_nothing_nearly_full() -> None:
    keeper = begun("hq", most=8 * SEGMENT)
    for _ in range(40):
        keeper.desk.keep(b"x" * (SEGMENT // 3))
    keeper.clock.advance(1)

    assert not keeper.holding.nearly_full()

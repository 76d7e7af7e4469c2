"""The reactions of a receiver at work, and what operators ask of them."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from hikrecv import hookimpl
from hikrecv.errors import HikrecvError, Hold, LedgerBusy, LedgerError, Reject, Retry
from hikrecv.isapi.event import Event
from hikrecv.journal.ledger import Ledger, Place
from hikrecv.reactions.calls import Workplace
from hikrecv.reactions.dispatch import Dispatch
from hikrecv.reactions.replay import Line


class Notes:
    """Plugins that note what they are given, under the reaction's name."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.contexts: list[tuple[int, bool, bool]] = []
        self.then: dict[str, list[Any]] = {}

    def plugin(self, **said: Any) -> type:
        notes = self

        class Noting:
            def __init__(self, context: Any) -> None:
                self.name = context.name

            @hookimpl
            async def hikrecv_event(self, event: Event, context: Any) -> None:
                notes.seen.append((self.name, event.seq))
                notes.contexts.append((context.attempt, context.replay, context.dry_run))
                steps = notes.then.get(self.name)
                step = steps.pop(0) if steps else None
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, Deferred):
                    await step

        for name, value in said.items():
            setattr(Noting, name, value)
        return Noting

    def of(self, name: str) -> list[int]:
        return [seq for each, seq in self.seen if each == name]


class House:
    """A stage with a dispatch on it."""

    def __init__(self, stage: Any, **more: Any) -> None:
        self.stage = stage
        self.notes = Notes()
        self.dispatch = Dispatch(
            stage.feed,
            more.pop("ledger", stage.ledger),
            more.pop("run", stage.run),
            stage.clock,
            stage.wall,
            Workplace(stage.clock, print, stage.slot),
            stage.slot,
            **more,
        )

    def reactions(self, *names: str, **table: Any) -> dict[str, Any]:
        plugin = self.notes.plugin()
        return {name: self.stage.reaction(plugin, name, **table) for name in names}

    def start(self, reactions: Any) -> None:
        self.do(self.dispatch.start(reactions))

    def stop(self, bound: float = 8.0) -> None:
        done = Deferred.fromCoroutine(self.dispatch.stop(bound))
        for _ in range(8):
            self.stage.clock.advance(bound / 4)
        assert done.called

    def do(self, coroutine: Any) -> Any:
        seen: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(seen.append)
        for _ in range(200):
            if seen:
                break
            self.stage.clock.advance(1)
        assert seen, "it waits"
        if hasattr(seen[0], "raiseException"):
            seen[0].raiseException()
        return seen[0]

    def replay(self, *values: Any, **more: Any) -> list[Line]:
        async def all_lines() -> list[Line]:
            return [line async for line in self.dispatch.replay(*values, **more)]

        lines: list[Line] = self.do(all_lines())
        return lines

    def row(self, name: str) -> Any:
        return next(row for row in self.dispatch.status() if row.name == name)


@pytest.fixture
def house(stage: Any) -> Any:
    house = House(stage)
    yield house
    house.stop()


# -- beginning ----------------------------------------------------------------------


def test_a_new_reaction_starts_from_now_or_where_its_table_says(house: House) -> None:
    house.stage.publish_many(3)
    notes = house.notes.plugin()
    make = partial(house.stage.reaction, notes)

    house.start(
        {"now": make("now"), "all": make("all", **{"from": "beginning"}), "some": make("some", **{"from": 2})}
    )
    house.stage.publish_many(1)

    assert house.notes.of("now") == [4]
    assert house.notes.of("all") == [1, 2, 3, 4]
    assert house.notes.of("some") == [2, 3, 4]


class SlowLedger:
    """Its thread does what it is asked when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Any]] = []

    def run(self, function: Any, *values: Any) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.waiting.append((answer, partial(function, *values)))
        return answer

    def answer(self) -> None:
        while self.waiting:
            answer, function = self.waiting.pop(0)
            answer.callback(function())


def test_what_comes_while_a_new_reaction_gets_its_place_is_for_it_too(stage: Any) -> None:
    ledger = SlowLedger()
    house = House(stage, run=ledger.run)
    stage.publish_many(2)

    Deferred.fromCoroutine(house.dispatch.start(house.reactions("hq")))
    stage.publish_many(1)
    ledger.answer()
    stage.clock.advance(0)
    ledger.answer()

    assert house.notes.of("hq") == [3]


def test_from_counts_once(house: House) -> None:
    reactions = house.reactions("hq", **{"from": "beginning"})
    house.stage.publish_many(2)
    house.start(reactions)
    house.stop()
    again = House(house.stage)

    again.start(again.reactions("hq", **{"from": "beginning"}))
    house.stage.publish_many(1)
    again.stop()

    assert again.notes.of("hq") == [3]


def test_a_reaction_that_was_paused_stays_so_over_a_restart(house: House) -> None:
    house.start(house.reactions("hq"))
    house.do(house.dispatch.pause("hq"))
    house.stop()
    again = House(house.stage)
    again.start(again.reactions("hq"))
    house.stage.publish_many(1)
    assert again.row("hq").state == "paused"

    again.do(again.dispatch.resume("hq"))
    again.stop()

    assert again.notes.of("hq") == [1]


def test_without_a_ledger_every_reaction_waits_until_it_is_told_where_to_go_on(stage: Any) -> None:
    ledgers: list[Ledger] = []

    def anew(names: Any) -> Ledger:
        ledgers.append(Ledger.anew(stage.folder / "ledger.sqlite", names))
        return ledgers[0]

    house = House(stage, ledger=None, anew=anew)
    house.start(house.reactions("hq", "door"))
    stage.publish_many(3)
    assert [row.state for row in house.dispatch.status()] == ["unplaced", "unplaced"]
    assert "hikrecv reactions rewind" in house.row("hq").reason
    assert house.dispatch.holds() == {}
    with pytest.raises(LedgerError, match="rewind"):
        house.do(house.dispatch.dead_letters())

    assert house.do(house.dispatch.rewind("hq", 2)) == 1

    assert house.notes.of("hq") == [2, 3]
    assert house.row("hq").state == "waiting"
    assert house.row("door").state == "unplaced"
    house.stop()
    ledgers[0].close()
    reopened = Ledger.open(stage.folder / "ledger.sqlite", expected=True)
    assert {name: place.placed for name, place in reopened.places().items()} == {"hq": True, "door": False}
    reopened.close()


def test_a_place_beyond_the_journals_end_is_no_place(house: House) -> None:
    house.stage.ledger.add("hq", 1_000)

    house.start(house.reactions("hq"))

    assert house.row("hq").state == "unplaced"
    assert "beyond the end" in house.row("hq").reason


# -- one costs the others nothing ------------------------------------------------------------


def test_what_hangs_fails_or_is_slow_costs_the_others_nothing(house: House) -> None:
    house.notes.then = {
        "hangs": [Deferred()],
        "crashes": [SystemExit(1)] * 9,
        "fails": [ValueError("no")] * 9,
        "retries": [Retry("no")] * 9,
    }
    house.start(house.reactions("hangs", "crashes", "fails", "retries", "good"))

    house.stage.publish_many(20)

    assert house.notes.of("good") == list(range(1, 21))
    assert [row.state for row in house.dispatch.status()] == [
        "working",
        "retrying",
        "retrying",
        "retrying",
        "waiting",
    ]


def test_a_reaction_that_keeps_the_reactor_is_counted_and_then_throttled(house: House) -> None:
    house.start(house.reactions("slow", "good"))

    for kept in (0.2, 0.3, 0.15):
        house.stage.slot.long(("slow", 0.0, 0.0), kept)

    row = house.row("slow")
    assert (row.state, row.kept, row.kept_longest) == ("throttled", 3, 0.3)
    assert "isolate = true" in row.reason
    house.stage.publish_many(1)
    assert house.notes.seen == [("good", 1)]

    house.stage.clock.advance(10)
    assert house.notes.of("slow") == [1], "by itself"
    assert house.row("slow").state == "waiting"


def test_stopping_is_bounded_whatever_a_hook_does(house: House) -> None:
    async def hang() -> None:
        while True:
            try:
                await Deferred()
            except CancelledError:
                continue

    class Hanging:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_event(self, event: Event) -> None:
            await hang()

        @hookimpl
        async def hikrecv_stop(self) -> None:
            await hang()

    house.start({"hq": house.stage.reaction(Hanging), **house.reactions("good")})
    house.stage.publish_many(1)

    house.stop(bound=8)

    assert house.stage.ledger.places()["good"].cursor == 1
    assert house.stage.ledger.places()["hq"].cursor == 0


# -- operators ----------------------------------------------------------------------------------


def test_status_shows_position_lag_errors_and_dead_letters(house: House) -> None:
    house.notes.then = {"hq": [Reject("no"), Retry("down", after=60)]}
    house.start(house.reactions("hq"))
    house.stage.publish_many(3)
    house.stage.clock.advance(1.5)

    row = house.row("hq")

    assert (row.position, row.lag_events, row.dead, row.attempts) == (1, 2, 1, 1)
    assert (row.state, row.last_error) == ("retrying", "down")
    assert row.lag_seconds == 1.5
    assert house.dispatch.holds() == {"hq": 1}


def test_rewinding_goes_back_and_forth(house: House) -> None:
    house.start(house.reactions("hq"))
    house.stage.publish_many(4)

    house.do(house.dispatch.rewind("hq", "3"))
    assert house.notes.of("hq") == [1, 2, 3, 4, 3, 4]

    house.do(house.dispatch.pause("hq"))
    house.stage.publish_many(2)
    house.do(house.dispatch.rewind("hq", "now"))
    house.do(house.dispatch.resume("hq"))
    house.stage.publish_many(1)
    assert house.notes.of("hq")[6:] == [7]

    with pytest.raises(HikrecvError, match="no place in the journal"):
        house.do(house.dispatch.rewind("hq", "yesterday"))


def test_a_name_that_nobody_has_is_said_with_those_that_are_there(house: House) -> None:
    house.start(house.reactions("hq", "door"))

    with pytest.raises(HikrecvError, match="there is no reaction hw; there are: hq, door"):
        house.do(house.dispatch.pause("hw"))


def test_only_what_left_the_configuration_is_forgotten(house: House) -> None:
    house.start(house.reactions("hq", "old"))
    with pytest.raises(HikrecvError, match="in the configuration"):
        house.do(house.dispatch.forget("old"))
    house.do(house.dispatch.reload(house.reactions("hq")))

    house.do(house.dispatch.forget("old"))

    assert set(house.stage.ledger.places()) == {"hq"}
    with pytest.raises(HikrecvError, match="nothing is known"):
        house.do(house.dispatch.forget("old"))


def test_dead_letters_are_listed_retried_and_dropped(house: House) -> None:
    house.notes.then = {"hq": [Reject("one"), Reject("two"), Reject("three"), None]}
    house.start(house.reactions("hq"))
    house.stage.publish_many(3)
    first, second, third = house.do(house.dispatch.dead_letters("hq"))
    assert [letter.reason for letter in (first, second, third)] == ["one", "two", "three"]

    assert house.do(house.dispatch.retry_dead(first.id)) == Line(1, "word-1-0", "done")
    house.notes.then = {"hq": [Reject("still not")]}
    assert house.do(house.dispatch.retry_dead(second.id)) == Line(2, "word-2-0", "failed", "still not")
    assert house.do(house.dispatch.drop_dead([third.id, 99])) == 1

    assert [letter.id for letter in house.do(house.dispatch.dead_letters())] == [second.id]
    assert house.row("hq").dead == 1
    assert house.do(house.dispatch.drop_dead([99])) == 0
    with pytest.raises(HikrecvError, match="no dead letter 99"):
        house.do(house.dispatch.retry_dead(99))


def test_a_dead_letter_whose_event_is_gone_says_what_to_do(house: House) -> None:
    house.notes.then = {"hq": [Reject("one")]}
    house.start(house.reactions("hq"))
    house.stage.publish_many(1)
    [letter] = house.do(house.dispatch.dead_letters())
    house.stage.journal.clear()
    house.stage.feed = house.stage.new_feed(last=1)
    house.dispatch._feed = house.stage.feed

    line = house.do(house.dispatch.retry_dead(letter.id))

    assert (line.end, letter.id) == ("failed", 1)
    assert "dead-letters drop 1" in line.reason


def test_a_replay_ends_where_the_reaction_holds(house: House) -> None:
    house.start(house.reactions("hq"))
    house.stage.publish_many(3)
    house.notes.then = {"hq": [None, Hold("wrong password"), None]}

    lines = house.replay("hq", 1, 3)

    assert [(line.seq, line.end) for line in lines] == [(1, "done"), (2, "held")]
    assert lines[-1].reason == "wrong password"


# -- replay ----------------------------------------------------------------------------------------


def test_replay_hands_history_to_one_reaction_flagged_and_moves_nothing(house: House) -> None:
    house.start(house.reactions("hq", "other"))
    house.stage.publish_many(5)
    house.notes.seen.clear()
    house.notes.contexts.clear()

    lines = house.replay("hq", 2, 4)

    assert [(line.seq, line.end) for line in lines] == [(2, "done"), (3, "done"), (4, "done")]
    assert house.notes.seen == [("hq", 2), ("hq", 3), ("hq", 4)]
    assert house.notes.contexts == [(1, True, False)] * 3
    assert house.row("hq").position == 5


def test_a_dry_run_calls_nothing_unless_the_plugin_knows_what_that_is(house: House) -> None:
    knowing = house.notes.plugin(dry_run=True)
    house.start({**house.reactions("hq"), "knows": house.stage.reaction(knowing, "knows")})
    house.stage.publish_many(2)
    house.notes.seen.clear()
    house.notes.contexts.clear()

    assert [line.end for line in house.replay("hq", 1, dry_run=True)] == ["would be handed over"] * 2
    assert house.notes.seen == []
    assert [line.end for line in house.replay("knows", 1, 1, dry_run=True)] == ["would be handed over"]
    assert house.notes.contexts == [(1, True, True)]


def test_replay_keeps_the_rule_and_the_cooldown(house: House) -> None:
    table = {"when": 'device.id == "gate"', "cooldown": {"every": "30s"}}
    house.start(house.reactions("hq", **table))
    for seq, device in enumerate(("gate", "yard", "gate", "gate"), 1):
        house.stage.publish(house.stage.event(seq, device=device))
        house.stage.clock.advance(20)

    lines = house.replay("hq", 1, dry_run=True)

    assert [(line.seq, line.end) for line in lines] == [
        (1, "would be handed over"),
        (3, "would be handed over"),
        (4, "cooling down"),
    ]


def test_replaying_what_acts_must_be_said_and_still_honours_max_age(house: House) -> None:
    door = house.notes.plugin(acts=True, delivery="at-most-once")
    house.start({"door": house.stage.reaction(door, "door")})
    house.stage.publish_many(1)
    house.stage.clock.advance(8)
    house.stage.publish_many(1)
    house.notes.seen.clear()

    with pytest.raises(HikrecvError, match="--act"):
        house.replay("door", 1)
    house.stage.clock.advance(4)
    lines = house.replay("door", 1, act=True)

    assert [(line.seq, line.end) for line in lines] == [(1, "too old"), (2, "done")]
    assert house.notes.seen == [("door", 2)]


def test_replay_takes_turns_with_the_courier(house: House) -> None:
    under_way: Deferred[None] = Deferred()
    house.start(house.reactions("hq"))
    house.stage.publish_many(1)
    house.notes.then = {"hq": [under_way]}
    house.stage.publish_many(1)

    async def replay() -> list[Line]:
        return [line async for line in house.dispatch.replay("hq", 1, 1)]

    waiting = Deferred.fromCoroutine(replay())
    assert house.notes.of("hq") == [1, 2]
    under_way.callback(None)
    house.stage.clock.advance(0)

    assert waiting.called
    assert house.notes.of("hq") == [1, 2, 1]


def test_what_fails_in_a_replay_is_told_and_makes_no_dead_letter(house: House) -> None:
    house.start(house.reactions("hq", retry=2))
    house.stage.publish_many(2)
    house.notes.then = {"hq": [ValueError("oops"), Retry("down"), Reject("no")]}

    lines = house.replay("hq", 1)

    assert [(line.end, line.reason) for line in lines] == [("failed", "down"), ("failed", "no")]
    assert house.do(house.dispatch.dead_letters()) == []


# -- reload ------------------------------------------------------------------------------------------


def test_reload_adds_removes_and_changes_without_losing_an_event(house: House) -> None:
    house.start(house.reactions("stays", "goes", "changes"))
    house.stage.publish_many(2)

    house.do(
        house.dispatch.reload({**house.reactions("stays", "new"), **house.reactions("changes", timeout="7s")})
    )
    house.stage.publish_many(2)

    assert house.notes.of("stays") == [1, 2, 3, 4]
    assert house.notes.of("goes") == [1, 2]
    assert house.notes.of("changes") == [1, 2, 3, 4]
    assert house.notes.of("new") == [3, 4]
    assert [row.name for row in house.dispatch.status()] == ["stays", "new", "changes"]
    assert set(house.dispatch.holds()) == {"stays", "new", "changes"}


def test_what_is_being_exchanged_still_holds_what_it_needs(house: House) -> None:
    waiting: Deferred[None] = Deferred()
    house.start(house.reactions("hq"))
    house.stage.publish_many(1)
    house.notes.then["hq"] = [waiting]
    house.stage.publish_many(2)

    Deferred.fromCoroutine(house.dispatch.reload(house.reactions("hq", timeout="7s")))
    meanwhile = house.dispatch.holds()
    waiting.callback(None)
    house.stage.clock.advance(1)

    assert meanwhile == {"hq": 1}


def test_what_has_not_changed_is_not_disturbed_by_a_reload(house: House) -> None:
    under_way: Deferred[None] = Deferred()
    plugin = house.notes.plugin()
    house.notes.then = {"hq": [under_way]}
    house.start({"hq": house.stage.reaction(plugin)})
    house.stage.publish_many(2)

    house.do(house.dispatch.reload({"hq": house.stage.reaction(plugin)}))
    under_way.callback(None)

    assert house.notes.of("hq") == [1, 2]


def test_everything_is_exchanged_when_something_changed_that_all_use(house: House) -> None:
    plugin = house.notes.plugin()
    house.start({"hq": house.stage.reaction(plugin)})
    before = house.dispatch.courier("hq")

    house.do(house.dispatch.reload({"hq": house.stage.reaction(plugin)}, everything=True))
    house.stage.publish_many(1)

    assert house.dispatch.courier("hq") is not before
    assert house.notes.of("hq") == [1]


def test_a_removed_reaction_keeps_its_place_for_a_week(house: House) -> None:
    house.start(house.reactions("hq", "other"))
    house.stage.publish_many(1)
    house.do(house.dispatch.reload(house.reactions("other")))
    house.stage.publish_many(2)
    assert set(house.dispatch.holds()) == {"other"}

    house.do(house.dispatch.reload(house.reactions("hq", "other")))
    assert house.notes.of("hq") == [1, 2, 3]

    house.do(house.dispatch.reload(house.reactions("other")))
    house.stage.clock.advance(8 * 86_400)
    house.stage.clock.advance(1)
    assert set(house.stage.ledger.places()) == {"other"}


def test_a_reload_waits_only_so_long_for_what_hangs(house: House) -> None:
    house.notes.then = {"hq": [Deferred()]}
    house.start(house.reactions("hq"))
    house.stage.publish_many(1)

    house.do(house.dispatch.reload(house.reactions("hq", timeout="7s")))

    assert house.notes.of("hq") == [1, 1]


# -- threads -------------------------------------------------------------------------------------------


def test_a_reaction_without_events_is_started_and_has_no_place(house: House) -> None:
    lives: list[str] = []

    class Checking:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_start(self) -> None:
            lives.append("start")

        @hookimpl
        async def hikrecv_remote_check(self, event: Event) -> bool:
            return True

        @hookimpl
        async def hikrecv_stop(self) -> None:
            lives.append("stop")

    house.start({"checks": house.stage.reaction(Checking, "checks")})
    house.stage.publish_many(2)
    row = house.row("checks")
    house.stop()

    assert (row.state, row.lag_events) == ("waiting", 0)
    assert lives == ["start", "stop"]
    assert house.stage.ledger.places() == {}


def test_no_thread_is_left_behind(stage: Any) -> None:
    before = set(threading.enumerate())
    house = House(stage)
    house.start(house.reactions("hq"))
    house.stop()

    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


# -- a ledger in trouble ---------------------------------------------------------------


class Reluctant:
    """A ledger that counts what is on disk and can be made to refuse."""

    def __init__(self, ledger: Ledger, clock: Any) -> None:
        self._ledger, self._clock = ledger, clock
        self.error: Exception | None = None
        self.commits: list[float] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)
        if name == "close":
            return method

        def call(*values: Any) -> Any:
            if self.error is not None:
                raise self.error
            if name == "commit" and self._ledger._grouped:
                self.commits.append(self._clock.seconds())
            return method(*values)

        return call


def test_what_a_crash_repeats_is_a_small_share_of_the_life_before_it(stage: Any) -> None:
    ledger = Reluctant(stage.ledger, stage.clock)
    house = House(stage, ledger=ledger)
    house.start(house.reactions("hq"))

    for seq in range(1, 3001):
        stage.publish(stage.event(seq))
        if seq == 1:
            assert ledger.commits == [stage.clock.seconds()]  # the first at once
        stage.clock.advance(0.02)
    gaps = {at: later - at for at, later in zip(ledger.commits, ledger.commits[1:], strict=False)}

    # Beside that share there is the time for which a cursor waits to be written at all.
    assert all(gap <= max(at / 20, 0.02) + 0.1 for at, gap in gaps.items())
    assert 1.0 <= max(gaps.values()) <= 1.1
    assert len(gaps) < 250
    house.stop()


def test_who_hands_over_much_in_a_moment_repeats_little_of_it(stage: Any) -> None:
    ledger = Reluctant(stage.ledger, stage.clock)
    house = House(stage, ledger=ledger)
    house.start(house.reactions("hq"))
    stage.publish_many(1)
    for _ in range(100):
        stage.clock.advance(1.0)
    before = stage.ledger.places()["hq"].cursor
    assert stage.ledger._grouped == {}

    stage.publish_many(3000)
    stage.clock.advance(0.1)

    assert before == 1
    assert not stage.ledger._grouped
    house.stop()


def test_a_ledger_that_cannot_be_used_at_the_start_is_opened_as_soon_as_it_can(stage: Any) -> None:
    errors: list[Exception] = [LedgerBusy("the ledger cannot be used now: disk I/O error")] * 3
    at = []

    def reopen() -> Any:
        at.append(stage.clock.seconds())
        if errors:
            raise errors.pop()
        return stage.ledger

    stage.ledger.add("hq", 0)
    stage.publish_many(2)
    house = House(stage, ledger=None, reopen=reopen)
    house.start(house.reactions("hq", "yard"))
    blocked = house.row("hq")
    with pytest.raises(HikrecvError, match="disk I/O error"):
        house.do(house.dispatch.rewind("hq", "now"))
    for _ in range(8):
        stage.clock.advance(0.5)

    assert (blocked.state, blocked.reason) == ("blocked", "the ledger cannot be used now: disk I/O error")
    assert len(at) == 4
    assert house.notes.of("hq") == [1, 2]
    assert house.notes.of("yard") == []  # it is new, and began when the receiver did
    stage.publish_many(1)
    assert house.notes.of("yard") == [3]
    house.stop()


def test_a_ledger_that_is_lost_under_way_stops_the_reactions_and_nothing_else(stage: Any) -> None:
    ledger = Reluctant(stage.ledger, stage.clock)
    made: list[Any] = []

    def anew(names: Any) -> Ledger:
        made.append(list(names))
        fresh = Ledger.open(":memory:")
        for name in names:
            fresh._later(name, Place(cursor=0, placed=False))
        return fresh

    house = House(stage, ledger=ledger, anew=anew)
    house.start(house.reactions("hq", "yard"))
    stage.publish_many(2)
    stage.clock.advance(1.0)

    ledger.error = LedgerError("ledger.sqlite was removed while it was in use; rewind them")
    for _ in range(40):
        stage.clock.advance(0.5)
    stage.publish_many(2)

    assert {(row.state, row.reason) for row in house.dispatch.status()} == {("unplaced", str(ledger.error))}
    assert house.dispatch.holds() == {"hq": 2, "yard": 2}  # what they have not had is held for them
    assert house.notes.of("hq") == [1, 2]
    house.do(house.dispatch.rewind("hq", "3"))
    stage.clock.advance(1.0)
    assert made == [["hq", "yard"]]
    assert house.notes.of("hq") == [1, 2, 3, 4]
    assert house.row("yard").state == "unplaced"
    house.dispatch.ledger.close()
    house.stop()


def test_a_rewind_that_the_ledger_refuses_leaves_the_reaction_where_it_was(stage: Any) -> None:
    ledger = Reluctant(stage.ledger, stage.clock)
    house = House(stage, ledger=ledger)
    house.start(house.reactions("hq"))
    stage.publish_many(2)
    stage.clock.advance(1.0)

    ledger.error = LedgerBusy("the ledger cannot be used now: database or disk is full")
    with pytest.raises(HikrecvError, match="disk is full"):
        house.do(house.dispatch.rewind("hq", "1"))
    assert house.row("hq").state == "blocked"
    ledger.error = None
    stage.clock.advance(1.0)
    stage.publish_many(1)

    assert house.notes.of("hq") == [1, 2, 3]
    assert house.row("hq").state == "waiting"
    house.stop()


def test_a_paused_reaction_holds_what_it_has_not_had(house: House) -> None:
    house.start(house.reactions("hq"))
    house.stage.publish_many(2)
    house.do(house.dispatch.pause("hq"))
    house.stage.publish_many(3)

    assert house.dispatch.holds() == {"hq": 2}
    house.stage.clock.advance(2)
    assert house.dispatch.committed == {"hq": 2}


def test_a_new_reaction_begins_where_it_was_decided_before_and_not_at_the_newest(house: House) -> None:
    house.stage.publish_many(5)

    house.do(house.dispatch.start(house.reactions("hq", "hr"), {"hq": 3, "hr": 0}))

    assert house.notes.of("hq") == [3, 4, 5]
    assert house.row("hr").state == "unplaced"
    assert "journal/holds could not be read" in house.row("hr").reason
    house.do(house.dispatch.rewind("hr", 5))
    assert house.notes.of("hr") == [5]


def test_a_place_in_the_ledger_wins_over_where_a_reaction_would_begin(house: House) -> None:
    house.stage.publish_many(5)
    house.stage.ledger.add("hq", 1)

    house.do(house.dispatch.start(house.reactions("hq"), {"hq": 4}))

    assert house.notes.of("hq") == [2, 3, 4, 5]

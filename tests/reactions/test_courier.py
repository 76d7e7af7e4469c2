"""One reaction's events, from the feed to one of their four ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred

from hikrecv import hookimpl
from hikrecv.errors import Reject, Retry
from hikrecv.isapi.event import Episode, Event, Match, Picture
from hikrecv.reactions.book import APART
from hikrecv.reactions.slices import MOST_PUSHES


class Script:
    """Makes plugins whose `hikrecv_event` notes the event and does what it is told next."""

    def __init__(self, *then: Any) -> None:
        self.seen: list[int] = []
        self.attempts: list[int] = []
        self.lives: list[str] = []
        self._then = list(then)

    def plugin(self, **said: Any) -> type:
        script = self

        class Scripted:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_event(self, event: Event, context: Any) -> None:
                script.seen.append(event.seq)
                script.attempts.append(context.attempt)
                await script.follow()

        for name, value in said.items():
            setattr(Scripted, name, value)
        return Scripted

    async def follow(self) -> None:
        step = self._then.pop(0) if self._then else None
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Deferred):
            await step
        elif callable(step):
            await step()


def letters(stage: Any, name: str = "hq") -> list[tuple[int, str]]:
    return [(letter.seq, letter.reason) for letter in stage.ledger.dead_letters(name)]


def cursor(stage: Any, name: str = "hq") -> int:
    """Where the ledger has it, when the writes that keep apart have been made."""
    stage.clock.advance(APART)
    return stage.ledger.places()[name].cursor


# -- in order, and the cursor ------------------------------------------------------


def test_events_are_handed_over_in_order_and_the_cursor_follows(stage: Any) -> None:
    script = Script()
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)

    stage.publish_many(3)

    assert script.seen == [1, 2, 3]
    assert cursor(stage) == 3
    status = courier.status()
    assert (status.state, status.position, status.lag_events, status.done) == ("waiting", 3, 0, 3)


def test_what_was_there_before_is_read_back_first(stage: Any) -> None:
    script = Script()
    for seq in range(1, 2 * MOST_PUSHES):
        stage.keep(stage.event(seq))
    stage.feed = stage.new_feed()

    stage.courier(stage.reaction(script.plugin()), cursor=10)
    stage.publish(stage.event(2 * MOST_PUSHES))

    assert script.seen == list(range(11, 2 * MOST_PUSHES + 1))


def test_what_is_not_wanted_moves_the_cursor_a_moment_later(stage: Any) -> None:
    script = Script()
    stage.courier(stage.reaction(script.plugin(), families=["plate"]), cursor=0)

    stage.publish_many(5)
    assert cursor(stage) == 0
    stage.clock.advance(1)

    assert cursor(stage) == 5
    assert script.seen == []


def test_a_slow_hook_holds_back_only_its_own_reaction(stage: Any) -> None:
    slow, quick = Script(Deferred()), Script()
    first = stage.courier(stage.reaction(slow.plugin(), "slow"), cursor=0)
    stage.courier(stage.reaction(quick.plugin(), "quick"), cursor=0)

    stage.publish_many(3)

    assert slow.seen == [1]
    assert quick.seen == [1, 2, 3]
    status = first.status()
    assert (status.state, status.lag_events) == ("working", 3)


def test_a_courier_that_stopped_goes_on_where_it_was(stage: Any) -> None:
    script = Script()
    reaction = stage.reaction(script.plugin())
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(2)
    stage.stop(courier)
    stage.publish_many(2)
    assert script.seen == [1, 2]

    stage.courier(reaction)

    assert script.seen == [1, 2, 3, 4]


def test_an_event_that_was_under_way_in_a_crash_is_handed_over_again(stage: Any) -> None:
    script = Script(None, Deferred())
    reaction = stage.reaction(script.plugin())
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(2)
    stage.crash(courier)

    stage.courier(reaction)

    assert script.seen == [1, 2, 2]
    assert cursor(stage) == 2


def test_of_a_push_with_several_events_only_those_not_done_are_repeated(stage: Any) -> None:
    seen: list[tuple[int, int]] = []
    blocked: list[Deferred[None]] = [Deferred()]

    class Plugin:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_event(self, event: Event) -> None:
            seen.append((event.seq, event.n))
            if event.n == 2 and blocked:
                await blocked.pop()

    reaction = stage.reaction(Plugin)
    courier = stage.courier(reaction, cursor=0)
    stage.publish(*(stage.event(1, n) for n in range(4)))
    assert seen == [(1, 0), (1, 1), (1, 2)]
    stage.clock.advance(APART)
    stage.crash(courier)

    stage.courier(reaction)

    assert seen[3:] == [(1, 2), (1, 3)]


def test_what_retention_took_is_counted_and_passed_over(stage: Any) -> None:
    for seq in range(1, 11):
        stage.keep(stage.event(seq))
    stage.feed = stage.new_feed()
    stage.first = 5
    script = Script()

    courier = stage.courier(stage.reaction(script.plugin()), cursor=2)

    assert script.seen == [5, 6, 7, 8, 9, 10]
    assert courier.status().lost == 2


@pytest.mark.parametrize(("first", "lost"), [(3, 0), (4, 1)])
def test_one_push_that_retention_took_is_one_and_none_is_none(stage: Any, first: int, lost: int) -> None:
    for seq in range(1, 11):
        stage.keep(stage.event(seq))
    stage.feed = stage.new_feed()
    stage.first = first
    script = Script()

    courier = stage.courier(stage.reaction(script.plugin()), cursor=2)

    assert script.seen == list(range(first, 11))
    assert courier.status().lost == lost


def test_a_rule_that_fails_leaves_out_the_event_and_costs_nobody_else(stage: Any) -> None:
    script, other = Script(), Script()
    reaction = stage.reaction(script.plugin())
    reaction.wants = lambda event: 1 // (event.seq - 2)
    courier = stage.courier(reaction, cursor=0)
    stage.courier(stage.reaction(other.plugin(), "other"), cursor=0)

    stage.publish_many(3)

    assert script.seen == [1, 3]
    assert other.seen == [1, 2, 3]
    assert courier.status().left_out["its rule failed"] > 0


# -- the four ends -----------------------------------------------------------------


def test_retry_is_tried_again_for_ever_with_a_growing_wait(stage: Any) -> None:
    script = Script(*[Retry("down")] * 12)
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(2)

    assert script.seen == [1]
    stage.clock.advance(0.79)
    assert script.seen == [1]
    stage.clock.advance(0.3)
    assert script.attempts == [1, 2]
    status = courier.status()
    assert (status.state, status.reason, status.attempts) == ("retrying", "down", 2)
    assert 1.6 <= status.retry_in <= 2.0

    for _ in range(12):
        stage.clock.advance(300)
    assert script.seen == [1] * 13 + [2]
    assert letters(stage) == []


def test_a_plugin_says_when_to_come_back(stage: Any) -> None:
    script = Script(Retry("busy", after=42))
    stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(1)

    stage.clock.advance(41.9)
    assert script.seen == [1]
    stage.clock.advance(0.1)
    assert script.seen == [1, 1]


def test_a_lost_connection_and_a_time_out_are_tried_again(stage: Any) -> None:
    script = Script(ConnectionResetError("reset"), Deferred())
    courier = stage.courier(stage.reaction(script.plugin(), timeout=5), cursor=0)
    stage.publish_many(1)

    stage.clock.advance(1)
    stage.clock.advance(5)
    assert courier.status().last_error == "it took longer than 5 s"
    stage.clock.advance(2)

    assert script.seen == [1, 1, 1]
    assert cursor(stage) == 1


def test_reject_is_a_dead_letter_at_once(stage: Any) -> None:
    script = Script(Reject("no such list"))
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)

    stage.publish_many(2)

    assert script.seen == [1, 2]
    assert letters(stage) == [(1, "no such list")]
    assert courier.status().last_error == "no such list"


def test_a_bug_is_tried_five_times_and_then_a_dead_letter(stage: Any) -> None:
    script = Script(*[ValueError("oops")] * 5)
    stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(2)

    for _ in range(5):
        stage.clock.advance(20)

    assert script.seen == [1] * 5 + [2]
    assert letters(stage) == [(1, "ValueError: oops")]


def test_how_often_a_bug_is_tried_is_the_tables_to_say(stage: Any) -> None:
    script = Script(SystemExit(1), KeyboardInterrupt())
    stage.courier(stage.reaction(script.plugin(), retry=2), cursor=0)
    stage.publish_many(2)

    stage.clock.advance(20)

    assert script.seen == [1, 1, 2]
    assert letters(stage) == [(1, "KeyboardInterrupt")]


def test_with_max_age_an_event_is_given_up_when_it_is_too_old(stage: Any) -> None:
    script = Script(*[Retry("down")] * 9)
    stage.courier(stage.reaction(script.plugin(), max_age="10s"), cursor=0)
    stage.publish_many(1)

    for _ in range(12):
        stage.clock.advance(1)

    assert letters(stage) == [(1, "not done within 10 s: down")]


def test_an_event_that_is_too_old_before_its_first_attempt_is_left_out(stage: Any) -> None:
    stage.keep(stage.event(1))
    stage.clock.advance(60)
    stage.keep(stage.event(2))
    stage.feed = stage.new_feed()
    script = Script()

    courier = stage.courier(stage.reaction(script.plugin(), max_age="10s"), cursor=0)

    assert script.seen == [2]
    assert letters(stage) == []
    assert courier.status().left_out == {"too old": 1}


def test_after_twenty_failures_in_a_row_one_event_probes(stage: Any) -> None:
    script = Script(*[ValueError("broken")] * 22)
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(30)
    for _ in range(100):
        stage.clock.advance(1)
    assert len(script.seen) == 20
    assert len(letters(stage)) == 4
    assert courier.status().state == "probing"

    stage.clock.advance(300)
    assert len(script.seen) == 21
    stage.clock.advance(300)
    stage.clock.advance(300)

    assert script.seen[20:] == [5, 5, 5, *range(6, 31)]
    assert courier.status().state == "waiting"


# -- pause, resume, suspend, stop ----------------------------------------------------


def test_a_paused_reaction_is_handed_nothing_and_goes_on_when_resumed(stage: Any) -> None:
    script = Script()
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    courier.pause()
    stage.publish_many(3)
    assert script.seen == []
    assert (courier.status().state, courier.status().lag_events) == ("paused", 3)

    courier.resume()

    assert script.seen == [1, 2, 3]


def test_resuming_does_not_wait_for_the_back_off(stage: Any) -> None:
    script = Script(*[Retry("down")] * 3)
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(1)
    stage.clock.advance(2)
    stage.clock.advance(2)
    assert len(script.seen) == 3

    courier.resume()

    assert len(script.seen) == 4


def test_a_throttled_reaction_says_why_and_goes_on_by_itself(stage: Any) -> None:
    script = Script()
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)

    courier.throttle(20.0, "it blocked the reactor")
    stage.publish_many(1)

    assert script.seen == []
    assert (courier.status().state, courier.status().reason) == ("throttled", "it blocked the reactor")
    stage.clock.advance(20)
    assert script.seen == [1]
    assert courier.status().state == "waiting"


def test_calls_that_never_come_back_suspend_a_reaction_until_they_do(stage: Any) -> None:
    ends: list[Deferred[None]] = []

    async def swallow() -> None:
        try:
            await Deferred()
        except CancelledError:
            ends.append(Deferred())
            await ends[-1]

    script = Script(*[swallow] * 4)
    courier = stage.courier(stage.reaction(script.plugin(), timeout=1), cursor=0)
    stage.publish_many(1)
    for _ in range(40):
        stage.clock.advance(1)
    assert len(script.seen) == 4
    assert (courier.status().state, courier.status().zombies) == ("suspended", 4)

    ends[0].callback(None)
    stage.clock.advance(1)

    assert script.seen == [1] * 5
    assert courier.status().state == "waiting"


def test_stopping_lets_the_attempt_end_and_writes_the_cursor(stage: Any) -> None:
    end: Deferred[None] = Deferred()
    script = Script(end)
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(2)

    stopped = Deferred.fromCoroutine(courier.stop(5))
    assert not stopped.called
    end.callback(None)

    assert stopped.called
    assert cursor(stage) == 1
    assert script.seen == [1]


def test_stopping_does_not_wait_longer_than_its_grace(stage: Any) -> None:
    script = Script(Deferred())
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(2)

    stage.stop(courier, grace=5)

    assert cursor(stage) == 0
    assert courier.status().state == "stopped"


def test_stopping_ends_a_back_off_at_once(stage: Any) -> None:
    script = Script(*[Retry("down", after=1000)] * 2)
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(1)

    stopped = Deferred.fromCoroutine(courier.stop(5))

    assert stopped.called
    assert script.seen == [1]


class Living:
    """A plugin with a beginning and an end."""

    notes: list[str]

    def __init__(self, context: Any) -> None:
        pass

    @hookimpl
    async def hikrecv_start(self) -> None:
        self.notes.append("start")
        if len(self.notes) < 3:
            raise ConnectionRefusedError("not yet")

    @hookimpl
    async def hikrecv_event(self, event: Event) -> None:
        self.notes.append(f"event {event.seq}")

    @hookimpl
    async def hikrecv_stop(self) -> None:
        self.notes.append("stop")


def test_a_reaction_starts_before_its_first_event_however_long_it_takes_and_stops_after_its_last(
    stage: Any,
) -> None:
    Living.notes = []
    courier = stage.courier(stage.reaction(Living), cursor=0)
    stage.publish_many(1)
    assert (courier.status().state, courier.status().reason) == (
        "blocked",
        "hikrecv_start failed: ConnectionRefusedError: not yet",
    )

    stage.clock.advance(1)
    stage.clock.advance(2)
    stage.stop(courier)

    assert Living.notes == ["start", "start", "start", "event 1", "stop"]


# -- trouble that is ours --------------------------------------------------------------


def test_a_journal_that_cannot_be_read_is_tried_again_and_said(stage: Any) -> None:
    from hikrecv.errors import JournalError

    stage.keep(stage.event(1))
    stage.feed = stage.new_feed()
    broken = [JournalError("the disk is gone")]
    read_from = stage.read_from

    def read(start: int) -> Any:
        if broken:
            raise broken[0]
        return read_from(start)

    stage.feed._slices._open_at = read
    script = Script()
    courier = stage.courier(stage.reaction(script.plugin()), cursor=0)
    assert (courier.status().state, courier.status().reason) == (
        "blocked",
        "the journal cannot be read: the disk is gone",
    )

    broken.clear()
    stage.clock.advance(1)

    assert script.seen == [1]
    assert courier.status().state == "waiting"


def test_an_error_of_ours_costs_no_event_whether_it_was_beside_or_on_the_line(stage: Any) -> None:
    for concurrency in (1, 2):
        script = Script()
        name = f"hq{concurrency}"
        courier = stage.courier(
            stage.reaction(script.plugin(), name, concurrency=concurrency), cursor=stage.feed.last
        )
        first = stage.feed.last + 1
        call, broken = courier.calls.call, [ZeroDivisionError("ours")]

        async def fail_once(*values: Any, broken: Any = broken, call: Any = call, **more: Any) -> Any:
            if broken:
                raise broken.pop()
            return await call(*values, **more)

        courier.calls.call = fail_once
        stage.publish_many(3)
        assert courier.status().state == "blocked"
        assert "the courier itself failed" in courier.status().reason
        stage.clock.advance(1)

        assert sorted(set(script.seen)) == [first, first + 1, first + 2]
        assert cursor(stage, name) == first + 2


class LostLedger:
    """A ledger that cannot be used until somebody repairs it."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.lost = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*values: Any) -> Any:
            from hikrecv.errors import LedgerError

            if self.lost:
                raise LedgerError("the ledger is lost")
            return getattr(self.ledger, name)(*values)

        return method


def test_without_a_ledger_a_reaction_waits_visibly(stage: Any) -> None:
    stage.ledger.add("hq", 0)
    whole, lost = stage.ledger, LostLedger(stage.ledger)
    script = Script(Reject("no"))
    reaction = stage.reaction(script.plugin())
    stage.ledger = lost
    lost.places = whole.places  # type: ignore[method-assign]
    courier = stage.courier(reaction)
    stage.publish_many(2)
    stage.ledger = whole
    assert courier.status().state == "blocked"
    assert courier.status().reason.startswith("the ledger does not answer: LedgerError: the ledger is lost")
    assert script.seen == [1]

    lost.lost = False
    stage.clock.advance(1)

    assert script.seen == [1, 2]
    assert letters(stage) == [(1, "no")]


# -- side by side ------------------------------------------------------------------------


def test_with_concurrency_the_order_holds_for_each_device_only(stage: Any) -> None:
    gate: Deferred[None] = Deferred()
    script = Script(gate)
    stage.courier(stage.reaction(script.plugin(), concurrency=3), cursor=0)

    for seq, device in enumerate(("gate", "gate", "yard", "door", "yard"), 1):
        stage.publish(stage.event(seq, device=device))

    assert script.seen == [1, 3, 4, 5]
    assert cursor(stage) == 0
    gate.callback(None)
    assert script.seen == [1, 3, 4, 5, 2]
    assert cursor(stage) == 5


def test_no_more_hooks_run_side_by_side_than_the_table_says(stage: Any) -> None:
    ends = [Deferred(), Deferred(), Deferred()]
    script = Script(*ends)
    stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)

    for seq in range(1, 4):
        stage.publish(stage.event(seq, device=f"camera {seq}"))
    assert script.seen == [1, 2]

    ends[1].callback(None)
    assert script.seen == [1, 2, 3]


def test_a_thousand_devices_that_waited_for_their_turn_go_on_one_after_the_other(stage: Any) -> None:
    ends: list[Deferred[None]] = [Deferred(), Deferred()]
    script = Script(*ends)
    stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)
    for seq in range(1, 1001):
        stage.publish(stage.event(seq, device=f"camera {seq}"))
    assert script.seen == [1, 2]

    ends[0].callback(None)

    assert script.seen == list(range(1, 1001))


def test_a_device_that_waits_for_its_next_attempt_takes_nobodys_turn(stage: Any) -> None:
    script = Script(Retry("closed", after=100), Retry("closed", after=100))
    stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)

    for seq in range(1, 6):
        stage.publish(stage.event(seq, device=f"camera {seq}"))

    assert script.seen == [1, 2, 3, 4, 5]


def test_what_is_done_above_the_cursor_is_not_repeated_after_a_crash(stage: Any) -> None:
    script = Script(Deferred())
    reaction = stage.reaction(script.plugin(), concurrency=2)
    courier = stage.courier(reaction, cursor=0)
    for seq in range(1, 5):
        stage.publish(stage.event(seq, device=f"camera {seq}"))
    assert script.seen == [1, 2, 3, 4]
    stage.clock.advance(APART)
    stage.crash(courier)

    stage.courier(reaction)
    stage.clock.advance(1)

    assert script.seen == [1, 2, 3, 4, 1]
    assert cursor(stage) == 4


def test_at_most_a_thousand_events_are_ahead_of_the_cursor(stage: Any) -> None:
    gate: Deferred[None] = Deferred()
    script = Script(gate)
    courier = stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)
    stage.publish(stage.event(1, device="stuck"))
    for seq in range(2, 1500):
        stage.publish(stage.event(seq))

    assert len(script.seen) == courier.order.ahead == 1000
    gate.callback(None)

    assert len(script.seen) == 1499
    assert cursor(stage) == 1499


def heavy(stage: Any, seq: int) -> Event:
    picture = Picture(n=0, role="face")
    picture.__dict__["_view"] = memoryview(BODY)
    event: Event = stage.event(seq, pictures=(picture,))
    return event


BODY = bytes(9_000_000)


def test_what_waits_behind_a_stuck_device_is_read_again_instead_of_held(stage: Any) -> None:
    gate: Deferred[None] = Deferred()
    seen: list[int | None] = []

    class Plugin:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_event(self, event: Event) -> None:
            if event.seq == 1:
                await gate
            content = event.pictures[0].content()
            seen.append(None if content is None else len(content))

    courier = stage.courier(stage.reaction(Plugin, concurrency=2), cursor=0)
    for seq in range(1, 6):
        stage.publish(heavy(stage, seq))
    assert courier._parallel is not None
    assert courier._parallel._held < 20_000_000

    gate.callback(None)

    assert seen == [9_000_000] * 5
    assert cursor(stage) == 5


def test_what_is_not_kept_any_more_when_its_turn_comes_is_a_dead_letter(stage: Any) -> None:
    gate: Deferred[None] = Deferred()
    script = Script(gate)
    stage.feed = stage.new_feed(most_bytes=1)
    stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)
    for seq in range(1, 5):
        stage.publish(heavy(stage, seq))
    stage.feed._slices.forget()
    stage.journal.pop(2)

    gate.callback(None)

    assert script.seen == [1, 2, 4]
    assert letters(stage) == [(3, "the journal gave it up before its turn came")]


# -- batches -----------------------------------------------------------------------------------


class Batches:
    """Makes plugins that take many events at once."""

    def __init__(self, *then: Any) -> None:
        self.seen: list[list[int]] = []
        self._then = list(then)

    def plugin(self) -> type:
        batches = self

        class Batched:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_events(self, events: Any, context: Any) -> None:
                batches.seen.append([event.seq for event in events])
                step = batches._then.pop(0) if batches._then else None
                if step is not None:
                    raise step

        return Batched


def test_a_batch_is_handed_over_when_it_is_full_or_its_oldest_waited_enough(stage: Any) -> None:
    batches = Batches()
    stage.courier(stage.reaction(batches.plugin(), batch={"most": 3, "wait": "5m"}), cursor=0)
    stage.publish_many(4)
    assert batches.seen == [[1, 2, 3]]
    assert cursor(stage) == 3

    stage.clock.advance(200)
    stage.publish_many(1)
    stage.clock.advance(100)

    assert batches.seen == [[1, 2, 3], [4, 5]]
    assert cursor(stage) == 5


def test_a_batch_that_fails_is_tried_again_as_a_whole(stage: Any) -> None:
    batches = Batches(Retry("down"))
    stage.courier(stage.reaction(batches.plugin(), batch={"most": 2, "wait": "5m"}), cursor=0)
    stage.publish_many(2)

    stage.clock.advance(1)

    assert batches.seen == [[1, 2], [1, 2]]


def test_one_bad_event_does_not_take_its_batch_with_it(stage: Any) -> None:
    batches = Batches(Reject("bad"), None, Reject("bad"))
    stage.courier(stage.reaction(batches.plugin(), batch={"most": 3, "wait": "5m"}), cursor=0)

    stage.publish_many(3)

    assert batches.seen == [[1, 2, 3], [1], [2], [3]]
    assert letters(stage) == [(2, "bad")]
    assert cursor(stage) == 3


def test_a_batch_that_was_waiting_in_a_crash_is_collected_again(stage: Any) -> None:
    batches = Batches()
    reaction = stage.reaction(batches.plugin(), batch={"most": 3, "wait": "5m"})
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(2)
    stage.crash(courier)

    stage.courier(reaction)
    stage.clock.advance(300)

    assert batches.seen == [[1, 2]]


def test_a_plugin_for_many_gets_them_one_by_one_without_a_batch(stage: Any) -> None:
    batches = Batches()
    stage.courier(stage.reaction(batches.plugin()), cursor=0)

    stage.publish_many(2)

    assert batches.seen == [[1], [2]]


# -- cooldown, episodes --------------------------------------------------------------------------


def test_a_cooldown_lets_one_event_in_a_while_through_for_each_device(stage: Any) -> None:
    script = Script()
    table = {"cooldown": {"every": "30s", "per": "device"}}
    courier = stage.courier(stage.reaction(script.plugin(), **table), cursor=0)
    for seq, device in enumerate(("gate", "gate", "yard", "gate"), 1):
        stage.publish(stage.event(seq, device=device))
        stage.clock.advance(12)

    assert script.seen == [1, 3, 4]
    assert courier.status().left_out == {"cooling down": 1}


def test_a_cooldown_outlives_a_restart(stage: Any) -> None:
    script = Script()
    reaction = stage.reaction(script.plugin(), cooldown={"every": "30s", "per": "device"})
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(1)
    stage.crash(courier)

    stage.courier(reaction)
    stage.publish_many(1)

    assert script.seen == [1]


def test_an_event_that_came_to_nothing_starts_no_cooldown(stage: Any) -> None:
    script = Script(Reject("no"))
    stage.courier(stage.reaction(script.plugin(), cooldown={"every": "30s"}), cursor=0)

    stage.publish_many(3)

    assert script.seen == [1, 2]


def test_an_event_that_is_tried_again_after_a_crash_is_not_held_back_by_itself(stage: Any) -> None:
    script = Script(Deferred())
    reaction = stage.reaction(script.plugin(), cooldown={"every": "30s"})
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(1)
    stage.crash(courier)

    stage.courier(reaction)

    assert script.seen == [1, 1]


def motion(stage: Any, seq: int, first: int | None = None, **fields: Any) -> Event:
    began = None if first is None else stage.journal[first - 1][1][0]
    episode = began and Episode(id=began.id, count=seq - began.seq, first=began.received)
    return stage.event(seq, family="motion", type="VMD", episode=episode, **fields)


class Ids(Script):
    """The same, noting ids."""

    def plugin(self, **said: Any) -> type:
        script = self

        class Scripted:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_event(self, event: Event) -> None:
                script.seen.append((event.id, event.state))  # type: ignore[arg-type]
                await script.follow()

        return Scripted


def test_who_wants_only_the_first_of_an_alarm_gets_it_and_its_end(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first"), cursor=0)
    stage.publish(motion(stage, 1))
    for seq in range(2, 5):
        stage.clock.advance(1)
        stage.publish(motion(stage, seq, first=1))
    assert ids.seen == [("word-1-0", "active")]

    stage.clock.advance(1)
    stage.publish(motion(stage, 5, first=1, state="inactive"))

    assert ids.seen == [("word-1-0", "active"), ("word-1-0-end", "inactive")]
    assert cursor(stage) == 5


def test_an_alarm_that_falls_silent_ends_when_nothing_else_comes(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first"), cursor=0)
    stage.publish(motion(stage, 1))

    stage.clock.advance(5.5)
    assert len(ids.seen) == 1
    stage.clock.advance(1)
    stage.clock.advance(1)

    assert ids.seen == [("word-1-0", "active"), ("word-1-0-end", "inactive")]


def test_the_end_of_an_alarm_that_began_before_a_restart_is_told(stage: Any) -> None:
    ids = Ids()
    reaction = stage.reaction(ids.plugin(), repeats="first")
    courier = stage.courier(reaction, cursor=0)
    stage.publish(motion(stage, 1))
    stage.crash(courier)

    stage.courier(reaction)
    stage.publish(motion(stage, 2, first=1, state="inactive"))

    assert [each[0] for each in ids.seen] == ["word-1-0", "word-1-0-end"]


def test_the_first_that_a_rule_wants_begins_the_alarm(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first", when='description == "a person"'), cursor=0)
    stage.publish(motion(stage, 1, description="a car"))
    for seq, what in ((2, "a person"), (3, "a person"), (4, "a car")):
        stage.publish(motion(stage, seq, first=1, description=what))
    assert [each[0] for each in ids.seen] == ["word-2-0"]

    stage.publish(motion(stage, 5, first=1, state="inactive"))

    assert [each[0] for each in ids.seen] == ["word-2-0", "word-1-0-end"]


def test_an_alarm_whose_beginning_was_handed_over_before_a_restart_does_not_begin_again(stage: Any) -> None:
    ids = Ids()
    reaction = stage.reaction(ids.plugin(), repeats="first", when='description == "a person"')
    courier = stage.courier(reaction, cursor=0)
    stage.publish(motion(stage, 1, description="a car"))
    stage.publish(motion(stage, 2, first=1, description="a person"))
    stage.crash(courier)

    stage.courier(reaction)
    stage.publish(motion(stage, 3, first=1, description="a person"))

    assert [each[0] for each in ids.seen] == ["word-2-0"]


def test_an_alarm_that_no_rule_wanted_has_no_end(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first", when='description == "a person"'), cursor=0)
    stage.publish(motion(stage, 1, description="a car"))

    stage.publish(motion(stage, 2, first=1, state="inactive", description="a person"))

    assert ids.seen == []


def test_a_first_event_that_was_held_back_has_no_end(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first", cooldown={"every": "1h"}), cursor=0)
    for _ in range(2):
        stage.publish(motion(stage, stage.feed.last + 1))
        stage.clock.advance(7)
        stage.clock.advance(1)

    assert [each[0] for each in ids.seen] == ["word-1-0", "word-1-0-end"]


# -- at most once, and what acts --------------------------------------------------------------------


def test_at_most_once_a_success_is_not_repeated_and_its_mark_is_kept(stage: Any) -> None:
    script = Script()
    reaction = stage.reaction(script.plugin(delivery="at-most-once"))
    stage.courier(reaction, cursor=0)

    stage.publish_many(2)

    assert script.seen == [1, 2]
    assert not stage.ledger.mark("hq", "gate/1/0", stage.wall())


@pytest.mark.parametrize(
    "problem", [ValueError("oops"), ConnectionResetError("reset"), Retry("?", certain=False)]
)
def test_at_most_once_a_failure_that_may_have_acted_is_never_repeated(stage: Any, problem: Exception) -> None:
    script = Script(problem)
    stage.courier(stage.reaction(script.plugin(delivery="at-most-once")), cursor=0)
    stage.publish_many(1)

    stage.clock.advance(60)

    assert script.seen == [1]
    [(seq, reason)] = letters(stage)
    assert seq == 1
    assert reason.startswith("perhaps done: ")


def test_at_most_once_retry_means_that_nothing_has_happened_and_is_tried_again_within_max_age(
    stage: Any,
) -> None:
    script = Script(Retry("locked"), Retry("locked"))
    stage.courier(stage.reaction(script.plugin(delivery="at-most-once"), max_age="10s"), cursor=0)
    stage.publish_many(1)

    stage.clock.advance(1)
    stage.clock.advance(2)

    assert script.seen == [1, 1, 1]
    assert letters(stage) == []


def test_at_most_once_retry_ends_with_max_age(stage: Any) -> None:
    script = Script(*[Retry("locked")] * 20)
    stage.courier(stage.reaction(script.plugin(delivery="at-most-once")), cursor=0)
    stage.publish_many(1)

    for _ in range(20):
        stage.clock.advance(1)

    assert letters(stage) == [(1, "not done within 10 s: locked")]


def test_at_most_once_what_was_begun_before_a_crash_is_perhaps_done(stage: Any) -> None:
    script = Script(Deferred())
    reaction = stage.reaction(script.plugin(delivery="at-most-once"), max_age="1h")
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(2)
    stage.crash(courier)

    stage.courier(reaction)

    assert script.seen == [1, 2]
    assert [(seq, reason.partition(":")[0]) for seq, reason in letters(stage)] == [(1, "perhaps done")]


def test_at_most_once_a_device_that_sends_again_is_not_obeyed_twice(stage: Any) -> None:
    script = Script()
    courier = stage.courier(stage.reaction(script.plugin(delivery="at-most-once")), cursor=0)
    first = stage.event(1)
    stage.publish(first)

    stage.publish(stage.event(2, key=first.key, duplicate_of=first.id))

    assert script.seen == [1]
    assert letters(stage) == []
    assert courier.status().left_out == {"repeated": 1}


def test_what_acts_gets_only_live_events_of_admitted_senders_that_the_config_names(stage: Any) -> None:
    from hikrecv.push import Peer

    script = Script()
    stage.courier(stage.reaction(script.plugin(acts=True)), cursor=0)
    stage.publish(stage.event(1, freshness="late"))
    stage.publish(stage.event(2, freshness="resent"))
    stage.publish(stage.event(3, peer=Peer(ip="10.0.0.9", port=1, trust="none")))
    stage.publish(stage.event(4, device="44:19:b6:00:00:01"))
    stage.publish(stage.event(5, device="gate/33"))
    stage.publish(stage.event(6))

    assert script.seen == [5, 6]


def test_what_acts_never_acts_on_yesterdays_event_however_long_it_was_down(stage: Any) -> None:
    stage.keep(stage.event(1))
    stage.clock.advance(86_400)
    stage.feed = stage.new_feed()
    script = Script()

    courier = stage.courier(stage.reaction(script.plugin(acts=True)), cursor=0)

    assert script.seen == []
    assert courier.status().left_out == {"too old": 1}


def test_a_breaker_that_made_it_wait_does_not_let_an_old_event_act(stage: Any) -> None:
    script = Script(*[ValueError("broken")] * 20)
    courier = stage.courier(stage.reaction(script.plugin(acts=True, delivery="at-most-once")), cursor=0)
    stage.publish_many(21)
    assert len(script.seen) == 20
    assert courier.status().state == "probing"

    stage.clock.advance(300)
    stage.clock.advance(0)

    assert len(script.seen) == 20
    assert courier.status().left_out == {"too old": 1}
    assert stage.ledger.mark("hq", "gate/21/0", 0.0), "what was never begun has no mark"


def test_a_door_that_works_again_after_a_breaker_opens_for_the_next_who_comes(stage: Any) -> None:
    script = Script(*[Retry("busy")] * 40)
    courier = stage.courier(stage.reaction(script.plugin(acts=True, delivery="at-most-once")), cursor=0)
    seq = 0
    while courier.status().state != "probing":
        seq += 1
        stage.publish(stage.event(seq))
        for _ in range(11):
            stage.clock.advance(1)
    script._then.clear()

    stage.publish(stage.event(seq + 1))
    for _ in range(6):
        stage.clock.advance(1)

    assert script.seen[-1] == seq + 1
    assert courier.status().state == "waiting"


def test_an_operator_who_resumes_does_not_wait_for_the_breaker(stage: Any) -> None:
    script = Script(*[ValueError("broken")] * 20)
    courier = stage.courier(stage.reaction(script.plugin(acts=True, delivery="at-most-once")), cursor=0)
    stage.publish_many(21)
    assert courier.status().state == "probing"

    courier.resume()
    stage.clock.advance(0)

    assert script.seen == list(range(1, 22))
    assert courier.status().state == "waiting"


def test_an_event_that_waited_for_its_turn_is_not_handed_over_after_a_pause(stage: Any) -> None:
    first: Deferred[None] = Deferred()
    script = Script(first)
    courier = stage.courier(stage.reaction(script.plugin(), concurrency=2), cursor=0)
    courier.handover.turns._free = 1
    stage.publish(stage.event(1, device="gate"))
    stage.publish(stage.event(2, device="yard"))

    courier.pause()
    first.callback(None)
    assert script.seen == [1]

    courier.resume()
    assert script.seen == [1, 2]


def test_a_ledger_that_made_it_wait_does_not_let_an_old_event_act(stage: Any) -> None:
    script = Script()
    reaction = stage.reaction(script.plugin(delivery="at-most-once"))
    marks: list[tuple[Deferred[Any], Any, Any]] = []

    def run(function: Any, *values: Any) -> Any:
        if function.__name__ != "mark":
            return maybeDeferred(function, *values)
        marks.append((Deferred(), function, values))
        return marks[-1][0]

    stage.run = run
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(1)
    stage.clock.advance(20)
    done, function, values = marks.pop()
    done.callback(function(*values))

    assert script.seen == []
    assert courier.status().left_out == {"too old": 1}


def test_the_end_of_an_alarm_is_not_old_because_the_devices_clock_is(stage: Any) -> None:
    ids = Ids()
    stage.courier(stage.reaction(ids.plugin(), repeats="first", max_age="30s"), cursor=0)
    long_ago = stage.event(1).received.replace(year=1970)

    stage.publish(motion(stage, 1, occurred=long_ago))
    stage.clock.advance(7)
    stage.clock.advance(1)

    assert [each[0] for each in ids.seen] == ["word-1-0-end"]


# -- the wall clock is set ---------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0, 31_536_000.0, -31_536_000.0])
def test_a_wall_clock_that_is_set_neither_storms_nor_sticks(stage: Any, jump: float) -> None:
    script = Script(*[Retry("down")] * 3)
    stage.courier(stage.reaction(script.plugin()), cursor=0)
    stage.publish_many(1)

    stage.jump = jump
    stage.clock.advance(0.5)
    assert len(script.seen) == 1
    for _ in range(3):
        stage.clock.advance(4)
    stage.publish_many(1)

    assert script.seen == [1, 1, 1, 1, 2]


def test_a_wall_clock_that_is_set_back_makes_no_old_event_young(stage: Any) -> None:
    blocked: Deferred[None] = Deferred()
    script = Script(blocked)
    courier = stage.courier(stage.reaction(script.plugin(acts=True)), cursor=0)
    stage.publish_many(2)
    stage.jump = -60.0
    stage.clock.advance(25)
    blocked.callback(None)
    stage.clock.advance(0)

    assert script.seen == [1]
    assert courier.status().left_out == {"too old": 1}


def test_what_was_there_before_this_life_and_lies_in_the_future_is_not_acted_on(stage: Any) -> None:
    stage.keep(stage.event(1))
    stage.feed = stage.new_feed()
    stage.jump = -3_600.0
    script = Script()

    stage.courier(stage.reaction(script.plugin(acts=True)), cursor=0)
    stage.publish(stage.event(2))

    assert script.seen == [2]


def test_a_cooldown_does_not_stick_when_the_wall_clock_is_set_back(stage: Any) -> None:
    script = Script()
    stage.courier(stage.reaction(script.plugin(), cooldown={"every": "30s"}), cursor=0)
    stage.publish_many(1)

    stage.jump = -31_536_000.0
    stage.publish_many(1)

    assert script.seen == [1, 2]


# -- the rest of the table ------------------------------------------------------------------------------


def test_only_what_the_rule_wants_is_handed_over_and_the_last_success_is_noted(
    stage: Any,
) -> None:
    script = Script()
    table = {"when": "match.similarity >= 0.9"}
    courier = stage.courier(stage.reaction(script.plugin(), **table), cursor=0)

    stage.publish(stage.event(1, match=Match(similarity=0.5)))
    stage.publish(stage.event(2, match=Match(similarity=0.95)))

    assert script.seen == [2]
    assert courier.status().last_success == stage.wall()

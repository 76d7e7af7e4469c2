"""`Hold`: nothing is wrong with the event, and nothing goes until an operator acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from hikrecv import Hold, hookimpl
from hikrecv.errors import Reject, Retry
from hikrecv.isapi.event import Event
from hikrecv.reactions.breaker import FAILURES
from hikrecv.reactions.hold_probes import ALONE, EVERY


class Server:
    """Lets nobody in while it is `shut`, and never takes the events in `refused`."""

    def __init__(self) -> None:
        self.shut = False
        self.refused: set[tuple[int, int]] = set()
        self.tried: list[tuple[int, int]] = []
        self.done: list[tuple[int, int]] = []
        self.marked: list[bool] = []

    def take(self, *events: Event) -> None:
        places = [(event.seq, event.n) for event in events]
        self.tried += places
        if self.shut or self.refused & set(places):
            raise Hold("hr refused the login; correct its password")
        self.done += places

    def plugin(self, *, together: bool = False, **said: Any) -> type:
        server = self

        class One:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_event(self, event: Event) -> None:
                server.take(event)

        class Many:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_events(self, events: tuple[Event, ...]) -> None:
                server.take(*events)

        found = Many if together else One
        for name, value in said.items():
            setattr(found, name, value)
        return found

    @property
    def seqs(self) -> list[int]:
        return [seq for seq, _ in self.done]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def logged() -> Iterator[Callable[[], list[str]]]:
    """What was logged so far."""
    lines: list[str] = []

    def observe(event: Any) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lambda: lines
    globalLogPublisher.removeObserver(observe)


def dead(stage: Any) -> list[tuple[int, str]]:
    return [(letter.seq, letter.reason) for letter in stage.ledger.dead_letters("hq")]


def test_a_hold_keeps_every_event_and_says_why(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)

    stage.publish_many(20)
    for _ in range(60):
        stage.clock.advance(60)

    status = courier.status()
    assert (status.state, status.reason) == ("holding", "hr refused the login; correct its password")
    assert (status.position, status.lag_events) == (0, 20)
    assert dead(stage) == []
    assert server.done == []

    server.shut = False
    stage.clock.advance(EVERY)

    assert server.seqs == list(range(1, 21))
    assert courier.status().state == "waiting"


def test_a_hold_is_probed_every_five_minutes_and_not_sooner(stage: Any, server: Server) -> None:
    server.shut = True
    stage.courier(stage.reaction(server.plugin()), cursor=0)

    stage.publish_many(5)
    stage.clock.advance(EVERY - 1)
    assert server.tried == [(1, 0)]
    stage.clock.advance(1)
    stage.clock.advance(EVERY)

    assert server.tried == [(1, 0)] * 3


def test_an_operator_who_resumes_need_not_wait_for_the_next_probe(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish_many(3)
    server.shut = False

    courier.resume()
    stage.clock.advance(0)

    assert server.seqs == [1, 2, 3]


def test_a_paused_hold_probes_when_it_is_resumed(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish_many(1)
    courier.pause()

    for _ in range(5):
        stage.clock.advance(EVERY)

    assert server.tried == [(1, 0)]
    courier.resume()
    assert server.tried == [(1, 0)] * 2


def test_a_firewall_that_refuses_one_name_does_not_stop_the_others(
    stage: Any, server: Server, logged: Callable[[], list[str]]
) -> None:
    server.refused = {(1, 0)}
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)

    stage.publish_many(5)
    for _ in range(ALONE - 1):
        stage.clock.advance(EVERY)
    assert server.done == []
    stage.clock.advance(EVERY)

    assert server.seqs == [2, 3, 4, 5], "the second went before its turn, and not once more"
    assert [seq for seq, _ in dead(stage)] == [1]
    assert "hr refused the login" in dead(stage)[0][1]
    assert courier.status().state == "waiting"
    assert courier.status().position == 5
    assert any("gives up the order for word-2-0" in line for line in logged())


def test_the_next_event_is_found_when_it_comes_later(stage: Any, server: Server) -> None:
    server.refused = {(1, 0)}
    stage.courier(stage.reaction(server.plugin(), when='device.id == "gate"'), cursor=0)
    stage.publish(stage.event(1))
    for _ in range(5):
        stage.clock.advance(EVERY)
    stage.publish(stage.event(2, device="yard"))
    stage.publish(stage.event(3))

    stage.clock.advance(EVERY)

    assert server.seqs == [3]
    assert [seq for seq, _ in dead(stage)] == [1]


def test_the_next_event_may_be_of_the_same_push(stage: Any, server: Server) -> None:
    server.refused = {(1, 0)}
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish(stage.event(1, 0), stage.event(1, 1), stage.event(1, 2))

    for _ in range(ALONE):
        stage.clock.advance(EVERY)

    assert server.done == [(1, 1), (1, 2)]
    assert courier.status().position == 1


def test_what_was_done_before_its_turn_is_not_repeated_after_a_crash(stage: Any, server: Server) -> None:
    server.refused = {(1, 0)}
    reaction = stage.reaction(server.plugin())
    courier = stage.courier(reaction, cursor=0)
    stage.publish_many(2)
    for _ in range(ALONE):
        stage.clock.advance(EVERY)
    assert server.seqs == [2]
    stage.clock.advance(1)

    stage.crash(courier)
    stage.courier(reaction)
    stage.clock.advance(1)

    assert server.seqs == [2]


def test_two_refused_names_in_a_row_do_not_stop_the_others(stage: Any, server: Server) -> None:
    server.refused = {(1, 0), (2, 0)}
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish_many(5)

    for _ in range(2 * ALONE + 4):
        stage.clock.advance(EVERY)

    assert server.seqs == [3, 4, 5]
    assert [seq for seq, _ in dead(stage)] == [1, 2]
    assert courier.status().state == "waiting"


def test_next_events_that_are_held_too_mean_that_the_login_is_wrong(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish_many(3)

    for _ in range(10):
        stage.clock.advance(EVERY)
    assert len(server.tried) <= 1 + 2 * 10, "not more than two attempts in five minutes"
    assert dead(stage) == []

    server.shut = False
    courier.resume()
    stage.clock.advance(0)
    assert server.seqs == [1, 2, 3]


def test_side_by_side_nobody_is_tried_while_one_holds(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin(), concurrency=3), cursor=0)
    for seq, device in enumerate(("gate", "yard", "door", "gate", "yard"), 1):
        stage.publish(stage.event(seq, device=device))
    stage.clock.advance(EVERY)
    stage.clock.advance(1)
    tried = len(server.tried)
    assert tried <= 4, "the first of each device at most, and one probe"

    server.shut = False
    stage.clock.advance(EVERY)

    assert sorted(server.seqs) == [1, 2, 3, 4, 5]
    assert courier.status().position == 5


def test_side_by_side_a_refused_name_stops_nobody(stage: Any, server: Server) -> None:
    server.refused = {(1, 0)}
    courier = stage.courier(stage.reaction(server.plugin(), concurrency=2), cursor=0)
    for seq in range(1, 7):
        stage.publish(stage.event(seq, device="gate" if seq % 2 else "yard"))
    for _ in range(ALONE + 1):
        stage.clock.advance(EVERY)

    assert sorted(server.seqs) == [2, 3, 4, 5, 6]
    assert [seq for seq, _ in dead(stage)] == [1]
    assert courier.status().position == 6


def test_what_was_done_already_is_not_done_again_to_find_out(stage: Any) -> None:
    begun: list[int] = []
    first: Deferred[None] = Deferred()

    class Slow:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_event(self, event: Event) -> None:
            begun.append(event.seq)
            if event.seq == 1:
                await first
                raise Hold("nobody is let in")

    courier = stage.courier(stage.reaction(Slow, concurrency=2), cursor=0)
    stage.publish(stage.event(1, device="gate"))
    stage.publish(stage.event(2, device="yard"))
    assert begun == [1, 2]
    first.callback(None)
    stage.publish(stage.event(3, device="yard"))

    for _ in range(ALONE + 1):
        stage.clock.advance(EVERY)

    assert begun.count(2) == 1
    assert begun.count(3) == 1
    assert [seq for seq, _ in dead(stage)] == [1]
    assert courier.status().position == 3


def test_one_refused_name_does_not_take_its_batch_with_it(stage: Any, server: Server) -> None:
    server.refused = {(2, 0)}
    table = {"batch": {"most": 4, "wait": "1s"}}
    courier = stage.courier(stage.reaction(server.plugin(together=True), **table), cursor=0)
    stage.publish_many(4)
    stage.clock.advance(1)
    for _ in range(3 * ALONE):
        stage.clock.advance(EVERY)
    # It holds by itself now; what comes next shows that it alone is refused.
    stage.publish_many(4)
    stage.clock.advance(1)
    for _ in range(ALONE + 1):
        stage.clock.advance(EVERY)

    assert sorted(server.seqs) == [1, 3, 4, 5, 6, 7, 8]
    assert len(server.done) == len(set(server.done))
    assert [seq for seq, _ in dead(stage)] == [2]
    assert courier.status().position == 8


def test_at_most_once_a_hold_is_certainly_not_done_and_its_age_goes_on(stage: Any, server: Server) -> None:
    server.shut = True
    plugin = server.plugin(delivery="at-most-once")
    courier = stage.courier(stage.reaction(plugin, max_age="10s"), cursor=0)
    stage.publish(stage.event(1))
    stage.clock.advance(5)
    assert courier.status().state == "holding"

    server.shut = False
    courier.resume()
    assert server.seqs == [1], "a mark that was set before does not make a doubtful case of it"

    server.shut = True
    stage.publish(stage.event(2))
    stage.clock.advance(10.1)
    assert [seq for seq, _ in dead(stage)] == [2]
    assert "not done within 10 s" in dead(stage)[0][1]
    assert courier.status().state == "holding"

    server.shut = False
    stage.clock.advance(EVERY)
    stage.publish(stage.event(3))
    assert server.seqs == [1, 3]


def test_the_breaker_rests_while_it_holds(stage: Any, server: Server) -> None:
    server.shut = True
    courier = stage.courier(stage.reaction(server.plugin()), cursor=0)
    stage.publish(stage.event(1))

    for _ in range(2 * FAILURES):
        stage.clock.advance(EVERY)

    assert not courier.handover.breaker.is_open
    assert courier.status().state == "holding"


@pytest.mark.parametrize("end", [Retry("away"), Reject("not this one"), ValueError("bug")])
def test_another_end_of_a_probe_is_no_hold(stage: Any, end: Exception) -> None:
    ends: list[Exception | None] = [Hold("no"), end, None]

    class Scripted:
        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_event(self, event: Event) -> None:
            if ends and (problem := ends.pop(0)) is not None:
                raise problem

    courier = stage.courier(stage.reaction(Scripted), cursor=0)
    stage.publish_many(2)
    stage.clock.advance(EVERY)

    assert courier.status().state != "holding"
    stage.clock.advance(5)
    assert courier.status().position == 2


def test_a_start_that_is_refused_holds_too(stage: Any, server: Server) -> None:
    server.shut = True

    class Starting(server.plugin()):  # type: ignore[misc]
        @hookimpl
        async def hikrecv_start(self) -> None:
            if server.shut:
                raise Hold("the broker refused the login")

    courier = stage.courier(stage.reaction(Starting), cursor=0)
    stage.publish(stage.event(1))
    assert (courier.status().state, courier.status().reason) == ("holding", "the broker refused the login")

    server.shut = False
    stage.clock.advance(EVERY)

    assert server.seqs == [1]
    assert courier.status().state == "waiting"


def test_a_reaction_that_holds_can_be_stopped_and_goes_on_where_it_was(stage: Any, server: Server) -> None:
    server.shut = True
    reaction = stage.reaction(server.plugin(), concurrency=2)
    courier = stage.courier(reaction, cursor=0)
    stage.publish(stage.event(1))
    stage.publish(stage.event(2, device="yard"))

    stage.stop(courier)
    server.shut = False
    stage.courier(reaction)
    stage.clock.advance(1)

    assert sorted(server.seqs) == [1, 2]


def test_at_most_once_what_was_perhaps_done_before_its_turn_is_not_repeated(stage: Any) -> None:
    begun: list[list[int]] = []

    class Once:
        delivery = "at-most-once"

        def __init__(self, context: Any) -> None:
            pass

        @hookimpl
        async def hikrecv_events(self, events: tuple[Event, ...]) -> None:
            begun.append([event.seq for event in events])
            if begun[-1] == [2]:
                raise ValueError("perhaps")
            raise Hold("nobody is let in")

    table = {"batch": {"most": 3, "wait": "1s"}, "max_age": "1d"}
    stage.courier(stage.reaction(Once, **table), cursor=0)
    stage.publish_many(3)
    for _ in range(12):
        stage.clock.advance(EVERY)

    after = begun[begun.index([2]) + 1 :]
    assert after
    assert not any(2 in call for call in after)
    assert [(seq, reason.startswith("perhaps done")) for seq, reason in dead(stage)] == [(2, True)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, 7)), st.sampled_from([1, 3]), st.booleans())
def test_whoever_is_refused_all_others_are_done_once(
    new_stage: Callable[[], Any], refused: set[int], concurrency: int, together: bool
) -> None:
    stage, server = new_stage(), Server()
    server.refused = {(seq, 0) for seq in refused}
    table: dict[str, Any] = {"batch": {"most": 3, "wait": "1s"}} if together else {"concurrency": concurrency}
    courier = stage.courier(stage.reaction(server.plugin(together=together), **table), cursor=0)

    # Each that is refused takes another that is done to tell.
    for seq in range(1, 16):
        stage.publish(stage.event(seq, device=("gate", "yard", "door")[seq % 3]))
    for _ in range(10 * (len(refused) + 1)):
        stage.clock.advance(EVERY)
        stage.clock.advance(1)

    assert sorted(server.seqs) == sorted({*range(1, 16)} - refused)
    assert {seq for seq, _ in dead(stage)} == refused
    assert courier.status().position == 15

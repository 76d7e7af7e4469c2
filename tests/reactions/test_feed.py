"""Events in journal order, from memory or from the journal."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hikrecv.errors import Gone, JournalError
from hikrecv.isapi.event import Event
from hikrecv.reactions.attempt import Attempts
from hikrecv.reactions.context import Context
from hikrecv.reactions.early import Early
from hikrecv.reactions.enrich import LIMIT, Enrichment
from hikrecv.reactions.feed import CACHE_PUSHES, Feed
from hikrecv.reactions.hooks import Hook, kind_of
from hikrecv.reactions.slices import MOST_PUSHES, Published
from hikrecv.reactions.threads import Threads


def result_of(coroutine: Any) -> Any:
    seen: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(seen.append)
    assert seen, "it waits"
    if hasattr(seen[0], "raiseException"):
        seen[0].raiseException()
    return seen[0]


def seqs(pushes: list[Published]) -> list[int]:
    return [seq for seq, _ in pushes]


def read_all(feed: Feed, seq: int = 0) -> list[int]:
    found: list[int] = []
    while pushes := result_of(feed.after(seq)):
        found += seqs(pushes)
        seq = found[-1]
    return found


def test_what_was_published_is_given_from_memory_in_order(stage: Any) -> None:
    stage.publish_many(3)

    assert seqs(result_of(stage.feed.after(1))) == [2, 3]
    assert result_of(stage.feed.after(3)) == []
    assert stage.opened == []


def test_everybody_who_wants_to_know_is_told_of_each_push(stage: Any) -> None:
    told: list[int] = []
    stage.feed.changed.append(lambda: told.append(stage.feed.last))

    stage.publish_many(2)

    assert told == [1, 2]


def test_what_was_there_before_this_life_is_read_back_and_then_memory_goes_on(stage: Any) -> None:
    for seq in range(1, 151):
        stage.keep(stage.event(seq))
    stage.feed = stage.new_feed()
    stage.publish_many(50)

    assert read_all(stage.feed) == list(range(1, 201))
    assert stage.opened == [1]


def test_a_slice_is_bounded(stage: Any) -> None:
    stage.publish_many(MOST_PUSHES + 10)

    assert len(result_of(stage.feed.after(0))) == MOST_PUSHES
    assert len(result_of(stage.feed.after(0, 5))) == 5


def test_memory_is_bounded_by_bytes_and_the_rest_is_read_back(stage: Any) -> None:
    feed = stage.new_feed(most_bytes=100_000)
    for seq in range(1, 51):
        event = stage.event(seq)
        stage.keep(event)
        feed.publish(seq, (event,), 8_000)

    assert seqs(feed.at_hand(40)) == list(range(41, 51))
    assert feed.at_hand(39) == []
    assert read_all(feed) == list(range(1, 51))


def test_memory_is_bounded_by_number_too(stage: Any) -> None:
    for seq in range(1, 2 * CACHE_PUSHES + 10):
        stage.feed.publish(seq, ())

    assert stage.feed.at_hand(CACHE_PUSHES - 1) == []
    assert seqs(stage.feed.at_hand(2 * CACHE_PUSHES + 8 - 2)) == [
        2 * CACHE_PUSHES + 7,
        2 * CACHE_PUSHES + 8,
        2 * CACHE_PUSHES + 9,
    ]


def test_couriers_at_the_same_place_read_the_journal_once(stage: Any) -> None:
    for seq in range(1, 200):
        stage.keep(stage.event(seq))
    feed = stage.new_feed()

    first, second = read_all(feed), read_all(feed)

    assert first == second == list(range(1, 200))
    assert stage.opened == [1]


def test_an_event_is_never_given_before_it_was_published(stage: Any) -> None:
    stage.keep(stage.event(1))
    feed = stage.new_feed()
    stage.keep(stage.event(2))

    assert read_all(feed) == [1]
    feed.publish(2, stage.journal[-1][1])
    assert read_all(feed) == [1, 2]


def test_what_the_journal_does_not_keep_any_more_is_passed_over(stage: Any) -> None:
    for seq in range(1, 11):
        stage.keep(stage.event(seq))
    feed = stage.new_feed()
    stage.first = 6

    assert read_all(feed) == [6, 7, 8, 9, 10]


def test_retention_that_is_quicker_than_the_reader_is_not_an_error(stage: Any) -> None:
    for seq in range(1, 11):
        stage.keep(stage.event(seq))

    def read_from(start: int) -> Any:
        if start < 5:
            stage.first = 5
            raise Gone("event 1 is no longer kept")
        return stage.read_from(start)

    feed = Feed(read_from, stage.run, stage.clock, last=10, first=lambda: stage.first)

    assert read_all(feed) == [5, 6, 7, 8, 9, 10]


def test_a_journal_that_cannot_be_read_says_so(stage: Any) -> None:
    def read_from(start: int) -> Any:
        raise JournalError("the disk is gone")

    feed = Feed(read_from, stage.run, stage.clock, last=10)

    with pytest.raises(JournalError, match="disk is gone"):
        result_of(feed.after(0))


def test_a_reader_that_gives_up_waiting_leaves_the_reading_to_the_others(stage: Any) -> None:
    for seq in range(1, 4):
        stage.keep(stage.event(seq))
    slow: list[Any] = []

    def in_thread(function: Any, *arguments: Any) -> Deferred[Any]:
        slow.append((Deferred(), function, arguments))
        return slow[-1][0]

    feed = Feed(stage.read_from, in_thread, stage.clock, last=3)
    impatient = Deferred.fromCoroutine(feed.after(0))
    patient = Deferred.fromCoroutine(feed.after(0))
    impatient.addErrback(lambda failure: None)
    impatient.cancel()
    done, function, arguments = slow.pop()
    done.callback(function(*arguments))

    assert seqs(result_of(wait_for(patient))) == [1, 2, 3]
    assert slow == []


async def wait_for(deferred: Deferred[Any]) -> Any:
    return await deferred


def test_age_is_measured_by_the_monotonic_clock(stage: Any) -> None:
    stage.keep(stage.event(1))
    stage.feed = stage.new_feed()
    stage.clock.advance(10)
    stage.publish(stage.event(2))
    stage.clock.advance(0.5)
    stage.publish(stage.event(3))
    stage.clock.advance(20)

    assert stage.feed.age(3) == 20.0
    assert 20.0 <= stage.feed.age(2) <= 20.5
    assert stage.feed.age(1) == 30.5
    assert stage.feed.age(4) == 0.0


class Enriching:
    """Enrichers of functions, and what they were asked."""

    def __init__(self, stage: Any, **functions: Any) -> None:
        services = stage.reaction(Nothing).context._services
        self.enrichment = Enrichment(
            [
                Early(
                    name,
                    Hook("hikrecv_enrich", function, kind_of(function), ("event", "context")),
                    Context(name, None, services),
                )
                for name, function in functions.items()
            ],
            lambda name: Attempts(name, stage.clock, Threads(name, print), stage.slot),
            stage.clock.seconds,
        )


class Nothing:
    def __init__(self, context: Any) -> None:
        pass


def test_enrichers_are_asked_in_order_once_for_each_event(stage: Any) -> None:
    asked: list[str] = []

    async def first(event: Event, context: Any) -> Event:
        asked.append(f"first {event.seq}")
        return event.replace(description="seen", extra={**event.extra, "first": {"n": 1}})

    async def second(event: Event, context: Any) -> dict[str, int]:
        asked.append(f"second {event.seq} {event.description}")
        return {"n": 2}

    stage.feed = stage.new_feed(enrichment=Enriching(stage, first=first, second=second).enrichment)
    stage.publish(stage.event(1))
    [(_, (event,))] = result_of(stage.feed.after(0))

    assert result_of(stage.feed.after(0)) == [(1, (event,))]
    assert asked == ["first 1", "second 1 seen"]
    assert event.extra == {"first": {"n": 1}, "second": {"n": 2}}
    assert event.description == "seen"


def test_an_enricher_that_fails_or_lies_changes_nothing_and_the_next_is_asked(stage: Any) -> None:
    async def broken(event: Event, context: Any) -> None:
        event.extra["broken"] = "half done"
        raise ValueError("no")

    async def liar(event: Event, context: Any) -> Event:
        return event.replace(key="other")

    async def good(event: Event, context: Any) -> None:
        event.extra["good"] = True

    enrichment = Enriching(stage, broken=broken, liar=liar, good=good).enrichment
    stage.feed = stage.new_feed(enrichment=enrichment)
    stage.publish(stage.event(1))
    [(_, (event,))] = result_of(stage.feed.after(0))

    assert event.extra == {"good": True}
    assert event.key == "gate/1/0"
    broken_row, liar_row, good_row = enrichment.status()
    assert (broken_row.name, broken_row.state) == ("enrich broken", "failing")
    assert broken_row.last_error == broken_row.reason == "ValueError: no"
    assert "in broken" in broken_row.trace
    assert broken_row.last_error_at is not None
    assert (liar_row.state, liar_row.reason) == ("failing", "it changed key, which no plugin may")
    assert (good_row.state, good_row.done, good_row.last_error) == ("waiting", 1, "")
    assert good_row.last_success is not None


def test_an_enricher_that_hangs_costs_its_time_once_whoever_waits(stage: Any) -> None:
    calls: list[int] = []

    async def hang(event: Event, context: Any) -> None:
        calls.append(event.seq)
        await Deferred()

    stage.feed = stage.new_feed(enrichment=Enriching(stage, hang=hang).enrichment)
    stage.publish(stage.event(1))
    waiting = [Deferred.fromCoroutine(stage.feed.after(0)) for _ in range(3)]
    stage.clock.advance(LIMIT)

    assert [seqs(result_of(wait_for(each))) for each in waiting] == [[1], [1], [1]]
    assert calls == [1]


def test_an_enricher_that_always_fails_is_soon_asked_now_and_then_only(stage: Any) -> None:
    calls: list[int] = []

    async def broken(event: Event, context: Any) -> None:
        calls.append(event.seq)
        raise ValueError("no")

    stage.feed = stage.new_feed(enrichment=Enriching(stage, broken=broken).enrichment)
    stage.publish_many(60)
    assert len(read_all(stage.feed)) == 60
    assert len(calls) == 20

    stage.clock.advance(300)
    stage.publish_many(5)
    read_all(stage.feed, 60)
    assert len(calls) == 21

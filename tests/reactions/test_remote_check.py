"""A terminal waits for permission."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from hikrecv import hookimpl
from hikrecv.errors import JournalFull
from hikrecv.isapi.event import Access, Event
from hikrecv.push import Peer
from hikrecv.reactions.calls import Workplace
from hikrecv.reactions.dispatch import Dispatch
from hikrecv.reactions.remote_check import RemoteCheck


class Door:
    """Reactions that answer as told, and a terminal that asks."""

    def __init__(self, stage: Any, **answers: Any) -> None:
        self.stage = stage
        self.asked: list[str] = []
        self.notes: list[dict[str, Any]] = []
        self.note_fails = False
        self.dispatch = Dispatch(
            stage.feed,
            stage.ledger,
            stage.run,
            stage.clock,
            stage.wall,
            Workplace(stage.clock, print, stage.slot),
            stage.slot,
        )
        reactions = {name: stage.reaction(self.plugin(answer), name) for name, answer in answers.items()}
        Deferred.fromCoroutine(self.dispatch.start(reactions))
        self.check = RemoteCheck(
            list(answers),
            3.0,
            self.dispatch,
            stage.run,
            self.note,
            stage.clock,
            stage.wall,
        )

    def plugin(self, answer: Any) -> type:
        door = self

        class Answering:
            def __init__(self, context: Any) -> None:
                self.name = context.name

            @hookimpl
            async def hikrecv_remote_check(self, event: Event) -> Any:
                door.asked.append(self.name)
                said = answer.pop(0) if isinstance(answer, list) else answer
                if isinstance(said, BaseException):
                    raise said
                return await said if isinstance(said, Deferred) else said

        return Answering

    def note(self, kind: str, data: dict[str, Any]) -> Deferred[None]:
        if self.note_fails:
            return fail(JournalFull("the disk is full"))
        self.notes.append({"kind": kind, **data})
        return succeed(None)

    def ask(self, event: Event | None = None) -> Deferred[bool]:
        return self.check(event or self.event())

    def event(self, seq: int = 1, **fields: Any) -> Event:
        access = Access(major=5, minor=75, name="face", outcome="granted", remote_check=True)
        return self.stage.event(seq, family="access", access=access, **fields)


@pytest.fixture
def new_door(stage: Any) -> Iterator[Callable[..., Door]]:
    """Makes doors whose reactions answer as told."""
    doors: list[Door] = []

    def make(**answers: Any) -> Door:
        doors.append(Door(stage, **answers))
        return doors[-1]

    yield make
    for door in doors:
        Deferred.fromCoroutine(door.dispatch.stop(4))
    stage.clock.advance(4)


def answer_of(asking: Deferred[bool]) -> bool:
    seen: list[Any] = []
    asking.addBoth(seen.append)
    assert seen, "there is no answer yet"
    assert isinstance(seen[0], bool), seen[0]
    return seen[0]


def test_one_who_permits_is_enough_and_those_without_opinion_do_not_count(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    door = new_door(first=None, second=True, third=None)

    assert answer_of(door.ask())
    assert door.asked == ["first", "second", "third"]


def test_when_nobody_has_an_opinion_it_is_denied(stage: Any, new_door: Callable[..., Door]) -> None:
    assert not answer_of(new_door(first=None).ask())
    assert not answer_of(new_door().ask(door_event(stage)))


def door_event(stage: Any) -> Event:
    event: Event = stage.event(7, family="access")
    return event


@pytest.mark.parametrize("answer", [False, ValueError("oops"), SystemExit(0), "yes", 1], ids=repr)
def test_the_first_no_or_failure_denies_and_the_rest_is_not_asked(
    stage: Any, new_door: Callable[..., Door], answer: Any
) -> None:
    door = new_door(first=True, second=answer, third=True)

    assert not answer_of(door.ask())
    assert door.asked == ["first", "second"]


def test_the_budget_is_for_all_together_and_a_time_out_denies(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    slow: Deferred[bool] = Deferred()
    door = new_door(first=slow, second=Deferred(), third=True)
    asking = door.ask()
    stage.clock.advance(2)
    slow.callback(True)
    assert not asking.called

    stage.clock.advance(1)

    assert not answer_of(asking)
    assert door.asked == ["first", "second"]


def test_the_same_key_gets_the_same_answer_even_after_a_restart(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    door = new_door(first=True)
    assert answer_of(door.ask())

    again = new_door(first=False)

    assert answer_of(again.ask(again.event(seq=2, key="gate/1/0")))
    assert again.asked == []
    assert not answer_of(again.ask(again.event(seq=3)))


def test_a_terminal_that_asks_twice_at_once_is_one_question(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    thinking: Deferred[bool] = Deferred()
    door = new_door(first=thinking)

    asking = [door.ask(), door.ask()]
    thinking.callback(True)

    assert [answer_of(each) for each in asking] == [True, True]
    assert door.asked == ["first"]
    assert len(door.notes) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"freshness": "late"},
        {"freshness": "resent"},
        {"device": "44:19:b6:00:00:01"},
        {"peer": Peer(ip="10.0.0.9", port=1, trust="none")},
    ],
    ids=str,
)
def test_only_live_events_of_admitted_senders_that_the_config_names_are_asked_about(
    stage: Any, new_door: Callable[..., Door], fields: dict[str, Any]
) -> None:
    door = new_door(first=True)

    assert not answer_of(door.ask(door.event(**fields)))
    assert door.asked == []


def test_what_was_permitted_is_not_permitted_again_to_a_question_that_is_told_later(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    """A terminal that sends its history, or a recorded question that is played back."""
    door = new_door(first=True)
    question = door.event()
    assert answer_of(door.ask(question))
    assert answer_of(door.ask(question))

    assert not answer_of(door.ask(door.event(seq=2, key=question.key, freshness="resent")))
    assert not answer_of(door.ask(door.event(seq=2, key=question.key, peer=Peer("10.0.0.9", 1, "none"))))
    stage.clock.advance(60)
    late = door.event(seq=3, key=question.key)
    assert not answer_of(door.ask(late.replace(occurred=question.occurred)))


def test_the_decision_is_in_the_journal_before_it_is_given(stage: Any, new_door: Callable[..., Door]) -> None:
    door = new_door(first=True)

    assert answer_of(door.ask())

    assert door.notes == [
        {
            "kind": "remote-check",
            "event": "word-1-0",
            "key": "gate/1/0",
            "device": "gate",
            "answer": True,
            "reason": "first permits it",
        }
    ]
    assert stage.ledger.decision("gate/1/0") is True


def test_what_cannot_be_kept_is_not_permitted(stage: Any, new_door: Callable[..., Door]) -> None:
    door = new_door(first=True)
    door.note_fails = True

    assert not answer_of(door.ask())


def test_without_a_ledger_nothing_is_permitted(stage: Any, new_door: Callable[..., Door]) -> None:
    door = new_door(first=True)
    door.dispatch.ledger = None

    assert not answer_of(door.ask())


def test_a_reaction_that_is_paused_or_not_there_denies(stage: Any, new_door: Callable[..., Door]) -> None:
    door = new_door(first=True)
    courier = door.dispatch.courier("first")
    assert courier is not None
    courier.pause()
    assert not answer_of(door.ask())

    door.check._names = ["nobody"]
    assert not answer_of(door.ask(door.event(seq=2)))


def test_whoever_stops_waiting_leaves_the_decision_to_be_kept(
    stage: Any, new_door: Callable[..., Door]
) -> None:
    thinking: Deferred[bool] = Deferred()
    door = new_door(first=thinking)
    asking = door.ask()
    asking.addErrback(lambda failure: None)

    asking.cancel()
    thinking.callback(True)

    assert stage.ledger.decision("gate/1/0") is True


@pytest.mark.parametrize(
    ("answer", "reason", "trace"),
    [
        (KeyError("staff"), "KeyError: 'staff'", "in hikrecv_remote_check"),
        ("yes", "it answered str, not a bool", ""),
        (ConnectionRefusedError(), "ConnectionRefusedError", ""),
    ],
    ids=["bug", "no bool", "away"],
)
def test_a_check_that_fails_has_its_state_its_error_and_its_traceback(
    new_door: Callable[..., Door], answer: Any, reason: str, trace: str
) -> None:
    door = new_door(staff=answer)

    assert not answer_of(door.ask())

    (row,) = door.dispatch.status()
    assert row.state == "failing"
    assert reason in row.reason
    assert row.last_error == row.reason
    assert row.last_error_at is not None
    assert trace in row.trace
    assert bool(trace) == bool(row.trace)


def test_a_check_that_works_again_is_not_failing_any_more(new_door: Callable[..., Door]) -> None:
    answers: list[Any] = [ValueError("no"), True]
    door = new_door(moody=answers)

    assert not answer_of(door.ask(door.event(1)))
    assert answer_of(door.ask(door.event(2)))

    (row,) = door.dispatch.status()
    assert (row.state, row.last_error) == ("waiting", "ValueError: no")
    assert row.last_success is not None

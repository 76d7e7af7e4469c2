"""A cut body whose judgement takes a while: it is kept at once, and only its answer waits."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

CUT = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{}"
NO_LENGTH = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n{}"


class Judge:
    """Judges when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Deferred[bool]] = []

    def __call__(self, push: object) -> Deferred[bool]:
        self.asked.append(Deferred())
        return self.asked[-1]


@pytest.mark.parametrize(("whole", "status"), [(True, 200), (False, 408)])
def test_it_is_kept_at_once_and_answered_when_it_is_judged(port, whole, status):
    judge = Judge()
    desk = port(complete=judge)

    device = desk.connect().send(CUT).half_close()

    assert [push.body for push in desk.pushes] == [b"{}"]
    assert device.told == []
    judge.asked[0].callback(whole)
    assert device.told == [status]
    assert device.closed


def test_a_device_that_leaves_meanwhile_has_its_push_kept_once_and_its_room_given_back(port):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(CUT).half_close()

    device.lose()
    room = desk.budget.rooms[device.talk.sender.standing]
    assert room.held
    judge.asked[0].callback(True)

    assert len(desk.pushes) == 1
    assert device.told == []
    assert not room.held
    assert desk.watch.counts["salvaged complete"] == 1


def test_one_that_takes_longer_than_an_answer_may_is_told_503_and_nothing_more(port):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(CUT).half_close()

    desk.advance(float(desk.limits.answer_time) + 1)
    assert device.told == [503]
    judge.asked[0].callback(True)

    assert device.told == [503]
    assert len(desk.pushes) == 1


def test_who_stops_waits_for_the_answer(port):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(CUT).half_close()
    gone = []

    desk.factory.drain(5).addCallback(gone.append)
    assert not gone
    judge.asked[0].callback(True)
    device.lose(clean=True)

    assert device.told == [200]
    assert gone


def test_a_judge_that_fails_costs_a_200_and_not_the_push(port, logged):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(CUT).half_close()

    judge.asked[0].errback(ValueError("a bug"))

    assert device.told == [408]
    assert len(desk.pushes) == 1
    assert any("a bug in the receiver" in line for line in logged)


def test_a_body_without_a_length_ends_when_it_is_judged_whole(port):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(NO_LENGTH)
    desk.advance(0.5)

    judge.asked[0].callback(True)
    judge.asked[1].callback(True)

    assert device.told == [200]
    assert [push.body for push in desk.pushes] == [b"{}"]


def test_what_came_while_a_body_without_a_length_was_judged_belongs_to_it(port):
    judge = Judge()
    desk = port(complete=judge)
    device = desk.connect().send(NO_LENGTH)
    desk.advance(0.5)

    device.send(b" {}")
    judge.asked[0].callback(True)
    assert device.told == []
    device.half_close()
    judge.asked[-1].callback(True)

    assert device.told == [200]
    assert [push.body for push in desk.pushes] == [b"{} {}"]

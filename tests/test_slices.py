"""Work in slices: a bound on each, and only its own time counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import partial

import pytest
from twisted.internet.defer import Deferred

from hikrecv.slices import SLICE, Sliced, Turns


class Work:
    """Steps that cost a millisecond each, on a clock that others use, too."""

    def __init__(self, steps: int, error: Exception | None = None) -> None:
        self.now = 0.0
        self.told: list[float] = []
        self.waiting: deque[Callable[[], object]] = deque()
        self._left, self._error = steps, error

    def __call__(self, clock: Callable[[], float]) -> Generator[None, None, str]:
        for _ in range(self._left):
            self.now += 0.001
            self.told.append(clock())
            yield
        if self._error is not None:
            raise self._error
        return "done"

    def sliced(self) -> Sliced[str]:
        return Sliced(self, lambda *call: self.waiting.append(partial(*call)), lambda: self.now)

    def turn(self) -> float:
        """One turn, and what others did before it; the time that it took is returned."""
        self.now += 10
        before = self.now
        self.waiting.popleft()()
        return self.now - before


def test_short_work_is_done_at_once() -> None:
    assert Work(3).sliced().run() == "done"
    assert Sliced(Work(10_000), None).run() == "done"


def test_no_slice_is_longer_than_its_bound_and_the_time_of_others_does_not_count() -> None:
    work = Work(40)
    results: list[str] = []

    done = work.sliced().run()
    assert isinstance(done, Deferred)
    done.addCallback(results.append)
    slices = []
    while work.waiting:
        slices.append(work.turn())

    assert results == ["done"]
    assert len(slices) > 5
    assert max(slices) <= SLICE + 0.0011
    assert work.told[-1] == pytest.approx(0.040)


def test_what_fails_late_errs() -> None:
    work = Work(40, ValueError("late"))

    done = work.sliced().run()
    while work.waiting:
        work.turn()

    assert isinstance(done, Deferred)
    failures: list[str] = []
    done.addErrback(lambda failure: failures.append(str(failure.value)))
    assert failures == ["late"]


def test_many_that_wait_have_one_slice_in_a_turn_between_them() -> None:
    reactor: deque[Callable[[], object]] = deque()
    turns = Turns(lambda *call: reactor.append(partial(*call)))
    done: list[str] = []
    works = [Work(40) for _ in range(5)]
    for work in works:
        found = Sliced(work, turns, lambda work=work: work.now).run()
        assert isinstance(found, Deferred)
        found.addCallback(done.append)

    most = 0
    while reactor:
        before = [len(work.told) for work in works]
        for _ in range(len(reactor)):
            reactor.popleft()()
        went_on = [len(work.told) > had for work, had in zip(works, before, strict=True)]
        most = max(most, sum(went_on))

    assert done == ["done"] * 5
    assert most == 1


def test_one_that_fails_does_not_take_the_turn_of_the_others() -> None:
    reactor: deque[Callable[[], object]] = deque()
    turns = Turns(lambda *call: reactor.append(partial(*call)))
    done: list[int] = []
    turns(lambda: 1 / 0)
    turns(done.append, 1)

    with pytest.raises(ZeroDivisionError):
        reactor.popleft()()
    reactor.popleft()()

    assert done == [1]
    assert not reactor

"""Our own clocks are looked at while the receiver runs."""

from __future__ import annotations

from twisted.internet.task import Clock

from hikrecv.clock import LOOK, SAVE, ClockWatch
from hikrecv.journal.steady import SteadyClock


def test_a_clock_that_is_set_is_told_and_the_steady_one_is_saved_every_minute() -> None:
    reactor, ahead, said = Clock(), [0.0], []
    steady = SteadyClock(boottime=reactor.seconds, wall=lambda: 1e9 + reactor.seconds() + ahead[0])
    watch = ClockWatch(reactor, steady, lambda: said.append("saved"), lambda: said.append("set"))
    watch.start()

    reactor.pump([LOOK] * int(SAVE / LOOK))
    assert said == ["saved"]
    ahead[0] = -3600.0
    reactor.pump([LOOK] * 10)
    assert said == ["saved", "set"]

    watch.stop()
    assert reactor.getDelayedCalls() == []

"""What is said of the journal's room, once each time that it changes."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from hikrecv.metrics import Metrics
from hikrecv.upkeep import TICK, Upkeep


class Journal:
    """Says how it is as it is told to."""

    first = 1
    full = tight = ""

    def status(self) -> Any:
        return self


def test_that_there_is_no_room_and_room_again_is_each_said_once() -> None:
    said: list[LogEvent] = []
    journal, clock = Journal(), Clock()
    nobody: Any = None
    upkeep = Upkeep(clock, journal, nobody, dict, Metrics())  # type: ignore[arg-type]
    globalLogPublisher.addObserver(said.append)
    upkeep.start()

    for journal.full, journal.tight in [("", ""), ("no room", ""), ("no room", ""), ("", "tight"), ("", "")]:
        clock.pump([TICK] * 3)
    upkeep.stop()
    globalLogPublisher.removeObserver(said.append)

    ours = [formatEvent(event) for event in said if event["log_namespace"] == "hikrecv.upkeep"]
    assert ours == [
        "events cannot be kept: no room",
        "there is room again: events are kept",
        "the oldest events go before their time: tight",
    ]

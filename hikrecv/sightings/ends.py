"""When a lasting alarm is over: said by the device, or known by its silence."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from hikrecv.isapi.event import Episode, Event

from .episodes import LASTING, SILENCE

OPEN = 1024
"""How many alarms may last at one time; one more ends the one that is silent the longest."""

_SILENCE = timedelta(microseconds=SILENCE)


class Ends:
    """
    The alarms that go on for one reader of sighted events, and their ends.

    Each courier has its own and feeds it every event of a family in `LASTING` that
    it reads, whether its reaction wants it or not.  An end is an event with the id
    and key ``<id of the first>-end`` and the state ``inactive``, made from the
    latest event of the alarm (without pictures).  It is judged by received times
    only, so a reader that lags or reads again gets the same ends between the same
    events.  What was in flight for longer than :meth:`due` knew can end again, under
    the same id.

    A reader that starts at a cursor feeds the last events before it and drops what
    comes out; from then on it knows what goes on.
    """

    def __init__(self, most: int = OPEN) -> None:
        self._most = most
        self._open: OrderedDict[str, Event] = OrderedDict()

    @property
    def next(self) -> datetime | None:
        """When the next alarm ends if nothing more is heard of it; None when none lasts."""
        return next((event.received + _SILENCE for event in self._open.values()), None)

    def see(self, event: Event) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
        """The ends to be told before *event*, and those to be told after it: its own, if it is one."""
        before = self.due(event.received)
        if event.duplicate_of is not None:
            return before, ()
        if event.state == "inactive":
            return before, self._ended_by(event)
        if event.family in LASTING:
            first = event.id if event.episode is None else event.episode.id
            self._open[first] = _light(event)
            self._open.move_to_end(first)
        return before + self._crowded_out(), ()

    def due(self, now: datetime) -> tuple[Event, ...]:
        """
        The ends of the alarms that were silent for `SILENCE` at *now*, the longest silent first.

        :param now: our clock, less the time that a push may wait for its sync.
        """
        ended = []
        # The latest heard stands last.  A clock that was set back makes silence of the future, too.
        while self._open:
            first, event = next(iter(self._open.items()))
            if abs(now - event.received) <= _SILENCE:
                break
            ended.append(self._end(first, event.received + _SILENCE))
        return tuple(ended)

    def _ended_by(self, event: Event) -> tuple[Event, ...]:
        if event.episode is None or event.episode.id not in self._open:
            return ()
        return (self._end(event.episode.id, event.received),)

    def _crowded_out(self) -> tuple[Event, ...]:
        if len(self._open) <= self._most:
            return ()
        first, event = next(iter(self._open.items()))
        return (self._end(first, event.received),)

    def _end(self, first: str, at: datetime) -> Event:
        event = self._open.pop(first)
        name = f"{first}-end"
        episode = event.episode or Episode(id=first, count=0, first=event.received)
        return msgspec.structs.replace(
            event, id=name, key=name, received=at, state="inactive", episode=episode
        )


def _light(event: Event) -> Event:
    """A copy that keeps neither pictures nor the push alive."""
    return msgspec.structs.replace(event, pictures=(), faces=())

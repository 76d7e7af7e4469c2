"""A receiver in memory, but for its journal and ledger: push a message, see what plugins did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from hikrecv.isapi.event import Event, Family
from hikrecv.journal.dead_letters import DeadLetter
from hikrecv.push import OK, Trust
from hikrecv.reactions.dispatch import Dispatch
from hikrecv.reactions.status import Status
from hikrecv.testing.bench import Bench, Subject
from hikrecv.testing.events import WHO, push_of
from hikrecv.testing.message import Message
from hikrecv.testing.rooms import Rooms
from hikrecv.testing.samples import sample
from hikrecv.testing.waiting import advance, result_of

Tables = Mapping[str, Mapping[str, Any]]

BOUND = 10.0
"""Seconds that reactions have to stop."""


class MemoryReceiver:
    """
    The receiver's own rooms on a test's clock, without sockets and threads.

    ::

        receiver.start({"hq": {"plugin": "forward", "url": server.url}})
        receiver.push("face-match")
        receiver.advance(60)
        assert receiver.status("hq").done == 1

    Plain hooks run in threads, but the test waits for each.  Journal and ledger are files in
    `bench.folder`, so :meth:`restart` goes on where the reactions were.

    :param plugins: by name, beside those that are installed.
    :ivar events: everything that was published, as the reactions saw it.
    :ivar answer: what the device was told last.
    :ivar tables: the ``[reactions]`` that it was started with.
    """

    def __init__(self, bench: Bench, plugins: Mapping[str, Subject] | None = None) -> None:
        self.bench = bench
        self.clock = bench.clock
        self.plugins = dict(plugins or {})
        self.events: list[Event] = []
        self.answer = OK
        self.tables: Tables = {}
        self._more: dict[str, Any] = {}
        self._rooms: Rooms | None = None

    # -- life -----------------------------------------------------------------

    def start(self, reactions: Tables, **more: Any) -> None:
        """
        Begin with these ``[reactions]``, and *more* tables of the configuration.

        :raises ConfigError: for the first thing that is wrong.
        """
        self.tables, self._more = reactions, more
        config = self.bench.config(reactions, **more)
        rooms = Rooms(self.bench, config, self.plugins, self._published)
        self._rooms = rooms
        self._run(rooms.dispatch.start(rooms.reactions))

    def stop(self, bound: float = BOUND) -> None:
        """Stop as at SIGTERM; what is under way has *bound* seconds of the test's clock."""
        if self._rooms is not None:
            rooms, self._rooms = self._rooms, None
            result_of(rooms.dispatch.stop(bound), self.clock)
            rooms.close()

    def restart(self, bound: float = BOUND) -> None:
        """Stop, and start again with new instances of the plugins on the same journal and ledger."""
        self.stop(bound)
        self.start(self.tables, **self._more)

    def reload(self, reactions: Tables) -> None:
        """Go on with other ``[reactions]``, as at SIGHUP."""
        found, errors = self.bench.build(reactions, self.plugins, **self._more)
        for error in errors:
            raise error
        self.tables = reactions
        self._run(self._running.dispatch.reload(found, everything=True))

    # -- what devices do ------------------------------------------------------

    def push(
        self, what: Family | Message, *, trust: Trust = "address", ip: str = WHO.ip, late: float = 0.0
    ) -> tuple[Event, ...]:
        """
        A device sends the sample of a family, or a message of your own; a second goes by before.

        :param late: how many seconds ago the device says that a sample happened.
        :returns: the events, as the reactions see them.
        """
        self.advance(1.0)
        moment = datetime.fromtimestamp(self.bench.wall(), timezone.utc)
        message = what if isinstance(what, Message) else sample(what, WHO, moment - timedelta(seconds=late))
        before = len(self.events)
        asked = self._running.receiver.receive(push_of(message, moment, ip=ip, trust=trust))
        self._running.journal.commit()
        self.answer = self._run(asked)
        return tuple(self.events[before:])

    # -- time -----------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let the test's clock go on; what is due in between happens in its order."""
        end = self.clock.seconds() + seconds
        advance(self.clock, lambda: False, seconds)
        self.clock.advance(max(0.0, end - self.clock.seconds()))

    def wait_until(self, enough: Callable[[], bool], most: float = 3_600.0) -> None:
        """Let the clock go on until *enough* is true.  :raises AssertionError: after *most* seconds."""
        if not advance(self.clock, enough, most):
            raise AssertionError(f"it did not happen within {most:g} s: {self._running.dispatch.status()}")

    def catch_up(self, most: float = 3_600.0) -> None:
        """Let the clock go on until every event has come to its end with every reaction."""
        self.wait_until(lambda: not any(row.lag_events for row in self._running.dispatch.status()), most)

    # -- what there is to see -------------------------------------------------

    def status(self, name: str) -> Status:
        """How the reaction *name* is."""
        return next(row for row in self._running.dispatch.status() if row.name == name)

    def dead_letters(self, name: str | None = None) -> list[DeadLetter]:
        """What was given up."""
        return list(self._run(self._running.dispatch.dead_letters(name)))

    @property
    def dispatch(self) -> Dispatch:
        """For what operators ask: ``pause``, ``rewind``, ``replay`` ..."""
        return self._running.dispatch

    # -- inside ---------------------------------------------------------------

    @property
    def _running(self) -> Rooms:
        if self._rooms is None:
            raise AssertionError("start the receiver first")
        return self._rooms

    def _published(self, seq: int, events: tuple[Event, ...], size: int) -> None:
        self.events += events

    def _run(self, work: Any) -> Any:
        result = result_of(work, self.clock)
        self.advance(0.0)
        return result

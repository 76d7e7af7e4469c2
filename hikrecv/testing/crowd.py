"""Many simulated devices at once: a number, a rate, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

import msgspec
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from hikrecv.testing.line import Caller
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity, Script


class Tally(msgspec.Struct):
    """What the devices saw: answers by status, failures by name, seconds waited for each answer."""

    sent: int = 0
    answers: Counter[int] = msgspec.field(default_factory=Counter)
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    waits: list[float] = []

    def quantile(self, share: float) -> float | None:
        """How long *share* (0..1) of the answers took at most, in seconds."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Member:
    """
    One device of the crowd: says the messages of its script at its rate, until it is told to stop.

    A message that was not answered with 200 is sent again, as devices with
    "automatic network replenishment" do, so that a receiver's restart loses nothing.
    """

    def __init__(
        self,
        caller: Caller,
        messages: Iterator[Message],
        clock: IReactorTime,
        tally: Tally,
        *,
        interval: float,
        told: Callable[[Message, int | None], None] = lambda message, status: None,
    ) -> None:
        self._caller, self._messages, self._clock, self._tally = caller, messages, clock, tally
        self._interval, self._told = interval, told
        self._wanted = True
        self._pausing: Deferred[None] | None = None

    async def live(self, most: int | None, delay: float = 0.0) -> None:
        """Send *most* messages (None: for ever), the first after *delay* seconds."""
        await self._pause(delay)
        while self._wanted and most != 0:
            begun = self._clock.seconds()
            acknowledged = await self._say(next(self._messages))
            most = None if most is None else most - acknowledged
            await self._pause(self._interval - (self._clock.seconds() - begun))
        self._caller.hang_up()

    def stop(self) -> None:
        """Send nothing more after the message that is under way; a pause ends at once."""
        self._wanted = False
        if self._pausing is not None:
            self._pausing.cancel()

    async def _say(self, message: Message) -> bool:
        while self._wanted:
            begun = self._clock.seconds()
            status = await self._try(message)
            self._told(message, status)
            if status == 200:
                self._tally.waits.append(self._clock.seconds() - begun)
                return True
            await self._pause(max(self._interval, 1.0))
        return False

    async def _try(self, message: Message) -> int | None:
        self._tally.sent += 1
        try:
            reply = await self._caller.say(message)
        except Exception as error:
            self._tally.failures[type(error).__name__] += 1
            return None
        self._tally.answers[reply.status] += 1
        return reply.status

    async def _pause(self, seconds: float) -> None:
        if not self._wanted:
            return
        self._pausing = deferLater(self._clock, max(0.0, seconds))
        with suppress(CancelledError):
            await self._pausing
        self._pausing = None


class Crowd:
    """
    *devices* devices of the given scripts, together *rate* messages a second.

    :param make_caller: gives a device its own connection.
    :param now: the devices' clock.
    """

    def __init__(
        self,
        scripts: list[Script],
        make_caller: Callable[[Identity], Caller],
        clock: IReactorTime,
        now: Callable[[], datetime],
        *,
        devices: int,
        rate: float,
        told: Callable[[Message, int | None], None] = lambda message, status: None,
    ) -> None:
        self.tally = Tally()
        self._interval = devices / rate
        self._devices = devices
        self._members = [
            Member(
                make_caller(Identity(number)),
                scripts[(number - 1) % len(scripts)](Identity(number), now),
                clock,
                self.tally,
                interval=self._interval,
                told=told,
            )
            for number in range(1, devices + 1)
        ]

    def live(self, most: int | None = None) -> Deferred[Tally]:
        """Let all of them send; *most* messages each.  Fires with the tally when all have ended."""
        lives = [
            Deferred.fromCoroutine(member.live(most, place * self._interval / self._devices))
            for place, member in enumerate(self._members)
        ]
        ended = DeferredList(lives, fireOnOneErrback=True, consumeErrors=True)
        return ended.addCallback(lambda _: self.tally)

    def stop(self) -> None:
        """Ask every device to end after its message."""
        for member in self._members:
            member.stop()

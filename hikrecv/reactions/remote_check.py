"""A terminal waits for permission: who is asked, and what it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hikrecv.errors import LedgerError
from hikrecv.isapi.event import Event

from .book import Run
from .couriers import Couriers
from .outcome import Bug, Done, in_words
from .reaction import ACTING_AGE
from .slices import branch

RECORDING = 1.0
"""Seconds that the ledger and the journal have for a decision; a terminal gives up after 5."""
_log = Logger()


class RemoteCheck:
    """
    Asks the reactions of ``[remote_check]``, in order, within the budget.

    The first False, failure or time-out denies, and those behind it are not asked.
    True takes somebody who said so.  A key that was answered before gets the same
    answer, as long as it may still be asked.  The decision is in the ledger and in the
    journal before it is given; what cannot be kept is not permitted.

    :param names: the reactions, in their order.
    :param budget: seconds for all of them together.
    :param dispatch: has the couriers, and the ledger; as long as that is lost everything is denied.
    :param run: calls a function in the ledger's thread.
    :param note: keeps a record in the journal and waits until it is on disk.
    :param wall: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        names: Sequence[str],
        budget: float,
        dispatch: Couriers,
        run: Run,
        note: Callable[[str, dict[str, Any]], Awaitable[None]],
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self._names = names
        self._budget = budget
        self._dispatch = dispatch
        self._run = run
        self._note = note
        self._clock = clock
        self._wall = wall
        self._asking: dict[str, Deferred[bool]] = {}

    def asked(self, event: Event) -> bool:
        """Is anybody to decide about *event*?  Then a stranger gets a refusal, not silence."""
        return bool(self._names)

    def __call__(self, event: Event) -> Deferred[bool]:
        """May the terminal that sent *event* open?  Never fails, except when cancelled."""
        work = self._asking.get(event.key)
        if work is None:
            work = Deferred.fromCoroutine(self._decide(event))
            if not work.called:
                # The same question while the first is being answered: one decision, told to both.
                self._asking[event.key] = work
                work.addBoth(self._answered, event.key)
        return branch(work)

    def _answered(self, result: Any, key: str) -> Any:
        del self._asking[key]
        return result

    async def _decide(self, event: Event) -> bool:
        try:
            ledger = self._dispatch.ledger
            if ledger is None:
                raise LedgerError("the ledger is lost, so nobody knows what was decided before")
            before: bool | None = await self._run(ledger.decision, event.key)
            if before is not None:
                return before and self._is_of_now(event)
            answer, reason = await self._ask(event)
            kept = Deferred.fromCoroutine(self._keep(event, answer, reason))
            return await kept.addTimeout(RECORDING, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            _log.error(
                "{event} of {device} is denied, because the decision cannot be kept: {reason}",
                event=event.id,
                device=event.device.id,
                reason=in_words(error),
            )
            return False

    def _is_of_now(self, event: Event) -> bool:
        """
        Could it be asked now?  What was permitted before is permitted to a terminal that did not hear it, and
        not to one that tells its history, nor to whoever recorded the question.
        """
        couriers = (self._dispatch.courier(name) for name in self._names)
        return any(
            courier.reaction.checks(event)
            and self._dispatch.ages.of(event, event.seq, courier.reaction, asked=True).seconds <= ACTING_AGE
            for courier in couriers
            if courier is not None
        )

    async def _ask(self, event: Event) -> tuple[bool, str]:
        """The answer, and why, in words."""
        deadline = self._clock.seconds() + self._budget
        permitted = ""
        for name in self._names:
            said = await self._ask_one(name, event, deadline - self._clock.seconds())
            if said is None:
                continue
            if said is not True:
                return False, f"{name} {said}"
            permitted = permitted or f"{name} permits it"
        return (True, permitted) if permitted else (False, "nobody permits it")

    async def _ask_one(self, name: str, event: Event, left: float) -> bool | str | None:
        """True, None for no opinion, or a denial in words."""
        courier = self._dispatch.courier(name)
        if courier is None or not courier.ready:
            return "cannot be asked now"
        if not courier.reaction.checks(event):
            return None
        age = self._dispatch.ages.of(event, event.seq, courier.reaction, asked=True)
        if age.seconds > ACTING_AGE:
            return f"is not asked about what may be old: {age.why}"
        if left <= 0:
            return "could not be asked in time"
        outcome = await courier.calls.call("hikrecv_remote_check", left, [event], attempt=1)
        if isinstance(outcome, Done) and not isinstance(outcome.value, bool | None):
            outcome = Bug(f"it answered {type(outcome.value).__name__}, not a bool")
        courier.checked(outcome)
        if not isinstance(outcome, Done):
            return f"failed: {outcome.reason}"
        return "denies it" if outcome.value is False else outcome.value

    async def _keep(self, event: Event, answer: bool, reason: str) -> bool:
        held: bool = await self._run(
            self._dispatch.ledger.decide, event.key, answer, self._dispatch.ages.moment()
        )
        await self._note(
            "remote-check",
            {
                "event": event.id,
                "key": event.key,
                "device": event.device.id,
                "answer": held,
                "reason": reason,
            },
        )
        _log.info(
            "{event} of {device} is {verdict}: {reason}",
            event=event.id,
            device=event.device.id,
            verdict="permitted" if held else "denied",
            reason=reason,
        )
        return held

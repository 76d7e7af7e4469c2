"""
The one way in: a push becomes durable, understood and published, and then it is answered.

While the writer syncs, the same push is decoded here, so decoding costs no
latency, and since the push is on disk whatever the decoder makes of it, a bug
in there cannot lose an event.  Nothing leaves before the sync: sightings, index,
couriers and the answer all hang on the same `durable`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Protocol

from twisted.internet.defer import Deferred

from .config import Privacy
from .history import Interpreter
from .isapi.budget import Budget
from .isapi.event import Event
from .isapi.multipart import USUAL_LIMITS, MultipartLimits
from .isapi.privacy import masking
from .journal.journal import Journal
from .metrics import Metrics
from .push import OK, Answer, Push
from .slices import Later, Sliced
from .wire.answers import remote_check

Published = Callable[[int, tuple[Event, ...], int], None]
"""Takes a durable push's seq, its sighted events, and the size of its body."""


class Decides(Protocol):
    """What decides about a terminal that waits (`hikrecv.reactions.remote_check`)."""

    def asked(self, event: Event) -> bool:
        """Whether anybody is configured to decide about *event*."""

    def __call__(self, event: Event) -> Deferred[bool]:
        """The decision, within its budget, on disk before it fires."""


class Receiver:
    """
    Keeps pushes and answers them.

    :param published: hear of every durable push, in journal order.
    :param decides: who is asked when a terminal waits for permission.
    :param later: lets others have their turn while a push is masked; see `hikrecv.slices`.
    """

    def __init__(
        self,
        journal: Journal,
        interpreter: Interpreter,
        published: Sequence[Published],
        *,
        privacy: Privacy,
        metrics: Metrics,
        decides: Decides | None = None,
        limits: MultipartLimits = USUAL_LIMITS,
        now: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        self.decides, self._limits = decides, limits
        self._journal, self._interpreter = journal, interpreter
        self._published, self._privacy, self._now = tuple(published), privacy, now
        self._later = later
        self._observe = metrics.answer_seconds.observe

    def receive(self, push: Push) -> Deferred[Answer]:
        """
        Keep *push*; fires with the answer when it is on disk.

        Errs with a :class:`~hikrecv.errors.JournalError` when it could not be kept.
        """
        began = self._now()
        if not self._privacy.mask:
            return self._keep(push, began)
        # Masked or not is decided before anything is written, and never again.
        masked = Sliced(partial(self._masking, push), self._later).run()
        if isinstance(masked, Deferred):
            return masked.addCallback(self._keep, began)
        return self._keep(masked, began)

    def _masking(self, push: Push, clock: Callable[[], float]) -> Generator[None, None, Push]:
        return masking(push, self._privacy, self._limits, Budget(clock=clock))

    def _keep(self, push: Push, began: float) -> Deferred[Answer]:
        kept = self._journal.append(push)
        events = self._interpreter.decode(push, kept.seq)
        # The one Deferred of a push: what is said to the device comes through it.
        return kept.durable.addCallback(self._durable, kept.seq, events, len(push.body), began)

    def _durable(
        self, _: object, seq: int, events: tuple[Event, ...], size: int, began: float
    ) -> Answer | Deferred[Answer]:
        sighted = self._interpreter.see(events)
        for tell in self._published:
            tell(seq, sighted, size)
        if self.decides is not None:
            for event in sighted:
                if event.access is not None and event.access.remote_check:
                    if self.decides.asked(event):
                        decided = self.decides(event).addCallback(_decision, event)
                        return decided.addCallback(self._answered, began)
                    break
        return self._answered(OK, began)

    def _answered(self, answer: Answer, began: float) -> Answer:
        self._observe(self._now() - began)
        return answer


def _decision(allowed: bool, event: Event) -> Answer:
    return remote_check((event.access and event.access.serial_no) or 0, allowed)

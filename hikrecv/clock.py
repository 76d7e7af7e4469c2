"""The clocks of a receiver: the devices', as far as they are trusted, and our own two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .config import Config, DeviceTable
from .journal.ledger import Ledger
from .journal.steady import SteadyClock
from .senders import bound_devices
from .sightings.clocks import Trusted, TrustedClocks

LOOK = 0.5
SAVE = 60.0
NO_CLOCK = "nothing was learned of the clock of {device}"
_log = Logger()


def learned(devices: Mapping[str, DeviceTable]) -> frozenset[str]:
    """The devices whose clock the operator lets be learned from their events."""
    return frozenset(name for name, table in devices.items() if table.clock == "learned")


def trusted_clocks(config: Config, ledger: Ledger | None) -> TrustedClocks:
    """The devices' clocks, as the *ledger* knows them; without one nothing is known."""
    clocks = TrustedClocks(learned(config.devices), bound=bound_devices(config))
    kept = {} if ledger is None else ledger.clocks()
    clocks.restore({device: msgspec.json.decode(known, type=Trusted) for device, known in kept.items()})
    return clocks


class ClockWatch:
    """
    Asks twice a second whether the wall clock was set, and saves the steady clock once a minute.

    :param save: saves it where that keeps nobody waiting.
    :param was_set: called when the wall clock was set.
    """

    def __init__(
        self,
        clock: Any,
        steady: SteadyClock,
        save: Callable[[], object],
        was_set: Callable[[], object],
    ) -> None:
        self._steady, self._was_set = steady, was_set
        self._looking, self._saving = LoopingCall(self._look), LoopingCall(save)
        self._looking.clock = self._saving.clock = clock

    def start(self) -> None:
        """Begin."""
        self._looking.start(LOOK, now=False)
        self._saving.start(SAVE, now=False)

    def stop(self) -> None:
        """End."""
        for loop in (self._looking, self._saving):
            if loop.running:
                loop.stop()

    def _look(self) -> None:
        if self._steady.wall_was_set():
            _log.warn(
                "this machine's clock was set; what was learned by it of the devices' clocks is given up"
            )
            self._was_set()

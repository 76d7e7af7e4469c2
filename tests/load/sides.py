"""Two receivers that take turns, and what was measured of them beside what is wanted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from ..functional.harness import Device, Receiver

RATE = 100.0
"""Events a second."""
_TICK = os.sysconf("SC_CLK_TCK")


class Side:
    """One of the receivers, and what was seen of it; it stands still while it is another's turn."""

    def __init__(self, folder: Path, tables: str, plugins: Mapping[str, str]) -> None:
        self.receiver = Receiver(folder, tables, plugins=plugins)
        self.receiver.start()
        port = self.receiver.port
        self.devices = [Device(port, large_every=0) for _ in range(10)]
        self.forget()
        self._signal(signal.SIGSTOP)

    def forget(self) -> None:
        """What was measured so far was warming up."""
        self.waits: list[float] = []
        self.cpu = 0.0

    def round(self, seconds: float) -> None:
        """Send at the rate for so long, by the devices in turn."""
        self._signal(signal.SIGCONT)
        began, used = time.monotonic(), self._cpu()
        for turn in range(int(seconds * RATE)):
            time.sleep(max(0.0, began + turn / RATE - time.monotonic()))
            self.waits.append(self.devices[turn % len(self.devices)].send().seconds)
        self.cpu += self._cpu() - used
        self._signal(signal.SIGSTOP)

    @property
    def p99(self) -> float:
        """Of the answers, in ms."""
        return quantile(self.waits, 0.99) * 1000

    def end(self) -> None:
        self._signal(signal.SIGCONT)
        for device in self.devices:
            device.hang_up()
        self.receiver.end()

    def _signal(self, number: signal.Signals) -> None:
        # Its isolated reactions are in its group.
        assert self.receiver.process is not None
        os.killpg(self.receiver.process.pid, number)

    def _cpu(self) -> float:
        assert self.receiver.process is not None
        stat = Path(f"/proc/{self.receiver.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, stat[11:13])) / _TICK


def by_turns(sides: list[Side], rounds: int, seconds: float) -> None:
    """Let each send so many rounds, after one that does not count; then end them."""
    try:
        for side in sides:
            side.round(1.0)  # caches, and the interpreter's own warming up
            side.forget()
        for number in range(rounds):
            for side in sides if number % 2 else reversed(sides):
                side.round(seconds)
    finally:
        for side in sides:
            side.end()


def quantile(waits: list[float], share: float) -> float:
    """The wait that so large a share is not above."""
    ordered = sorted(waits)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

"""What Linux says of a process and its children: CPU time and peak memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """
    What a process tree has used.

    :param cpu: seconds of user and system time, of ended children too.
    :param peak: bytes of resident memory at most, since :func:`forget_peak`, summed over the processes.
    """

    cpu: float
    peak: int


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for each in found:
        try:
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
        except FileNotFoundError:
            continue
    return found


def used(pid: int) -> Used:
    """What *pid* and those below it have used so far."""
    cpu, peak = 0.0, 0
    for each in tree(pid):
        try:
            stat = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{each}/status").read_text()
        except FileNotFoundError:
            continue
        cpu += sum(map(int, stat[11:15])) / _TICK
        peak += int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return Used(cpu, peak)


def resident(pid: int) -> int:
    """Bytes that are resident now."""
    return sum(
        int(Path(f"/proc/{each}/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024
        for each in tree(pid)
    )


def forget_peak(pid: int) -> None:
    """Let the peak of memory begin anew."""
    for each in tree(pid):
        try:
            Path(f"/proc/{each}/clear_refs").write_text("5")
        except OSError:
            continue

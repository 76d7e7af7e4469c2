"""What a thread of this process has used and waited for, as the kernel counts it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import get_native_id
from typing import NamedTuple


class Usage(NamedTuple):
    """
    All of a thread's life, or what lies between two looks at it.

    :ivar cpu: seconds that it computed.
    :ivar queued: seconds that it was ready to run and had no processor.
    :ivar waits: how often it fell asleep.
    :ivar faults: how often it waited for memory that was swapped out.
    :ivar settled: is everything up to now in these figures?
    """

    cpu: float
    queued: float
    waits: int
    faults: int
    settled: bool = True

    def since(self, before: Usage) -> Usage:
        """What came in between."""
        return Usage(
            self.cpu - before.cpu,
            self.queued - before.queued,
            self.waits - before.waits,
            self.faults - before.faults,
            self.settled,
        )

    def asleep(self, wall: float) -> float:
        """
        For how many of *wall* seconds it slept in calls; never too many.

        Who waits for the interpreter's lock wakes after each switch interval and asks for
        it, so that many sleeps account for so many intervals.  A call that sleeps, or waits
        for a network, sleeps once.  Swapping is the machine's trouble and not the code's.
        """
        if self.faults or not self.settled:
            return 0.0
        return max(0.0, wall - self.cpu - self.queued - self.waits * sys.getswitchinterval())


def usage_of(ident: int, native: int) -> Usage | None:
    """
    What a thread has used, to be asked from any thread; None where the system does not say it.

    :param ident: as `threading.get_ident`; *native* as `threading.get_native_id`.
    """
    folder = Path(f"/proc/self/task/{native}")
    with suppress(OSError, ValueError, LookupError, AttributeError):
        queued = int((folder / "schedstat").read_bytes().split()[1]) / 1e9
        # proc(5): after the name in brackets comes field 3; 12 is majflt.
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        # Another thread that is ready may be waiting for a processor; how long is counted when it has one.
        settled = fields[0] != b"R" or native == get_native_id()
        status = (folder / "status").read_bytes()
        waits = int(status.partition(b"\nvoluntary_ctxt_switches:")[2].split()[0])
        cpu = time.clock_gettime(time.pthread_getcpuclockid(ident))
        return Usage(cpu, queued, waits, int(fields[9]), settled)
    return None

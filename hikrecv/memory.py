"""How the process keeps its memory: set once, where the receiver is the whole process."""

from __future__ import annotations

import ctypes
import gc

# Names and numbers of glibc's <malloc.h>.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8

KEPT = 8_000_000
"""Bytes of freed memory that are not given back to the system."""
LARGE = 8_000_000
"""What is larger is mapped, and given back at once."""


def tune() -> None:
    """
    Keep what was freed, and look for cycles less often.

    A body of 300 kB is 70 pages.  By default glibc maps each of them anew, and faulting
    them in costs more than everything else that is done with the body.

    Receiving makes no cycles, so the collector finds nothing; its default is to look
    whenever 700 objects more are alive, which is every few events, and at times at
    everything that is alive.  What is alive now stays so.
    """
    _keep_freed()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _keep_freed() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library; it has its own ways
    for name, value in (
        (M_MMAP_THRESHOLD, LARGE),
        (M_TRIM_THRESHOLD, KEPT),
        (M_TOP_PAD, 1_000_000),
        # The threads share the interpreter's lock anyway; an arena for each would hold memory apart.
        (M_ARENA_MAX, 1),
    ):
        mallopt(name, value)

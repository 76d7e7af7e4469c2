"""How long to wait before trying again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from twisted.application.internet import backoffPolicy

SHORTEST = 1.0
LONGEST = 300.0
SOONEST_ASKED = 0.1
LATEST_ASKED = 86_400.0

_grow = backoffPolicy(SHORTEST, LONGEST, 2.0, lambda: 0.0)


def backoff(failures: int, chance: Callable[[], float] = random.random) -> float:
    """
    Seconds to wait after *failures* failures in a row: 1 s, doubling to 5 min.

    Up to a fifth is taken off by chance, so that what failed together does not
    come back together; it never is shorter than a second.
    """
    return max(SHORTEST, _grow(max(failures - 1, 0)) * (1.0 - 0.2 * chance()))


def asked(after: float | None) -> float | None:
    """
    The wait that a plugin asked for, kept in bounds; None when it asked for none.

    It may have been taken from a stranger's ``Retry-After``, so neither "at once,
    for ever" nor "in a hundred years" is believed.
    """
    if after is None or not isinstance(after, int | float) or math.isnan(after) or after < 0:
        return None
    return min(max(after, SOONEST_ASKED), LATEST_ASKED)

"""How often something may happen for each of many keys, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Rate:
    """
    At most `most` times in `span` seconds for each key.

    The span begins with a key's first call, so a key costs two numbers.  Of
    more than `keys` keys the least recently used one is forgotten.
    """

    __slots__ = ("_keys", "_most", "_now", "_seen", "_span")

    def __init__(
        self, most: int, span: float, now: Callable[[], float] = time.monotonic, keys: int = 1024
    ) -> None:
        self._most, self._span, self._now, self._keys = most, span, now, keys
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def take(self, key: Hashable) -> int | None:
        """How many were refused in the span before this one; None when this one is refused too."""
        now = self._now()
        began, count = self._seen.pop(key, (now, 0))
        missed = 0
        if now - began >= self._span:
            began, count, missed = now, 0, max(0, count - self._most)
        self._seen[key] = (began, count + 1)
        if len(self._seen) > self._keys:
            self._seen.popitem(last=False)
        return missed if count < self._most else None

    def forget(self, key: Hashable) -> None:
        """Begin anew for *key*."""
        self._seen.pop(key, None)

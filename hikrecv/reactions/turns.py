"""So many at a time: a semaphore that costs nothing while nobody has to wait."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import CancelledError, Deferred


class Turns:
    """Lets *most* go on at a time, the others in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[Deferred[None]] = deque()
        self._calling = False

    async def take(self) -> None:
        """Return when it is one's turn, which is then to be given back."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: Deferred[None] = Deferred()
        self._waiting.append(turn)
        try:
            await turn
        except CancelledError:
            self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Let the next one go on."""
        self._free += 1
        if self._calling:
            return
        # In a loop: who is called may well be done at once, and a thousand of them would nest too deep.
        self._calling = True
        try:
            while self._free and self._waiting:
                self._free -= 1
                self._waiting.popleft().callback(None)
        finally:
            self._calling = False

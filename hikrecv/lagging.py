"""Reactions that hold back much of the journal, or lose events: said while something can be done."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.logger import Logger

from .holding import Held
from .journal.retention import Loser

HALF, THREE_QUARTERS = 0.5, 0.75
AGAIN = 0.4
"""Whoever holds back less than this share is told of again when it is more."""
_log = Logger()


class Lagging:
    """
    Raises an alarm at half of what a reaction may hold back, at three quarters, and at each loss.

    :ivar lost: how many events reactions lost to retention in this life, by reaction.
    """

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        self._said: dict[str, float] = {}
        self._losing: dict[str, str] = {}

    def look(self, held: Mapping[str, Held]) -> None:
        """Tell of those that hold back more than they did; to be called every few seconds."""
        for name, each in held.items():
            share = each.bytes / each.most.bytes if each.most.bytes else float(each.bytes > 0)
            if each.hold.released or share < AGAIN:
                self._said.pop(name, None)
                self._losing.pop(name, None)
            elif each.most.bytes:
                self._tell(name, each, share)
        for gone in [name for name in {*self._said, *self._losing} if name not in held]:
            self._said.pop(gone, None)
            self._losing.pop(gone, None)

    def loses(self, loser: Loser, held: Held | None, count: int) -> None:
        """These events are gone before the reaction had them: *count* numbers of those that it names."""
        name = loser.reaction
        self.lost[name] = self.lost.get(name, 0) + count
        if held is None or held.hold.released:
            _log.warn(
                "{reaction} was released: the events {first} to {last} went before it had them",
                reaction=name,
                first=loser.first,
                last=loser.last,
            )
            return
        self._losing[name] = f"it loses the oldest events: {cure(name, held)}"
        _log.critical(
            "ALARM: {reaction} lost the events {first} to {last}: it may hold back {most} and was further "
            "behind; {cure}",
            reaction=name,
            first=loser.first,
            last=loser.last,
            most=size(held.most.bytes),
            cure=cure(name, held),
        )

    def losing(self, name: str) -> str:
        """Why the reaction loses events, and the cure; "" when it does not."""
        return self._losing.get(name, "")

    def _tell(self, name: str, held: Held, share: float) -> None:
        level = THREE_QUARTERS if share >= THREE_QUARTERS else HALF if share >= HALF else 0.0
        if level <= self._said.get(name, 0.0):
            return
        self._said[name] = level
        always = held.hold.hold == "always"
        say = _log.critical if level == THREE_QUARTERS else _log.warn
        say(
            "ALARM: {reaction} holds back {held} of events, {share} of the {most} at which {then}; {cure}",
            reaction=name,
            held=size(held.bytes),
            share="three quarters" if level == THREE_QUARTERS else "half",
            most=size(held.most.bytes),
            then="pushes are rejected with 503" if always else "it loses the oldest",
            cure=cure(name, held),
        )


def cure(name: str, held: Held) -> str:
    """What an operator can do, and nothing that would not help."""
    more = {
        "disk": "free some space: the disk gives no more, whatever hold_max and max say",
        "max": "raise [journal] max",
        "hold_max": 'raise [journal] hold_max, or write hold = "always" if it must lose nothing',
    }[held.most.bound]
    return f"see `hikrecv reactions`, {more}, or let go: hikrecv reactions release {name}"


def size(count: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count / 1e3:.0f} kB"

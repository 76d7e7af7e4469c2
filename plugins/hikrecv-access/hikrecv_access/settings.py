"""The plugin's keys in its ``[reactions.<name>]`` table."""

from __future__ import annotations

from typing import Literal

import msgspec

from hikrecv.config import Seconds, Zone

from .command import UNDO, WORDS, What
from .plates import Folding

Word = Literal["open", "close", "hold-open", "hold-closed", "resume", "lock", "unlock", "on", "off", "play"]


class Settings(msgspec.Struct, frozen=True):
    """What is done, for whom, and what is written down about it."""

    what: What = "door"
    """`door`, `gate` (a barrier), `output` (an alarm output), `siren` (a sound of the device),
    `remote-check` (answer a terminal by a call of our own), or `nothing`."""
    do: Word | None = None
    """`door`: open, close, hold-open, hold-closed, resume; `gate`: open, close, lock, unlock;
    `output`: on, off; `siren`: play. Without it the first of them."""
    device: str = ""
    """The `[devices.<name>]` that is told; without it the one that sent the event."""
    number: int = 0
    """Which door, barrier or output; 65535 is all doors; 0 the door that the event names, else the first."""
    lasts: Seconds = Seconds(0)
    """End it after this time: hold-open and hold-closed, a lock, an output that is on."""
    audio: int = 1
    """Which sound a `siren` plays."""
    allow: tuple[str, ...] = ()
    """CSV files of those who may; a relative path is below `plugins/<reaction>/` in the state directory."""
    deny: tuple[str, ...] = ()
    """CSV files of those who may not, whatever else is said."""
    unknown: Literal["deny", "no-opinion", "allow"] = "deny"
    """Who is on no list: `deny`; `no-opinion`, which leaves a terminal's question to the next; or `allow`."""
    outcomes: tuple[Literal["granted", "denied", "other"], ...] = ("granted",)
    """A person in an access event counts as being there only when the terminal came to one of these."""
    look_alikes: tuple[str, ...] = ()
    """Letters of plates that are taken for one another, such as `["O0", "I1"]`."""
    zone: Zone = Zone("")
    """The time zone of the lists; without it the system's."""
    echo: Seconds = Seconds(10)
    """So long after a command of ours nothing is done about what the device reports of it."""
    audit: str = "audit.jsonl"
    """Every decision, as a line of JSON; empty: none. A relative path as for `allow`."""

    def __post_init__(self) -> None:
        words = WORDS[self.what]
        if self.do is not None and self.do not in words:
            known = ", ".join(words) or "nothing"
            raise ValueError(f"do: a {self.what} can be told {known}, and not {self.do!r}")
        if self.lasts and (self.what, self.word) not in UNDO:
            raise ValueError(f"lasts: {self.word or 'nothing'!r} is over at once; remove the key")
        if not 0 <= self.number <= 65_535 or not 0 < self.audio <= 65_535:
            raise ValueError("number and audio are small numbers as the device counts")
        if not self.allow and self.unknown != "allow":
            raise ValueError('allow: nobody may; name a list, or write unknown = "allow"')
        Folding(self.look_alikes)

    @property
    def word(self) -> str:
        """What the device is told; "" when it is told nothing."""
        return self.do or next(iter(WORDS[self.what]), "")

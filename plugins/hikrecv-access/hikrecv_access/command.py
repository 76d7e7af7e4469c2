"""What a device can be told: our words, and the call that each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

import msgspec

if TYPE_CHECKING:
    from hikrecv.device.isapi import DeviceClient, DoorCommand, GateCommand

What = Literal["door", "gate", "output", "siren", "remote-check", "nothing"]

WORDS: Final[dict[str, dict[str, str]]] = {
    "door": {
        "open": "open",
        "close": "close",
        "hold-open": "alwaysOpen",
        "hold-closed": "alwaysClose",
        "resume": "resume",
    },
    "gate": {"open": "open", "close": "close", "lock": "lock", "unlock": "unlock"},
    "output": {"on": "high", "off": "low"},
    "siren": {"play": "play"},
    "remote-check": {},
    "nothing": {},
}
"""What each can be told, in our words and the devices'; the first is meant when nothing is said."""

UNDO: Final = {
    ("door", "hold-open"): "resume",
    ("door", "hold-closed"): "resume",
    ("gate", "lock"): "unlock",
    ("output", "on"): "off",
}
"""What ends what lasts."""
ALL_DOORS: Final = 65_535
"""This number stands for all doors of a device."""
_SIREN: Final = (
    "/ISAPI/Event/triggers/notifications/AudioAlarm/AudioOut/{n}/PlayCustomAudioFile"
    "?format=json&customAudioID={id}"
)


class Command(msgspec.Struct, frozen=True):
    """
    One call to one device.

    :param number: of the door, the barrier's channel, the output, the audio output.
    :param audio: which sound a siren plays.
    """

    device: str
    what: Literal["door", "gate", "output", "siren"]
    do: str
    number: int
    audio: int = 1

    @property
    def place(self) -> tuple[str, str, int]:
        """What is told something; two commands to one place follow each other."""
        return self.device, self.what, self.number

    def undone(self) -> Command | None:
        """The command that ends this one; None when nothing lasts."""
        word = UNDO.get((self.what, self.do))
        return None if word is None else msgspec.structs.replace(self, do=word)


async def carry_out(client: DeviceClient, command: Command) -> None:
    """
    Make the call.

    :raises Retry: when the device is away or busy; `certain` says that it did nothing.
    :raises Reject: when it refuses.
    """
    word: Any = WORDS[command.what][command.do]
    if command.what == "door":
        await client.door(cast("DoorCommand", word), command.number)
    elif command.what == "gate":
        await client.gate(cast("GateCommand", word), command.number)
    elif command.what == "output":
        await client.output(word, command.number)
    else:
        await client.put(_SIREN.format(n=command.number, id=command.audio), "")

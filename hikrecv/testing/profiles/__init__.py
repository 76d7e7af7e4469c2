"""The simulated models: what each says, and how it spells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from hikrecv.testing.message import Message


class Identity(msgspec.Struct, frozen=True):
    """Which of many devices of one model it is."""

    number: int = 1

    @property
    def mac(self) -> str:
        """A MAC address of the vendor's range, unlike for each device."""
        return "ac:cb:51:{:02x}:{:02x}:{:02x}".format(*self.number.to_bytes(3, "big"))

    @property
    def ip(self) -> str:
        """An address of the documentation range (RFC 5737)."""
        return f"192.0.2.{self.number % 250 + 1}"


Script = Callable[[Identity, Callable[[], datetime]], Iterator[Message]]
"""A model's endless script: the messages it sends, one after the other."""


def profiles() -> dict[str, Script]:
    """All simulated models by name."""
    from . import acusense, anpr, deepinview, minmoe, nvr

    return {
        "deepinview": deepinview.script,
        "minmoe": minmoe.script,
        "acusense": acusense.script,
        "anpr": anpr.script,
        "nvr": nvr.script,
    }

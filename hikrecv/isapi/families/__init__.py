"""
One file a family: document to typed parts of an Event.

A document is read by what it holds, not by what it calls itself: each family
names the fields it understands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..reading import Reading
from . import access, counting, face, intercom, io, panel, plate, target, thermal

Reader = Callable[[Reading, Any], None]

READERS: dict[str, Reader] = {
    name: reader
    for family in (face, plate, access, thermal, target, counting, panel, intercom, io)
    for name, reader in family.READS.items()
}
"""Which function reads which field of a document, by its folded name."""


def read(reading: Reading) -> None:
    """
    Let each family read its part.

    One that fails costs its own part and leaves an anomaly: the event, its
    pictures and the other parts stay.
    """
    doc = reading.doc
    for name in sorted([name for name in doc if name in READERS]):
        value = doc[name]
        if value is None or value == "":
            continue
        try:
            READERS[name](reading, value)
        except Exception as error:
            reading.odd("unreadable-part", f"{name}: {type(error).__name__}: {error}"[:200])

"""Watches how late the reactor is: a tick each millisecond, the figures in a file at the end."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from hikrecv import Context, Event, hookimpl

HIKRECV_API = 1
EVERY = 0.001
_late: list[float] = []


class Settings(msgspec.Struct, frozen=True):
    """
    What the table says.

    :param file: where the latenesses go, in seconds.
    """

    file: str


@hookimpl
async def hikrecv_start(context: Context) -> None:
    """Begin to watch."""
    due = context.clock.seconds() + EVERY

    def tick() -> None:
        nonlocal due
        now = context.clock.seconds()
        _late.append(max(now - due, 0.0))
        due = now + EVERY
        context.clock.callLater(EVERY, tick)

    context.clock.callLater(EVERY, tick)


@hookimpl
async def hikrecv_event(event: Event) -> None:
    """Nothing."""


@hookimpl
async def hikrecv_stop(context: Context) -> None:
    """Write down what was seen."""
    Path(context.settings.file).write_text(json.dumps(_late))

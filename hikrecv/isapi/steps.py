"""Reading that may be interrupted: a generator that stops for a moment now and then, and then goes on."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""
What a reader is in the process that answers devices, where others have their turn at each ``yield``.

One step is a millisecond or so: some hundred values, or what one call of C does.
"""


def at_once(steps: Steps[Result]) -> Result:
    """The result of all *steps*, for who has time."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result

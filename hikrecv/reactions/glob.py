"""Patterns with ``*`` and ``?``, without regular expressions: the cost is bounded whatever a device sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

PATTERN: Final = 200
"""Characters of a pattern at most."""
TEXT: Final = 1_000
"""A longer text is like nothing: it is no name, and would only cost time."""


def glob(pattern: str) -> Callable[[Any], bool]:
    """
    A function that says whether a text is like *pattern* as a whole.

    ``*`` is any number of characters, ``?`` is one; everything else is itself.
    """
    first, *others = pattern.split("*")
    if not others:
        return lambda text: isinstance(text, str) and len(text) == len(first) and _at(first, text, 0)
    *middle, last = others
    least = len(first) + len(last)

    def like(text: Any) -> bool:
        if not isinstance(text, str) or not least <= len(text) <= TEXT:
            return False
        end = len(text) - len(last)
        if not (_at(first, text, 0) and _at(last, text, end)):
            return False
        # The leftmost place for each piece leaves the most for those after it.
        place = len(first)
        for piece in middle:
            found = _find(piece, text, place, end)
            if found < 0:
                return False
            place = found + len(piece)
        return True

    return like


def _at(piece: str, text: str, place: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, place)
    part = text[place : place + len(piece)]
    return len(part) == len(piece) and all(p in ("?", c) for p, c in zip(piece, part, strict=True))


def _find(piece: str, text: str, start: int, end: int) -> int:
    if "?" not in piece:
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _at(piece, text, at)), -1)

"""The small functions that a compiled rule is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hikrecv.isapi.event import Event

from .words import Word

Match = Callable[[Event], bool]
Test = Callable[[Any], bool]


def values_of(word: Word, event: Event) -> Sequence[Any]:
    """Everything that the event says under *word*."""
    value = word.read(event)
    if word.many or (word.kind == "any" and isinstance(value, list | tuple)):
        found: Sequence[Any] = value
        return found
    return () if value is None else (value,)


def each(word: Word, test: Test) -> Match:
    """Does *test* hold for what the device said, or for any element of it?"""
    if word.many or word.kind == "any":
        return guarded(lambda event: any(test(found) for found in values_of(word, event)))
    read = word.read

    def match(event: Event) -> bool:
        found = read(event)
        return found is not None and test(found)

    return guarded(match)


def guarded(match: Match) -> Match:
    """Plugins make events too, and nothing checks what they put into them: a wrong type is a no."""

    def guarded(event: Event) -> bool:
        try:
            return match(event)
        except Exception:
            return False

    return guarded


def said(value: Any) -> bool:
    """Did the device say it, and if it is a yes or no: yes?"""
    return value is not None and value is not False and value != "" and value != () and value != {}


def opposite(match: Match) -> Match:
    """Holds where *match* does not."""
    return lambda event: not match(event)


def all_of(matches: Sequence[Match]) -> Match:
    """Holds where all hold; stops at the first that does not."""

    def match(event: Event) -> bool:
        for part in matches:  # noqa: SIM110 - a generator would double the cost
            if not part(event):
                return False
        return True

    return match


def any_of(matches: Sequence[Match]) -> Match:
    """Holds where one holds; stops there."""

    def match(event: Event) -> bool:
        for part in matches:  # noqa: SIM110 - a generator would double the cost
            if part(event):
                return True
        return False

    return match

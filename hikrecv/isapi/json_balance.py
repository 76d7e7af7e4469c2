"""JSON whose brackets alone are wrong: mended as a whole, so that the fast decoder can read it."""

from __future__ import annotations

import re

import msgspec

from .budget import Budget
from .json_repair import Repaired
from .steps import Steps, at_once

# What is printed, and much of what firmware puts together by hand, errs in its brackets.  Looking at these
# alone costs a fifth of what `json_repair` needs for looking at every token.

# Up to the next bracket that is in no string, else to a string that does not end, else to the end: it always
# matches, so that one match begins where the last one ended.
_BRACKET = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+(?:[{}\[\]"]|\Z)', re.DOTALL
)
_BRACKETS = b"{}[]"
_REST = re.compile(rb"[ \t\r\n\0]*+\Z")
_BRACE = ord("{")
_CLOSING = {_BRACE: ord("}"), ord("["): ord("]")}

_MOMENT = 1_023
"""Brackets after which reading stops for a moment: a millisecond."""

_decode = msgspec.json.Decoder().decode


def rebalance(text: bytes, at: int = 0, budget: Budget | None = None) -> Repaired | None:
    """
    What :func:`~hikrecv.isapi.json_repair.repair` makes of *text* when only its brackets are wrong.

    None when anything else is, or may be: a text that does not end with a bracket may have lost
    part of a value.

    :raises OverBudget: when it is nested too deep, or more than *budget* allows.
    """
    return at_once(rebalancing(text, at, budget or Budget()))


def rebalancing(text: bytes, at: int, budget: Budget) -> Steps[Repaired | None]:
    """The same in steps."""
    if text[at : at + 1] not in (b"{", b"["):
        return None
    balance = _Balance(text, at)
    balanced = yield from balance.take(budget)
    budget.scan(balance.seen - at)
    if not balanced:
        return None
    whole = balance.whole()
    budget.take(whole.count(b","))
    yield
    try:
        data = _decode(whole)
    except (ValueError, RecursionError):
        return None
    return Repaired(data, balance.end, tuple(balance.odd))


class _Balance:
    """
    A text whose brackets are put right as they are met.

    :ivar end: up to where it was understood; what is before `_copied` is in `_pieces`, mended.
    :ivar seen: up to where it was looked at.
    """

    __slots__ = ("_copied", "_open", "_pieces", "end", "odd", "seen", "text")

    def __init__(self, text: bytes, at: int) -> None:
        self.text = text
        self.end = self.seen = self._copied = at
        self.odd: dict[str, None] = {}
        self._pieces: list[bytes] = []
        self._open: list[int] = []
        """What would close the brackets that are open."""

    def take(self, budget: Budget) -> Steps[bool]:
        """Go on to where the first bracket is closed, or to the end; False when that makes no sense."""
        text, still_open = self.text, self._open
        brace = -1
        depth, values, count = budget.depth, budget.values, 0
        for found in _BRACKET.finditer(text, self.end):
            self.seen = end = found.end()
            place = end - 1
            bracket = text[place]
            count += 1
            if not count & _MOMENT:
                budget.on_time()
                yield
            if end == self.end or bracket not in _BRACKETS or count > values:
                break
            self.end = end
            if bracket in _CLOSING:
                if brace >= 0 and not text[brace + 1 : place].strip():
                    self._make_list(brace)
                still_open.append(_CLOSING[bracket])
                if len(still_open) > depth:
                    raise budget.too_deep()
                brace = place if bracket == _BRACE else -1
                continue
            brace = -1
            if bracket == still_open[-1]:
                still_open.pop()
            else:
                self._end_otherwise(place)
            if not still_open:
                break
        budget.take(count)
        return not still_open or _REST.match(text, self.end) is not None

    def whole(self) -> bytes:
        """The text as it should be; what is open is closed."""
        self._put(self.end, b"")
        if self._open:
            self.odd["document-cut"] = None
            self.end = len(self.text)
            self._pieces.append(bytes(reversed(self._open)))
        return b"".join(self._pieces)

    def _make_list(self, brace: int) -> None:
        # ``{{``: an object has keys, so the outer one was meant to be a list.
        self.odd["double-brace"] = None
        self._open[-1] = ord("]")
        self._put(brace, b"[")
        self._copied = brace + 1

    def _end_otherwise(self, place: int) -> None:
        """One that does not close what was opened last: close what is inside, or take it for another."""
        self.odd["wrong-bracket"] = None
        bracket, missing = self.text[place], bytearray()
        if bracket in self._open:
            while self._open[-1] != bracket:
                missing.append(self._open.pop())
            self._put(place, bytes(missing))
            self._open.pop()
        else:
            self._put(place, bytes((self._open.pop(),)))
            self._copied = place + 1

    def _put(self, place: int, instead: bytes) -> None:
        self._pieces += (self.text[self._copied : place], instead)
        self._copied = place

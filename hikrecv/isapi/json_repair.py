"""Text that is almost JSON, read as far as it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from .budget import Budget
from .steps import Steps, at_once

Kind = Literal["object", "array"]
Heard = Callable[[list[str | None], int, int], object]
"""Takes the keys around a text, a number or a word that is a value, and where it stands, without quotes."""

_TOKEN = re.compile(
    rb'[\s\0]*+(?:([{}\[\],:])|"((?:[^"\\]++|\\.)*+\\?)("|\Z)|([^\s{}\[\],:"\0]++))', re.DOTALL
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.?)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_WORDS: dict[bytes, Any] = {b"true": True, b"false": False, b"null": None}
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ODD_NUMBER = re.compile(rb"[+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})")
_NOT_A_NUMBER = re.compile(rb"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)

_MOMENT = 255
"""Tokens after which reading stops for a moment: less than a millisecond."""

_decode = msgspec.json.Decoder().decode


class Repaired(NamedTuple):
    """
    What a text gave.

    :param end: the place behind the document.
    :param anomalies: the names of what was repaired.
    """

    data: Any
    end: int
    anomalies: tuple[str, ...]


def repair(
    text: bytes, at: int = 0, budget: Budget | None = None, heard: Heard | None = None
) -> Repaired | None:
    """
    The object or array that begins at *at* of *text* (UTF-8); None when none does.

    It goes on where JSON says stop, and knows what printed and truncated documents
    look like: ``{{`` for ``[{``, brackets that are never closed or closed by the
    wrong one, commas too many or missing, NaN, raw control characters, a tail that
    is cut.  What is complete is given; a value that was cut is left out.

    :param heard: told of every value, also of one that is cut.
    :raises OverBudget: when it is nested too deep, or more than *budget* allows.
    """
    return at_once(repairing(text, at, budget or Budget(), heard))


def repairing(text: bytes, at: int, budget: Budget, heard: Heard | None = None) -> Steps[Repaired | None]:
    """The same in steps."""
    return _Reader(text, budget, heard).read(at)


class _Frame:
    """
    A container that is still open.

    :ivar full: a value was just put, so that a comma or the end must follow.
    :ivar comma: a comma was just read, so that a value must follow.
    """

    __slots__ = ("comma", "full", "key", "kind", "value")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.value: Any = {} if kind == "object" else []
        self.key: str | None = None
        self.full = False
        self.comma = False


class _Reader:
    __slots__ = ("_budget", "_data", "_finished", "_frames", "_heard", "_odd", "_text")

    def __init__(self, text: bytes, budget: Budget, heard: Heard | None) -> None:
        self._text = text
        self._heard = heard
        self._budget = budget
        self._data: Any = None
        self._finished = False
        self._frames: list[_Frame] = []
        self._odd: dict[str, None] = {}

    def read(self, at: int) -> Steps[Repaired | None]:
        if self._text[at : at + 1] not in (b"{", b"["):
            return None
        begin, tokens, most = at, 0, self._budget.values
        while not self._finished and tokens <= most:
            found = _TOKEN.match(self._text, at)
            if found is None:
                at = len(self._text)
                break
            at = found.end()
            tokens += 1
            self._take(found)
            if not tokens & _MOMENT:
                self._budget.on_time()
                yield
        self._budget.take(tokens)
        self._budget.scan(at - begin)
        if not self._finished:
            self._note("document-cut")
        while self._frames:
            self._close()
        return Repaired(self._data, at, tuple(self._odd))

    def _note(self, name: str) -> None:
        self._odd[name] = None

    def _take(self, found: re.Match[bytes]) -> None:
        mark, string, quote, word = found.groups()
        if mark is None:
            if self._heard is not None:
                self._tell(found, 2 if word is None else 4)
            # What reaches the text's end may have been cut: 0.9 of 0.96 is no value.
            if quote:
                self._string(string)
            elif word is not None and found.end() < len(self._text):
                self._word(word)
        elif mark in b"{[":
            self._open("object" if mark == b"{" else "array")
        elif mark in b"}]":
            self._end("object" if mark == b"}" else "array")
        elif mark == b",":
            self._comma()
        elif self._frames[-1].kind == "array":
            self._note("stray-colon")

    def _tell(self, found: re.Match[bytes], group: int) -> None:
        top = self._frames[-1]
        if self._heard is not None and (top.kind == "array" or top.key is not None):
            self._heard([frame.key for frame in self._frames], *found.span(group))

    # -- containers -----------------------------------------------------------

    def _open(self, kind: Kind) -> None:
        if len(self._frames) >= self._budget.depth:
            raise self._budget.too_deep()
        if self._frames:
            top = self._frames[-1]
            if top.kind == "object" and top.key is None and not top.value:
                self._note("double-brace")
                top.kind, top.value = "array", []
            self._expect_value(top)
        self._frames.append(_Frame(kind))

    def _end(self, kind: Kind) -> None:
        if self._frames[-1].kind != kind:
            self._note("wrong-bracket")
            if any(frame.kind == kind for frame in self._frames):
                while self._frames[-1].kind != kind:
                    self._close()
        elif self._frames[-1].comma:
            self._note("trailing-comma")
        self._close()
        self._finished = not self._frames

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.key is not None:
            self._note("missing-value")
        if self._frames:
            self._put(frame.value)
        else:
            self._data = frame.value

    # -- what stands in them ------------------------------------------------------

    def _comma(self) -> None:
        top = self._frames[-1]
        if top.key is not None:
            self._note("missing-value")
            top.key = None
        elif not top.full:
            self._note("stray-comma")
        top.full, top.comma = False, True

    def _expect_value(self, top: _Frame) -> None:
        if top.full:
            self._note("missing-comma")
        top.full = top.comma = False

    def _string(self, body: bytes) -> None:
        text = self._unescaped(body)
        top = self._frames[-1]
        self._expect_value(top)
        if top.kind == "object" and top.key is None:
            top.key = text
        else:
            self._put(text)

    def _word(self, word: bytes) -> None:
        top = self._frames[-1]
        if top.kind == "object" and top.key is None:
            self._note("bare-word")
            self._expect_value(top)
            top.key = word.decode("utf-8", "replace")
        else:
            self._expect_value(top)
            self._put(self._scalar(word))

    def _put(self, value: Any) -> None:
        top = self._frames[-1]
        if top.kind == "array":
            top.value.append(value)
        else:
            key = "" if top.key is None else top.key
            if key in top.value:
                self._note("duplicate-key")
            top.value[key] = value
            top.key = None
        top.full = True

    def _scalar(self, word: bytes) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if _NUMBER.fullmatch(word):
            try:
                return _decode(word)
            except ValueError:  # beyond what a float holds
                self._note("not-a-number")
                return None
        if _NOT_A_NUMBER.fullmatch(word):
            self._note("not-a-number")
            return None
        if _ODD_NUMBER.fullmatch(word):
            self._note("odd-number")
            return float(word) if b"." in word else int(word)
        self._note("bare-word")
        return word.decode("utf-8", "replace")

    def _unescaped(self, body: bytes) -> str:
        if _CONTROL.search(body):
            self._note("control-character")
        text = body.decode("utf-8", "replace")
        if "\\" not in text:
            return text
        self._budget.take(text.count("\\"))
        text = _ESCAPE.sub(self._escaped, text)
        if _SURROGATE.search(text):
            # A pair is one character; half a pair is none.
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            if "\ufffd" in text:
                self._note("bad-escape")
        return text

    def _escaped(self, found: re.Match[str]) -> str:
        escape = found[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED:
            self._note("bad-escape")
            return "\\" + escape
        return _ESCAPED[escape]

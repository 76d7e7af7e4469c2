"""The words of a `when`: every name that an event has, its kind, and how it is read."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from hikrecv.isapi.event import Event

from .schedule import WEEKDAYS

Kind = Literal["text", "number", "yes or no", "time", "table", "any"]
Read = Callable[[Any], Any]

SHARES = frozenset({"similarity", "confidence", "quality", "library_threshold", "x", "y", "width", "height"})
"""Numbers in 0..1, by the last part of the name: a larger constant could never be met."""
_KINDS: dict[Any, Kind] = {str: "text", int: "number", float: "number", bool: "yes or no", datetime: "time"}


class Word(msgspec.Struct, frozen=True):
    """
    A name in a rule.

    :param many: it leads through a list, and `read` gives a list of what is there.
    :param shape: what a table is a table of.
    :param choices: the only values that it can have.
    :param least: with `most`, the bounds of a number.
    """

    name: str
    kind: Kind
    read: Read
    many: bool = False
    shape: type[msgspec.Struct] | None = None
    choices: frozenset[str] = frozenset()
    least: float = float("-inf")
    most: float = float("inf")

    @property
    def fields(self) -> tuple[str, ...]:
        """The names below a table."""
        return () if self.shape is None else self.shape.__struct_fields__


class UnknownWord(LookupError):
    """An event has no such name."""


def find_word(name: str, zone: tzinfo | None) -> Word:
    """
    The word *name*; `hour` and `weekday` are in *zone* (None: the system's).

    :raises UnknownWord: with a hint at the nearest name.
    """
    if name == "hour":
        return Word(name, "number", lambda event: _local(event, zone).hour, least=0, most=23)
    if name == "weekday":
        choices = frozenset(WEEKDAYS)
        return Word(name, "text", lambda event: WEEKDAYS[_local(event, zone).weekday()], choices=choices)
    first, *rest = name.split(".")
    word = _fields(Event).get(first)
    for part in rest:
        if word is None:
            break
        above, word = word, _below(word, part)
        if word is None and above.fields:
            raise UnknownWord(f"{above.name} has no {part!r}; it has {', '.join(above.fields)}")
    if word is None:
        raise UnknownWord(f"an event has no {name!r}{_hint(name)}")
    return word


class Answered(msgspec.Struct, frozen=True):
    """
    What another system answered, for a rule that says whether that is good.

    :param body: what its JSON says, or its text.
    """

    status: int
    body: Any


def answer_word(name: str) -> Word:
    """
    The word *name* of a rule about an answer (`Answered`): ``status``, ``body``, or below it ``body.result``.

    :raises UnknownWord: for anything else.
    """
    first, *rest = name.split(".")
    word = _fields(Answered).get(first)
    if word is None or (rest and word.kind != "any"):
        raise UnknownWord(f"an answer has no {name!r}; it has status, body, and what body holds: body.result")
    for part in rest:
        below = _below(word, part)
        if below is None:
            raise UnknownWord(f"{word.name} has no {part!r}")
        word = below
    return word


@cache
def vocabulary() -> tuple[str, ...]:
    """Every name that can stand in a rule, tables included; below ``extra`` anything can."""
    return ("hour", "weekday", *_walk(_fields(Event).values()))


def _walk(words: typing.Iterable[Word]) -> Iterator[str]:
    for word in words:
        yield word.name
        below = (_below(word, field) for field in word.fields)
        yield from _walk(deeper for deeper in below if deeper is not None)


def _local(event: Event, zone: tzinfo | None) -> datetime:
    return (event.occurred or event.received).astimezone(zone)


def _hint(name: str) -> str:
    if name.startswith("event."):
        return f"; write {name.removeprefix('event.')}"
    last = name.rpartition(".")[2]
    same = [word for word in vocabulary() if word.rpartition(".")[2] == last][:3]
    near = same or difflib.get_close_matches(name, vocabulary(), n=1)
    return f"; did you mean {' or '.join(near)}?" if near else "; see `hikrecv schema` for the names"


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, Word]:
    fields = msgspec.structs.fields(shape)
    return {field.name: _word(field.name, field.type, attrgetter(field.name)) for field in fields}


def _below(word: Word, part: str) -> Word | None:
    """The word ``<word>.<part>``, or None when there is none."""
    if word.kind == "any":
        found = Word(part, "any", lambda value: value.get(part) if isinstance(value, dict) else None)
    elif word.shape is None or part not in word.fields:
        return None
    else:
        found = _fields(word.shape)[part]
    read = _then(word, found.read, flatten=found.many)
    many = word.many or found.many
    return msgspec.structs.replace(found, name=f"{word.name}.{part}", read=read, many=many)


def _word(name: str, declared: Any, read: Read) -> Word:
    many, kind = _unwrapped(declared)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return Word(name, "table", read, many, shape=kind)
    if typing.get_origin(kind) is Literal:
        return Word(name, "text", read, many, choices=frozenset(typing.get_args(kind)))
    if name in SHARES:
        return Word(name, "number", read, many, least=0, most=1)
    return Word(name, _KINDS.get(kind, "any"), read, many)


def _unwrapped(declared: Any) -> tuple[bool, Any]:
    """Whether it is a list, and what it holds, without "or None"."""
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        declared = next(part for part in typing.get_args(declared) if part is not type(None))
    if typing.get_origin(declared) in (tuple, list):
        return True, typing.get_args(declared)[0]
    return False, declared


def _then(word: Word, read: Read, *, flatten: bool = False) -> Read:
    """Read *word*, then what is below it; absent stays absent."""
    above = word.read
    if word.many:
        return lambda event: _each(above(event), read, flatten)

    def one(event: Event) -> Any:
        value = above(event)
        return None if value is None else read(value)

    return one


def _each(values: Sequence[Any], read: Read, flatten: bool) -> list[Any]:
    found = [inner for value in values if (inner := read(value)) is not None]
    return [inner for inners in found for inner in inners] if flatten else found

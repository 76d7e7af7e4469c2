"""Read plain data that firmware spells in many ways."""

from __future__ import annotations

import math
from typing import Any

from .catalogue import misspellings

DEPTH = 24
"""Deeper than this nothing is looked for."""
LONGEST = 1024
"""Characters of a text that an event keeps; the whole is in the document."""
_REMEMBERED = 8192
_LARGEST = 2**63 - 1
_EMPTY: dict[str, Any] = {}
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

Fields = dict[str, Any]


_names: dict[str, str] = {}
"""Wire name to the name it is looked up by; bounded, for devices could make up names for ever."""


def _name(wire_name: str) -> str:
    folded = "".join(wire_name.lower().split())
    folded = misspellings().get(folded, folded)
    if len(_names) < _REMEMBERED and len(wire_name) <= 64:
        _names[wire_name] = folded
    return folded


def fold(data: Any, depth: int = DEPTH) -> Any:
    """
    A copy of plain data with all names in lower case, without blanks, well spelt.

    Of two names that become one, the first that says something wins: one
    message of a face camera has `modelData` and `modeldata`.
    """
    if type(data) is list:
        return _folded_list(data, depth)
    if type(data) is not dict or not depth:
        return data
    folded: Fields = {}
    for name, value in data.items():
        kind = type(value)
        if kind is dict:
            value = fold(value, depth - 1)
        elif kind is list:
            value = _folded_list(value, depth - 1)
        try:
            folded[_names[name]] = value
        except KeyError:
            folded[_name(name)] = value
    return folded if len(folded) == len(data) else _without_doubles(data, depth)


def _folded_list(data: list[Any], depth: int) -> list[Any]:
    if not depth:
        return data
    return [fold(item, depth - 1) if type(item) in (dict, list) else item for item in data]


def _without_doubles(data: Fields, depth: int) -> Fields:
    folded: Fields = {}
    for name, value in data.items():
        if folded.get(_name(name)) in (None, "", [], {}):
            folded[_name(name)] = fold(value, depth - 1)
    return folded


def text(fields: Fields, name: str, *others: str) -> str | None:
    """The first of these that says something, as text; of `{"value": x}` and XML's `#text` it is x."""
    value = fields.get(name)
    if value is not None:
        # Nearly everything is a short text in ASCII.
        if type(value) is str and len(value) < LONGEST and value.isascii():
            said: str | None = value.strip()
        else:
            said = as_text(value)
        if said:
            return said
    return text(fields, *others) if others else None


def as_text(value: Any) -> str | None:
    """A scalar as text that JSON can carry, bounded; None when it says nothing."""
    kind = type(value)
    if kind is dict:
        value = value.get("value", value.get("#text"))
        kind = type(value)
    if kind is str:
        said: str = value.strip()[:LONGEST]
    elif kind is bool:
        said = "true" if value else "false"
    elif kind is int or kind is float:
        said = str(value) if -_LARGEST < value < _LARGEST else ""
    else:
        return None
    # A lone surrogate is valid JSON on the wire and can be written by nobody.
    return (said if said.isascii() else said.encode("utf-8", "replace").decode()) or None


def whole(fields: Fields, name: str, *others: str) -> int | None:
    """The first of these that is a whole number, also as text."""
    value = fields.get(name)
    if value is not None:
        if type(value) is not int:
            found = as_number(value)
            value = int(found) if found is not None and found.is_integer() else None
        if value is not None and -_LARGEST <= value <= _LARGEST:
            return int(value)
    return whole(fields, *others) if others else None


def number(fields: Fields, name: str, *others: str) -> float | None:
    """The first of these that is a finite number, also as text."""
    value = fields.get(name)
    found = None if value is None else as_number(value)
    if found is None and others:
        return number(fields, *others)
    return found


def as_number(value: Any) -> float | None:
    """A scalar as a finite number, or None."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int:
        return float(value) if -_LARGEST <= value <= _LARGEST else None
    if kind is dict:
        return as_number(value.get("value", value.get("#text")))
    if kind is str and len(value) <= 40:
        try:
            found = float(value)
        except ValueError:
            return None
        return found if math.isfinite(found) else None
    return None


def flag(fields: Fields, name: str) -> bool | None:
    """Whether *name* says yes or no."""
    value = fields.get(name)
    if value is None or type(value) is bool:
        return value
    word = (as_text(value) or "").lower()
    return True if word in _TRUE else False if word in _FALSE else None


def sub(fields: Fields, *names: str) -> Fields:
    """The first of *names* that holds fields; of a list, its first; empty when there is none."""
    for name in names:
        value = fields.get(name)
        if type(value) is dict:
            return value
        if type(value) is list:
            found = next((item for item in value if type(item) is dict), None)
            if found is not None:
                return found
    return _EMPTY


def each(value: Any, *wrappers: str) -> list[Fields]:
    """
    The members of a list, however it is spelled.

    XML has one element or several inside a wrapper, JSON a list, an object, or
    a list of objects that each hold one: all names of wrappers in *wrappers*
    are seen through.
    """
    if type(value) is dict:
        if not value:
            return []
        inner = next((value[name] for name in wrappers if type(value.get(name)) in (dict, list)), None)
        return [value] if inner is None else each(inner, *wrappers)
    if type(value) is not list:
        return []
    if wrappers:
        return [member for item in value for member in each(item, *wrappers)]
    return [item for item in value if type(item) is dict and item]

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
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

Fields = dict[str, Any]


_names: dict[str, str] = {}
"""Wire name to the name it is looked up by; bounded, for devices could make up names for ever."""


def _name(wire_name: str) -> str:
    name = "".join(wire_name.lower().split())
    name = misspellings().get(name, name)
    if len(_names) < _REMEMBERED and len(wire_name) <= 64:
        _names[wire_name] = name
    return name


def folded(wire_name: str) -> str:
    """The name that *wire_name* is looked up by."""
    return _names.get(wire_name) or _name(wire_name)


def fold(data: Any, depth: int = DEPTH) -> Any:
    """
    A copy of plain data with all names in lower case, without blanks, well spelt.

    Of two names that become one, the first that says something wins: one
    message of a face camera has `modelData` and `modeldata`.
    """
    if not depth:
        return data
    if type(data) is dict:
        return _folded_dict(data, depth - 1)
    return _folded_list(data, depth - 1) if type(data) is list else data


def _folded_dict(data: Fields, depth: int) -> Fields:
    """*depth* is what is left for what is inside."""
    folded: Fields = {}
    inside: list[Any] = []
    names = _names
    for name, value in data.items():
        if depth:
            kind = type(value)
            if kind is dict:
                value = _folded_dict(value, depth - 1)
                inside.append(value)
            elif kind is list:
                value = _folded_list(value, depth - 1)
                inside.append(value)
        try:
            folded[names[name]] = value
        except KeyError:
            folded[_name(name)] = value
    return folded if len(folded) == len(data) else _without_doubles(data, inside)


def _without_doubles(data: Fields, inside: list[Any]) -> Fields:
    """
    Once more, for names that became one.

    :param inside: the containers in *data*, folded: doing that again would take twice as long at each depth.
    """
    folded: Fields = {}
    containers = iter(inside)
    for name, value in data.items():
        said = next(containers) if inside and type(value) in (dict, list) else value
        if folded.get(_name(name)) in _NOTHING:
            folded[_name(name)] = said
    return folded


def _folded_list(data: list[Any], depth: int) -> list[Any]:
    if not depth:
        return data
    folded = []
    for item in data:
        kind = type(item)
        if kind is dict:
            item = _folded_dict(item, depth - 1)
        elif kind is list:
            item = _folded_list(item, depth - 1)
        folded.append(item)
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
    for other in others:
        value = fields.get(other)
        if value is not None and (said := as_text(value)) is not None:
            return said
    return None


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
    if kind is str:
        if len(value) > 40:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    elif kind is int:
        return float(value) if -_LARGEST <= value <= _LARGEST else None
    elif kind is dict:
        return as_number(value.get("value", value.get("#text")))
    elif kind is not float:
        return None
    return value if math.isfinite(value) else None


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
            for item in value:
                if type(item) is dict:
                    return item
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
        for name in wrappers:
            inner = value.get(name)
            if type(inner) is dict or type(inner) is list:
                return each(inner, *wrappers)
        return [value]
    if type(value) is not list:
        return []
    members: list[Fields] = []
    for item in value:
        if type(item) is dict and item.keys().isdisjoint(wrappers):
            if item:
                members.append(item)
        elif wrappers:
            members += each(item, *wrappers)
    return members

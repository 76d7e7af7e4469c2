"""A plugin's settings: checked all at once before anything listens, and described for its user."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from hikrecv.config import Bytes, Common, Network, Seconds, Secret, Url, Zone, convert
from hikrecv.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)

COMMON_KEYS = frozenset(field.encode_name for field in msgspec.structs.fields(Common))
"""What every reaction's table may have, and therefore no plugin's settings."""

_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Seconds: "span of time",
    Bytes: "size",
    Network: "address or network",
    Zone: "time zone",
    Secret: "secret",
    Url: "address (URL)",
    Any: "anything",
}


_SPANS = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_SIZES = {"GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}


class NoSettings(msgspec.Struct, frozen=True):
    """The settings of a plugin that declares none."""


class Row(NamedTuple):
    """One setting, in words.  `default` is None when the key is required."""

    key: str
    type: str
    default: str | None
    meaning: str


def split(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reaction's table as the common keys and the plugin's own."""
    common = {key: value for key, value in table.items() if key in COMMON_KEYS}
    return common, {key: value for key, value in table.items() if key not in COMMON_KEYS}


def check(
    table: Mapping[str, Any], shape: type[T], *, path: str, folder: Path = Path()
) -> tuple[T | None, list[ConfigError]]:
    """
    *table* as a *shape*, or every error in it: each key is looked at by itself.

    :param path: of the table: ``reactions.hq``.
    :param folder: what ``file:`` secrets are relative to.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    errors = [unknown_key(key, fields, path) for key in table if key not in fields]
    for key, field in fields.items():
        if key in table:
            try:
                convert(table[key], field.type, path=f"{path}.{key}", folder=folder)
            except ConfigError as error:
                errors.append(error)
        elif field.required:
            errors.append(ConfigError("is missing", f"{path}.{key}"))
    if errors:
        return None, errors
    try:
        # Once more as a whole: the shape may compare its fields in __post_init__.
        return convert(dict(table), shape, path=path, folder=folder), []
    except ConfigError as error:
        return None, [error]


def unknown_key(key: str, known: typing.Iterable[str], path: str) -> ConfigError:
    """The error for a key that nothing reads, with the nearest that is read."""
    names = sorted(known)
    near = difflib.get_close_matches(key, {*names, *COMMON_KEYS}, n=1)
    if near:
        return ConfigError(f"unknown key; did you mean {near[0]}?", f"{path}.{key}")
    known_keys = f"known are {', '.join(names)}" if names else "the plugin has no settings of its own"
    return ConfigError(f"unknown key; {known_keys}", f"{path}.{key}")


def describe(shape: type[msgspec.Struct] | None, prefix: str = "") -> list[Row]:
    """
    The settings of *shape*, one row a key; tables within it have dotted keys.

    The meaning is what the author wrote as ``Meta(description=...)``, as a string
    below the field, or as ``:param key:`` in the class's docstring.
    """
    if shape is None:
        return []
    meanings = _docstrings(shape)
    return [row for field in msgspec.structs.fields(shape) for row in _rows(field, prefix, meanings)]


def _rows(field: msgspec.structs.FieldInfo, prefix: str, meanings: Mapping[str, str]) -> Iterator[Row]:
    key = prefix + field.encode_name
    meaning = _described(field.type) or meanings.get(field.name, "")
    yield Row(key, _in_words(field.type), _default(field), meaning)
    for inner, mark in _tables(field.type):
        yield from describe(inner, f"{key}{mark}.")


def _tables(kind: Any) -> Iterator[tuple[type[msgspec.Struct], str]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind, ""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    mark = "[]" if origin in (list, tuple, set, frozenset) else ".<name>" if origin is dict else ""
    for argument in arguments if origin is not Literal else ():
        for inner, deeper in _tables(argument):
            yield inner, mark + deeper


def _default(field: msgspec.structs.FieldInfo) -> str | None:
    if field.required:
        return None
    factory = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    if isinstance(value, Secret):
        return "(secret)"
    if value is None or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, Seconds | Bytes):
        return _shortest(value, _SPANS if isinstance(value, Seconds) else _SIZES)
    return msgspec.json.encode(value, enc_hook=str).decode()


def _shortest(value: float, units: Mapping[str, float]) -> str:
    """As a person writes it: 90 s, but 2m; 64KB."""
    unit = next((unit for unit, size in units.items() if value and value % size == 0), "")
    return f'"{value / units.get(unit, 1):g}{unit}"'


def _in_words(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "table"
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _in_words(arguments[0])
    if origin is Literal:
        return " | ".join(str(word) for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_in_words(part) for part in arguments if part is not type(None))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_in_words(arguments[0])}" if arguments else "list"
    if origin is dict or kind is dict:
        return f"table of {_in_words(arguments[1])}" if arguments else "table"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _described(kind: Any) -> str:
    if typing.get_origin(kind) is not Annotated:
        return ""
    metas = (meta for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")


def _docstrings(shape: type) -> dict[str, str]:
    found = dict(re.findall(r":param (\w+):\s*(.+?)(?=\n\s*:|\n\s*\n|\Z)", inspect.getdoc(shape) or "", re.S))
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(shape))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        body = None
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(below):
                found[field.target.id] = below.value.value  # type: ignore[attr-defined]
    return {name: " ".join(meaning.split()) for name, meaning in found.items()}


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )

"""Plain data against a table class: everything that is wrong, each by its path, in an installer's words."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from .errors import ConfigError
from .units import KINDS, Bytes, Seconds, in_words, read, shown, written

T = TypeVar("T")

_MANY = {"object": "a table ([...])", "array": 'a list, such as ["..."]', "int": "a whole number"}
_SIGNS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def between(low: float | None, high: float | None) -> msgspec.Meta:
    """
    For ``Annotated``: a number, span or size must not be lower than *low* or higher than *high*.

    msgspec's own `ge` and `le` know nothing of spans and sizes.
    """
    return msgspec.Meta(extra={"between": (low, high)})


def checked(check: Callable[[Any], object]) -> msgspec.Meta:
    """For ``Annotated``: *check* is called with the value, and a `ValueError` of it is the error."""
    return msgspec.Meta(extra={"check": check})


def convert(raw: object, shape: type[T], *, path: str = "", folder: Path = Path()) -> T:
    """
    Check plain data against a table class; used for our tables and for a plugin's Settings.

    :param folder: what ``file:`` secrets are relative to.
    :raises ConfigError: for the first thing that is wrong; its path begins with *path*.
    """
    for error in examine(raw, shape, path, folder):
        raise error
    try:
        return msgspec.convert(raw, shape, dec_hook=lambda kind, value: read(kind, value, folder))
    except msgspec.ValidationError as error:
        raise _translated(error, path) from None


def examine(raw: object, shape: Any, path: str = "", folder: Path = Path()) -> Iterator[ConfigError]:
    """Everything that is wrong with *raw* as a *shape*: the keys of our tables one by one."""
    kind = _bare(shape)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_table(kind) and _is_plain(raw):
        yield from _in_table(raw, kind, path, folder)
    elif (origin is list or (origin is tuple and arguments[1:] == (...,))) and _is_plain(raw):
        yield from _in_list(raw, arguments[0], path, folder)
    elif origin is dict and _is_plain(raw):
        yield from _in_names(raw, arguments[1], path, folder)
    else:
        yield from _in_value(raw, shape, path, folder)


def _in_table(raw: object, kind: Any, path: str, folder: Path) -> Iterator[ConfigError]:
    if not isinstance(raw, dict):
        yield ConfigError(f"must be a table ({_header(path)}), not {in_words(raw)}", path)
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if kind.__struct_config__.forbid_unknown_fields:
        yield from (unknown_key(key, fields, path) for key in raw if key not in fields)
    for key, field in fields.items():
        if key in raw:
            yield from examine(raw[key], field.type, joined(path, key), folder)
        elif field.required:
            yield ConfigError("is missing", joined(path, key))


def _in_list(raw: object, kind: Any, path: str, folder: Path) -> Iterator[ConfigError]:
    if isinstance(raw, list | tuple):
        for number, each in enumerate(raw):
            yield from examine(each, kind, f"{path}[{number}]", folder)
    else:
        wanted = f"a list of tables ([{_header(path)}])" if _is_table(kind) else 'a list, such as ["..."]'
        yield ConfigError(f"must be {wanted}, not {in_words(raw)}", path)


def _in_names(raw: object, kind: Any, path: str, folder: Path) -> Iterator[ConfigError]:
    if isinstance(raw, dict):
        for name, each in raw.items():
            yield from examine(each, kind, joined(path, str(name)), folder)
    else:
        tables = _is_table(_bare(kind)) or typing.get_origin(kind) is dict
        header = _header(path, ".<name>" if tables else "")
        yield ConfigError(f"must be a table ({header}), not {in_words(raw)}", path)


def _in_value(raw: object, shape: Any, path: str, folder: Path) -> Iterator[ConfigError]:
    kind = _bare(shape)
    if typing.get_origin(kind) is Literal and raw is not None:
        words = typing.get_args(kind)
        if raw not in words:
            yield ConfigError(f"must be {_listed(words)}, not {shown(raw)}", path)
        return
    try:
        value = msgspec.convert(raw, shape, dec_hook=lambda kind, value: read(kind, value, folder))
    except msgspec.ValidationError as error:
        yield _translated(error, path)
        return
    try:
        for check in _extras(shape, "check") if value is not None else ():
            check(value)
    except ValueError as error:
        yield ConfigError(str(error), path)
    for low, high in _extras(shape, "between"):
        if isinstance(value, int | float) and not _is_within(value, low, high):
            yield ConfigError(f"must be {_range(value, low, high)}{_instead(value)}", path)


def unknown_key(key: str, known: Iterable[str], path: str) -> ConfigError:
    """The error for a key that nothing reads, with the nearest that is read."""
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1)
    cure = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
    return ConfigError(f"unknown key; {cure}", joined(path, key))


# -- what a type is ---------------------------------------------------------


def _bare(shape: Any) -> Any:
    """A type without `Annotated` and without `None`."""
    while True:
        origin, arguments = typing.get_origin(shape), typing.get_args(shape)
        if origin in (typing.Union, types.UnionType):
            some = [each for each in arguments if each is not type(None)]
            if len(some) != 1:
                return shape
            shape = some[0]
        elif origin is Annotated:
            shape = arguments[0]
        else:
            return shape


def _extras(shape: Any, name: str) -> Iterator[Any]:
    """What `between` and `checked` say, wherever in the type of one value it stands."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if origin is Annotated:
        metas = (meta for meta in shape.__metadata__ if isinstance(meta, msgspec.Meta))
        yield from (meta.extra[name] for meta in metas if meta.extra and name in meta.extra)
        yield from _extras(arguments[0], name)
    elif origin in (typing.Union, types.UnionType):
        for each in arguments:
            yield from _extras(each, name)


def _is_table(kind: Any) -> bool:
    """A table whose keys can be looked at one by one; what a tag chooses is left to msgspec."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return False
    return kind.__struct_config__.tag is None and not kind.__struct_config__.array_like


def _is_plain(raw: object) -> bool:
    """Whether it comes from a file: what code hands over may be finished, or None."""
    return isinstance(raw, str | int | float | dict | list | tuple) or hasattr(raw, "isoformat")


# -- in words -----------------------------------------------------------------


def _translated(error: msgspec.ValidationError, path: str) -> ConfigError:
    message, _, place = str(error).partition(" - at `")
    inside = place.rstrip("`").removeprefix("$").removeprefix(".")
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if missing or unknown:
        name = (missing or unknown or ("", ""))[1]
        return ConfigError("is missing" if missing else "unknown key", joined(path, inside, name))
    message = re.sub(r"^Expected `(.+?)`, got `(.+?)`", _other_type, message)
    message = re.sub(r"^Expected `.+?` (>=|>|<=|<) ", lambda found: f"must be {_SIGNS[found[1]]} ", message)
    return ConfigError(message[:1].lower() + message[1:], joined(path, inside))


def _other_type(found: re.Match[str]) -> str:
    names = [name for name in found[1].split(" | ") if name != "null"]
    wanted = " or ".join(_MANY.get(name, KINDS.get(name, name)) for name in names)
    return f"must be {wanted}, not {KINDS.get(found[2], found[2])}"


def _is_within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(value: float, low: float | None, high: float | None) -> str:
    """The bounds, written as the value is."""
    kind = next((kind for kind in (Seconds, Bytes) if isinstance(value, kind)), None)
    least, most = (
        "" if bound is None else written(bound if kind is None else kind(bound)) for bound in (low, high)
    )
    if least and most:
        return f"between {least} and {most}"
    return f"at least {least}" if least else f"at most {most}"


def _instead(value: float) -> str:
    if isinstance(value, Seconds | Bytes):
        return f", not {written(value)}"
    return f", not {value}" if abs(value) < 10**18 else ""


def _listed(words: Iterable[object]) -> str:
    *most, last = (f'"{word}"' for word in words)
    return f"{', '.join(most)} or {last}" if most else last


def _header(path: str, more: str = "") -> str:
    """How a table is begun in TOML; one inside a list only inline."""
    return "{ key = value }" if "[" in path or not path else f"[{path}{more}]"


def joined(*names: str) -> str:
    """The path of a key: names with dots between, and none that would tear a line apart."""
    shown_names = (name if name.isprintable() else repr(name) for name in names if name)
    return ".".join(shown_names).replace(".[", "[")

"""Wire names and codes to canonical names, meaning and family."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from .event import Family, Outcome

Unit = Literal["unit", "percent"]
Scale = Literal["unit", "permille", "either"]


class Kind(NamedTuple):
    """A type of event: canonical wire name, what it means, and the family that it belongs to."""

    type: str
    words: str
    family: Family


class Code(NamedTuple):
    """What an access-control code means."""

    name: str
    outcome: Outcome


LONGEST_TYPE = 128
"""Characters of a word for a type; what is longer is none."""

SILENT = "deviceSilent"
"""What the receiver says itself about a device that is silent for longer than usual."""

UNKNOWN = Kind("unknown", "not understood", "unknown")

# A number or "Unknown" behind a dash says which rule, not which type: `facedetection-1`.
_SUFFIX = re.compile(r"-(?:\d+|unknown)$")
# Zero-width characters stand in the names of some firmware's own lists.
_NOISE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff_.]+")
# Types that firmware keeps adding sub-types to.
_STEMS = {"aiop": "aiop", "mtd_": "mtdface", "aid_": "aid", "tfs_": "tfs"}
_MAJOR_DEFAULT: dict[int, Outcome] = {1: "alarm", 2: "exception", 3: "operation"}
_MAJOR_WORD = {1: "alarm", 2: "exception", 3: "operation", 4: "information", 5: "event"}


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))


def folded(name: str) -> str:
    """A wire name as it is compared: no case, blanks, zero-width characters, ``_``, ``.`` and suffix."""
    return _SUFFIX.sub("", _NOISE.sub("", name.lower()))


@cache
def _kinds() -> dict[str, Kind]:
    known: dict[str, Kind] = {}
    for family, types in _tables()["types"].items():
        for name, (words, *aliases) in types.items():
            kind = Kind(name, words, family)
            for spelling in (name, *aliases):
                known.setdefault(folded(spelling), kind)
    return known


def kind_of(wire_name: str) -> Kind | None:
    """
    What the device's word for a type means, or None.

    Descriptions are understood too: `Motion alarm`, `disc error alarm`.
    Source: the manufacturer's list of subscribable events, and captures.
    """
    # What is remembered must be short: a key of a document may be a megabyte.
    return _kind_of(wire_name) if len(wire_name) <= LONGEST_TYPE else None


@lru_cache(maxsize=2048)
def _kind_of(wire_name: str) -> Kind | None:
    name = folded(wire_name)
    known = _kinds()
    found = known.get(name) or known.get(name.removesuffix("alarm")) or known.get(name.removesuffix("xml"))
    if found is None:
        found = known.get(_STEMS.get(wire_name.strip().lower()[:4], ""))
    return found


@cache
def types() -> tuple[Kind, ...]:
    """All types that are known, in the order of the catalogue."""
    return tuple(dict.fromkeys(_kinds().values()))


@cache
def _codes() -> dict[tuple[int, int], Code]:
    known: dict[tuple[int, int], Code] = {}
    for major, outcomes in _tables()["access"].items():
        for outcome, names in outcomes.items():
            for minor, name in names.items():
                known.update(_expanded(int(major), minor, Code(name, outcome)))
    return known


def _expanded(major: int, minor: str, code: Code) -> dict[tuple[int, int], Code]:
    first, dash, last = minor.partition("-")
    if not dash:
        return {(major, int(first)): code}
    numbers = range(int(first), int(last) + 1)
    return {(major, n): Code(f"{code.name} {i}", code.outcome) for i, n in enumerate(numbers, start=1)}


def access_code(major: int, minor: int) -> Code:
    """
    The name and the outcome of `majorEventType` and `subEventType`.

    A number that nobody documented is named by its numbers; its outcome is the
    usual one of its major, and never `granted`.  What a code means depends a
    little on firmware.  Source: the manufacturer's "Access Control Event Types".
    """
    known = _codes().get((major, minor))
    if known is not None:
        return known
    return Code(f"{_MAJOR_WORD.get(major, 'event')} {major}/{minor}", _MAJOR_DEFAULT.get(major, "other"))


def access_codes() -> dict[tuple[int, int], Code]:
    """All documented access-control codes."""
    return dict(_codes())


@cache
def _contact_ids() -> dict[int, str]:
    return {int(code): name for code, name in _tables()["cid"].items()}


def cid_name(code: int) -> str | None:
    """
    What a Contact-ID code means, with or without its leading 1 (begin) or 3 (end).

    Source: ANSI/SIA DC-05; 103 and 148 as panels of this make use them.
    """
    return _contact_ids().get(code % 1000)


@cache
def units() -> dict[str, Unit]:
    """The unit of each field, by its name in lower case, that says how much of the whole."""
    return {field: unit for unit, fields in _tables()["units"].items() for field in fields}


@cache
def rect_scales() -> dict[str, Scale]:
    """In which scale each rectangle comes, by its name in lower case."""
    return {field: scale for scale, fields in _tables()["rects"].items() for field in fields}


@cache
def misspellings() -> dict[str, str]:
    """Names as firmware misspells them, and as they are meant; both in lower case."""
    return dict(_tables()["misspellings"])


class PictureWords(NamedTuple):
    """How pictures are called: exactly, in part, misprinted, and the fields that link to them."""

    roles: dict[str, str]
    parts: dict[str, str]
    misprints: dict[str, str]
    links: dict[str, str]


@cache
def picture_words() -> PictureWords:
    """The words by which pictures and their roles are known."""
    table = _tables()["pictures"]
    return PictureWords(table["roles"], table["words"], table["misprints"], table["links"])

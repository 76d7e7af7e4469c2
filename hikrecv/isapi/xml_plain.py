"""The XML that nearly all alerts are: elements and text, nothing else; read without a parser's events."""

from __future__ import annotations

import re
from typing import Any

# An alert is a kilobyte of short elements, of which a parser makes a hundred events or objects.  This takes
# it to pieces in one call.  Every byte must fit one of the forms below; whatever does not is left to Expat:
# entities, CDATA, comments, prefixes, attributes, mixed text, and what is not well-formed.

MOST_DEPTH = 32

_BLANK = r"[ \t\r\n]*+"
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*+"
# Without CR, which a parser turns into LF, and without >, which must not follow two brackets.
_TEXT = r"[^<>&\x00-\x08\x0b-\x1f\ufffe\uffff]*+"
_VERSION, _SPACE = r' version="[0-9.]++"', r' xmlns="http://[A-Za-z0-9./_-]++"'
_OPENING = re.compile(
    rf'(?:<\?xml version="1\.0"(?: encoding="[A-Za-z0-9-]++")?\?>)?{_BLANK}'
    rf"<({_NAME})(?:{_VERSION}(?:{_SPACE})?|{_SPACE}(?:{_VERSION})?)?>{_BLANK}"
)
_PIECES = re.compile(rf"<({_NAME})(?:(/>)|>(?:({_TEXT})(</)\1>)?){_BLANK}|</({_NAME})>{_BLANK}|([\s\S]++)")


def read_plain(text: bytes) -> tuple[str, dict[str, Any]] | None:
    """
    The name of the root of *text* (UTF-8), and what stands in it, as `hikrecv.isapi.document` describes it.

    None when it is anything but elements with text in them; it may be correct XML all the same.
    """
    try:
        whole = text.decode()
    except UnicodeDecodeError:
        return None
    opening = _OPENING.match(whole)
    if opening is None:
        return None
    root = opening[1]
    inside = _inside(root, _PIECES.findall(whole, opening.end()))
    return (root, inside) if inside else None


def _inside(root: str, pieces: list[tuple[str, ...]]) -> dict[str, Any] | None:
    """What stands between the root's tags; None when the tags do not fit, or something else is there."""
    inside: dict[str, Any] = {}
    outer: list[tuple[str, dict[str, Any]]] = []
    if not pieces or pieces.pop()[4] != root:
        return None
    for name, empty, text, leaf, end, _ in pieces:
        value: Any
        if leaf or empty:
            value = text.strip()
        elif name and len(outer) < MOST_DEPTH - 1:
            outer.append((name, inside))
            inside = {}
            continue
        elif end and outer and end == outer[-1][0]:
            value = inside or ""
            name, inside = outer.pop()
        else:
            return None
        if name not in inside:
            inside[name] = value
        elif type(inside[name]) is list:
            inside[name].append(value)
        else:
            inside[name] = [inside[name], value]
    return None if outer else inside

"""JSON to plain data; what is not quite JSON is repaired, as a last resort."""

from __future__ import annotations

from typing import Any

import msgspec

from .json_balance import rebalance
from .json_repair import MOST_DEPTH, MOST_TOKENS, Repaired, repair

MOST_NODES = 20_000
"""
Values in one text.  The largest documents that devices send have some thousand; a text of the
largest size that is let in could hold a million, and reading them would keep everybody waiting.
"""

_decode = msgspec.json.Decoder().decode


def read_correct(text: bytes) -> Any:
    """
    The data of *text* when it is correct JSON (RFC 8259) and within the bounds.

    :raises ValueError: when it is anything else.
    """
    if len(text) > MOST_NODES and text.count(b",") > MOST_NODES:
        raise ValueError("too large")
    try:
        data = _decode(text)
    except RecursionError:
        raise ValueError("too deep") from None
    if text.count(b"{") + text.count(b"[") > MOST_DEPTH and _depth(data) > MOST_DEPTH:
        raise ValueError("too deep")
    return data


def read(text: bytes, at: int = 0, patience: int = MOST_TOKENS) -> Repaired | None:
    """
    The document that begins at *at* of *text* (UTF-8), repaired where need be; None when there is none.

    :param patience: how many tokens may be read one by one.
    """
    if at == 0:
        try:
            return Repaired(read_correct(text), len(text), 0, ())
        except ValueError:
            pass
    return read_mended(text, at, patience) or repair(text, at, patience)


def read_mended(text: bytes, at: int = 0, patience: int = MOST_TOKENS) -> Repaired | None:
    """The same when only its brackets are wrong; None otherwise, and when it is too large."""
    return rebalance(text, at, patience) if text.count(b",", at) <= MOST_NODES else None


def _depth(data: Any) -> int:
    """How many containers are nested, counted level by level."""
    depth, level = 0, [data]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth

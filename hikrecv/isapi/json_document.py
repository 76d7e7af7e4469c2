"""JSON to plain data; what is not quite JSON is repaired, as a last resort."""

from __future__ import annotations

from typing import Any

import msgspec

from .budget import Budget
from .json_balance import rebalancing
from .json_repair import Repaired, repairing
from .steps import Steps, at_once

_SHORT = 4_096
"""Bytes of a text whose values are guessed and not counted: counting costs as much as reading."""
_BYTES_A_VALUE = 16

_decode = msgspec.json.Decoder().decode


def read_correct(text: bytes, budget: Budget | None = None) -> Any:
    """
    The data of *text* when it is correct JSON (RFC 8259).

    :raises ValueError: when it is anything else.
    :raises OverBudget: when it is nested too deep, or more than *budget* allows.
    """
    budget = budget or Budget()
    brackets = text.count(b"{") + text.count(b"[")
    if len(text) > _SHORT:
        budget.take(brackets + text.count(b","))
    else:
        budget.take(len(text) // _BYTES_A_VALUE)
    try:
        data = _decode(text)
    except RecursionError:
        raise budget.too_deep() from None
    if brackets > budget.depth and _depth(data) > budget.depth:
        raise budget.too_deep()
    return data


def read(text: bytes, at: int = 0, budget: Budget | None = None) -> Repaired | None:
    """
    The document that begins at *at* of *text* (UTF-8), repaired where need be; None when there is none.

    :raises OverBudget: when it is nested too deep, or more than *budget* allows.
    """
    return at_once(reading(text, at, budget or Budget()))


def reading(text: bytes, at: int, budget: Budget) -> Steps[Repaired | None]:
    """The same in steps."""
    if at == 0:
        values = budget.values
        try:
            return Repaired(read_correct(text, budget), len(text), ())
        except ValueError:
            budget.values = values  # they are counted again by whoever reads them
        yield
    mended = yield from rebalancing(text, at, budget)
    return mended or (yield from repairing(text, at, budget))


def _depth(data: Any) -> int:
    """How many containers are nested, counted level by level."""
    depth, level = 0, [data]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth

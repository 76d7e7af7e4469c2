"""Rectangles and points of many scales, in 0..1 of the picture."""

from __future__ import annotations

from collections.abc import Iterable

from .catalogue import Scale
from .fields import Fields, as_number, number
from .parts import Box, Point

_SIDES = (("x", "left"), ("y", "top"), ("width", "w"), ("height", "h"))
_SLACK = 0.05
"""How far firmware may shoot over the edge of the picture and is put back to it."""


class OutOfPicture(ValueError):
    """A rectangle or a point that is in no scale; its text is what was seen."""


def box(fields: Fields, scale: Scale = "either") -> Box | None:
    """
    A rectangle of `x, y, width, height`; None when a side is missing or all are zero.

    The field says the scale, and where firmware differs the whole rectangle
    does: one value above 1 makes all of them thousandths.  Recorders send four
    zeros for "unknown".

    :raises OutOfPicture: when it fits no scale.
    """
    x, y, width, height = fields.get("x"), fields.get("y"), fields.get("width"), fields.get("height")
    if type(x) is str:  # XML has nothing but texts
        x, y, width, height = as_number(x), as_number(y), as_number(width), as_number(height)
    if not type(x) is type(y) is type(width) is type(height) is float or not 0 < width < 1 > height > 0:
        return _any_box(fields, scale)
    if 0 <= x < 1 > y >= 0 and scale != "permille":
        return Box(x=x, y=y, width=width, height=height)
    return _any_box(fields, scale)


def _any_box(fields: Fields, scale: Scale) -> Box | None:
    sides = []
    for name, other in _SIDES:
        side = number(fields, name, other)
        if side is None:
            return None
        sides.append(side)
    if not any(sides):
        return None
    x, y, width, height = _scaled(sides, scale)
    return Box(x=x, y=y, width=width, height=height)


def points(corners: Iterable[Fields]) -> tuple[Point, ...]:
    """
    The corners of a region, scaled together.

    Where Y begins for regions is documented nowhere; it is taken as it came.

    :raises OutOfPicture: when they fit no scale.
    """
    flat: list[float] = []
    for corner in corners:
        x = as_number(corner["positionx"] if "positionx" in corner else corner.get("x"))
        y = as_number(corner["positiony"] if "positiony" in corner else corner.get("y"))
        if x is not None and y is not None:
            flat += (x, y)
    scaled = iter(_scaled(flat, "either"))
    return tuple([Point(x=x, y=y) for x, y in zip(scaled, scaled, strict=True)])


def _scaled(values: list[float], scale: Scale) -> list[float]:
    if not values:
        return values
    least, most = min(values), max(values)
    if most <= 1:
        unit = scale != "permille" or not _all_whole(values)
    else:
        unit = most <= 1 + _SLACK and not _all_whole(values)
    if not unit and (most > 1000 * (1 + _SLACK) or (scale == "unit" and not _all_whole(values))):
        raise OutOfPicture(" ".join(f"{value:g}" for value in values[:8]))
    top = 1.0 if unit else 1000.0
    if least < -_SLACK * top:
        raise OutOfPicture(" ".join(f"{value:g}" for value in values[:8]))
    if least >= 0 and most <= top:
        return [value / top for value in values]
    return [min(max(value / top, 0.0), 1.0) for value in values]


def _all_whole(values: list[float]) -> bool:
    return all(value.is_integer() for value in values)

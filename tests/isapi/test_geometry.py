from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi.event import Box, Point
from hikrecv.isapi.geometry import OutOfPicture, box, points


def rect(x: object, y: object, width: object, height: object) -> dict[str, object]:
    return {"x": x, "y": y, "width": width, "height": height}


def test_a_rectangle_in_parts_of_one_stays_as_it_is() -> None:
    assert box(rect(0.25, 0.5, 0.1, 0.2), "unit") == Box(x=0.25, y=0.5, width=0.1, height=0.2)


def test_numbers_as_text_are_numbers() -> None:
    assert box(rect("0.25", "0.5", "0.1", "0.2")) == Box(x=0.25, y=0.5, width=0.1, height=0.2)


def test_one_side_above_one_makes_the_whole_rectangle_thousandths() -> None:
    assert box(rect("1", "0", "500", "1")) == Box(x=0.001, y=0.0, width=0.5, height=0.001)


def test_a_whole_rectangle_of_ones_is_the_picture_unless_the_field_says_thousandths() -> None:
    assert box(rect(0, 0, 1, 1)) == Box(x=0.0, y=0.0, width=1.0, height=1.0)
    assert box(rect(0, 0, 1, 1), "permille") == Box(x=0.0, y=0.0, width=0.001, height=0.001)


def test_newer_firmware_writes_fractions_into_a_field_of_thousandths() -> None:
    assert box(rect(0.43, 0.2, 0.1, 0.1), "permille") == Box(x=0.43, y=0.2, width=0.1, height=0.1)


@pytest.mark.parametrize(
    "unknown", [rect(0, 0, 0, 0), rect("0", "0", "0", "0"), {}, {"x": 0.5}, rect(None, 1, 1, 1)]
)
def test_four_zeros_and_missing_sides_are_no_rectangle(unknown: dict[str, object]) -> None:
    assert box(unknown) is None


def test_a_plate_without_extent_keeps_its_place() -> None:
    assert box(rect(430, 275, 0, 0), "permille") == Box(x=0.43, y=0.275, width=0.0, height=0.0)


def test_what_shoots_over_the_edge_a_little_is_put_back() -> None:
    assert box(rect(-0.01, 0.5, 1.01, 0.2), "unit") == Box(x=0.0, y=0.5, width=1.0, height=0.2)


@pytest.mark.parametrize(
    "wild", [rect(1430, 275, 106, 65), rect(-0.5, 0.1, 0.1, 0.1), rect(1.5, 0.5, 0.5, 0.5)]
)
def test_what_is_in_no_scale_is_refused(wild: dict[str, object]) -> None:
    with pytest.raises(OutOfPicture):
        box(wild, "unit")


def test_the_corners_of_a_region_are_scaled_together() -> None:
    corners = [{"positionx": "0", "positiony": "1"}, {"positionx": "1000", "positiony": "500"}]

    assert points(corners) == (Point(x=0.0, y=0.001), Point(x=1.0, y=0.5))


def test_corners_in_parts_of_one_stay_as_they_are() -> None:
    assert points([{"x": 0.0, "y": 1}, {"x": 0.5, "y": 0.25}]) == (Point(x=0.0, y=1.0), Point(x=0.5, y=0.25))


@given(st.lists(st.floats() | st.integers() | st.text(max_size=8) | st.none(), min_size=4, max_size=4))
def test_a_box_is_inside_the_picture_or_none(sides: list[object]) -> None:
    try:
        found = box(rect(*sides))
    except OutOfPicture:
        return

    assert found is None or all(0 <= side <= 1 for side in (found.x, found.y, found.width, found.height))


@pytest.mark.parametrize(
    ("sides", "found"),
    [
        ((-0.05, 0.5, 0.5, 0.2), Box(x=0.0, y=0.5, width=0.5, height=0.2)),
        ((0.5, 0.5, 1.05, 0.2), Box(x=0.5, y=0.5, width=1.0, height=0.2)),
        ((-50, 500, 500, 200), Box(x=0.0, y=0.5, width=0.5, height=0.2)),
        ((-40.5, 500, 500, 200), Box(x=0.0, y=0.5, width=0.5, height=0.2)),
        ((500, 500, 1050, 200), Box(x=0.5, y=0.5, width=1.0, height=0.2)),
        ((999, 500, 1000, 200), Box(x=0.999, y=0.5, width=1.0, height=0.2)),
        ((0.5, 0.5, 1.5, 0.5), Box(x=0.0005, y=0.0005, width=0.0015, height=0.0005)),
    ],
)
def test_a_twentieth_over_the_edge_is_put_back(sides: tuple[float, ...], found: Box) -> None:
    assert box(rect(*sides)) == found


@pytest.mark.parametrize(
    "sides",
    [(-0.051, 0.5, 0.5, 0.2), (-51, 500, 500, 200), (500, 500, 1051, 200), (-2, 0.5, 0.5, 0.2)],
)
def test_more_than_a_twentieth_over_the_edge_is_in_no_scale(sides: tuple[float, ...]) -> None:
    with pytest.raises(OutOfPicture):
        box(rect(*sides))


def test_in_a_field_of_fractions_only_whole_numbers_are_thousandths() -> None:
    assert box(rect(430, 275, 106, 65), "unit") == Box(x=0.43, y=0.275, width=0.106, height=0.065)
    for wide in (1.051, 1.06, 1.5, 430.5):
        with pytest.raises(OutOfPicture):
            box(rect(0.5, 0.5, wide, 0.5), "unit")

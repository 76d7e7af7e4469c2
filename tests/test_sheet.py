"""Texts about several events, and what templates are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from hikrecv.errors import ConfigError, Reject
from hikrecv.sheet import Sheet, together
from hikrecv.templates import Template
from hikrecv.testing.events import Events


@pytest.fixture
def plates() -> list[Any]:
    make = Events()
    return [make("plate", plate={"text": text}) for text in ("AA1", "BB2", "CC3")]


def test_a_sheet_is_filled_for_each_event(plates: list[Any]) -> None:
    told = together(plates, [{"place": place} for place in ("north", "south", "east")])

    assert Sheet("{{ plate.text }} {{ place }}\n", between=" | ", more=["place"]).fill(plates, told) == (
        "AA1 north | BB2 south | CC3 east"
    )


def test_a_sheet_that_speaks_of_events_is_filled_once(plates: list[Any]) -> None:
    text = (
        "{{ count }}:{% for e in events %} {{ e.plate.text }}{{ e.nothing.at.all }} {{ e.place }}{% endfor %}"
    )

    filled = Sheet(text).fill(plates, together(plates, [{"place": number} for number in range(3)]))

    assert filled == "3: AA1 0 BB2 1 CC3 2"


def test_what_is_wrong_with_a_sheet_is_said_of_its_key(plates: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"reactions\.hq\.text"):
        Sheet("{{ oops", "reactions.hq.text")
    with pytest.raises(Reject, match="test-1-0"):
        Sheet("{{ plate.text / 2 }}").fill(plates, together(plates))


def test_templates_know_what_happened_and_when(plates: list[Any]) -> None:
    assert Template("{{ words }} at {{ time }}").render(plates[0]) == (
        "plate AA1 forward, lane 1, list white at 2026-03-02 08:00:01 +0000"
    )


def test_what_an_expression_gives_can_be_made_fit_for_its_place(plates: list[Any]) -> None:
    text = "a/{{ plate.text }}/{{ plate.lane }}/{{ thermal }}/{{ 'b' | safe }}"

    template = Template(text, escape=lambda said: f"<{said}>")

    assert template.render(plates[0]) == "a/<AA1>/<1>/<>/b"
    assert Template("{{ plate.text }}", html=True, escape=lambda said: f"<{said}>").render(plates[0]) == (
        "&lt;AA1&gt;"
    )

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi.event import Event
from hikrecv.isapi.words import describe, visible


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("face-match.json", "Ada Marsh 0.91 in library staff"),
        ("face-match-nobody.json", "face not in the library"),
        ("face-capture.json", "2 faces"),
        ("face-seen.xml", "face seen"),
        ("plate.xml", "plate BAB123 forward, lane 2, list white"),
        ("plate-not-read.xml", "plate not readable reverse, lane 1"),
        ("parking-space.json", "plate HHX99 entering"),
        ("access-face.json", "face accepted, Ada Marsh, employee 1001, door 1, checkIn"),
        ("access-wrapped.json", "card accepted, card 0012345678"),
        ("access-asks.json", "face taken, not yet authenticated, employee 1003, waits for permission"),
        ("intrusion.xml", "human in region 2"),
        ("line-crossed.xml", "human crossed line 3"),
        ("region-entered.xml", "vehicle entered a region"),
        ("region-left.xml", "something left region 4"),
        ("motion.xml", "motion"),
        ("motion-human.xml", "motion (human)"),
        ("motion-ended.xml", "motion ended"),
        ("duration.xml", "something crossed a line goes on"),
        ("mixed-target.json", "human, face captured"),
        ("counting.xml", "12 in, 7 out"),
        ("queue-now.json", "4 people, waiting 95 s"),
        ("thermal.xml", "temperature alarm: 71.5 celsius, limit 60 celsius"),
        ("access-fever.json", "refused: mask, hard hat or temperature"),
        ("panel-alarm.json", "burglary, Back window, area 1"),
        ("panel-restored.json", "burglary, zone 0, restored"),
        ("intercom-signal.json", "call hangUp, building 2, room 305"),
        ("io.xml", "alarm input 2"),
        ("audio.xml", "sound decrease, 38 dB"),
        ("lens-covered.xml", "lens covered"),
        ("heartbeat-camera.xml", "heartbeat"),
        ("unheard-of.xml", "quantumFluctuation alarm"),
    ],
)
def test_an_event_is_described_in_a_line(name: str, words: str, event_of: Callable[..., Event]) -> None:
    assert describe(event_of(name)) == words


def test_an_empty_push_is_described(event_of: Callable[..., Event]) -> None:
    assert describe(event_of(b"")) == "nothing in the body"


def test_a_devices_control_characters_are_shown_and_not_obeyed(event_of: Callable[..., Event]) -> None:
    event = event_of(b'{"eventType":"x","eventDescription":"a\\u001b[2Jb\\u202ec\\r\\nd"}')

    assert describe(event) == "a\\x1b[2Jb\\u202ec\\x0d\\x0ad"


def test_letters_of_all_languages_stay(event_of: Callable[..., Event]) -> None:
    assert visible("Zoë 蓝苏A8HK52 Ж") == "Zoë 蓝苏A8HK52 Ж"


@given(st.text())
def test_what_is_visible_has_nothing_hidden(text: str) -> None:
    shown = visible(text)

    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert visible(shown) == shown

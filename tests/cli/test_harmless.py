"""What a device wrote, where commands put it."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest

from hikrecv.cli.export import csv_line
from hikrecv.cli.files import picture_file
from hikrecv.isapi.words import visible, visible_json
from hikrecv.testing.events import Events

ESCAPES = "\x1b[31m\x9b2J\u202e\u200b\x7f\U000e0001"


def test_json_for_a_terminal_is_the_same_json_with_nothing_raw() -> None:
    line = msgspec.json.encode({"name": ESCAPES, "city": "M\u00fcnchen \u4eba"}).decode()

    harmless = visible_json(line)

    assert json.loads(harmless) == json.loads(line)
    assert visible(harmless) == harmless
    assert "M\u00fcnchen \u4eba" in harmless


def test_json_on_several_lines_keeps_them() -> None:
    pretty = json.dumps({"a": "\u202e"}, indent=2, ensure_ascii=False)

    assert visible_json(pretty).splitlines() == ["{", '  "a": "\\u202e"', "}"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", " =1", "\r=1", "\n=1", "\uff1d1", "\u3000=1"]
)
def test_a_cell_is_no_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line((text, "x")).decode()))

    assert row[0].startswith("'")
    assert row[1] == "x"


def test_a_line_of_csv_is_one_line() -> None:
    line = csv_line(("a\r\nb", "c\u2028d", 'e"f', ESCAPES)).decode()

    assert len(line.splitlines()) == 1
    assert visible(line.rstrip("\r\n")) == line.rstrip("\r\n")


@pytest.mark.parametrize("role", ["../../etc/passwd", "/abs", "a\x00b", "..", "", "C:\\x", "x" * 500])
def test_a_file_name_holds_no_path_whatever_the_role(role: str) -> None:
    event = Events()("face-match")
    picture = msgspec.structs.replace(event.pictures[0], role=role, name="../x.jpg")

    name = picture_file(event, picture, b"\xff\xd8\xff")

    assert name.startswith(f"{event.id}-0-")
    assert name.endswith(".jpg")
    assert len(name) < 100
    assert not set(name) & set("/\\\0")

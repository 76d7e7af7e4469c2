from __future__ import annotations

import csv
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hikrecv_lines
import msgspec
import pytest
from hikrecv_lines_file import RotatedFile
from hikrecv_lines_row import row

from hikrecv import Event
from hikrecv.config import parse
from hikrecv.reactions.plugins import find
from hikrecv.testing.contract import NAME, PluginContract

README = Path(__file__).parents[1] / "README.md"
MONDAY = datetime(2026, 3, 2, 12, 0).astimezone()


class TestContract(PluginContract):
    plugin = hikrecv_lines
    wrong = (
        ({"format": "xml"}, "format"),
        ({"max_size": "much"}, "max_size"),
        ({"keep": -1}, "keep"),
        ({"columns": ["plate.txt"]}, "columns"),
    )

    @pytest.fixture
    def seen(self, bench: Any) -> Callable[[], list[str]]:
        file = bench.folder / "plugins" / NAME / "events.jsonl"
        return lambda: [event.key for event in read(file)]


class TestContractOfCsv(PluginContract):
    plugin = hikrecv_lines

    @pytest.fixture
    def table(self) -> dict[str, Any]:
        return {"format": "csv", "path": "events.csv"}

    @pytest.fixture
    def seen(self, bench: Any) -> Callable[[], list[str]]:
        file = bench.folder / "plugins" / NAME / "events.csv"
        return lambda: [cells["key"] for cells in csv.DictReader(file.read_text().splitlines())]


def read(file: Path) -> list[Event]:
    return [Event.from_json(line) for line in file.read_bytes().splitlines()]


def rotated(path: Path, head: bytes = b"", **changes: Any) -> RotatedFile:
    settings: dict[str, Any] = {"max_size": 0, "daily": False, "keep": 10, "fsync": False}
    return RotatedFile(path, head, **{**settings, **changes})


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """No longer than needed: the run itself may be writing to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("lines").subject is hikrecv_lines.Plugin


def test_a_line_of_json_is_the_whole_event(receiver: Any, bench: Any) -> None:
    receiver.start({"archive": {"plugin": "lines"}})

    pushed = [receiver.push(family)[0] for family in ("face-match", "plate", "unknown")]

    assert read(bench.folder / "plugins/archive/events.jsonl") == pushed


def test_the_columns_are_named_and_empty_where_the_device_said_nothing(receiver: Any, tmp_path: Path) -> None:
    file = tmp_path / "doors.csv"
    columns = ["device.id", "access.person", "access.door", "plate.text", "targets.kind"]
    receiver.start({"doors": {"plugin": "lines", "format": "csv", "path": str(file), "columns": columns}})

    for family in ("access", "plate", "intrusion"):
        receiver.push(family)

    assert file.read_text().splitlines() == [
        "device.id,access.person,access.door,plate.text,targets.kind",
        "gate,Ada Lovelace,1,,",
        "gate,,,BAB1234,",
        "gate,,,,human",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+49", "-5", "@SUM(A1)", "\t=1", "\r\n=1", " \x1b=1"])
def test_what_a_spreadsheet_would_carry_out_is_quoted(text: str) -> None:
    assert row([text]).lstrip(b'"').startswith(b"'")


def test_a_line_stays_one_line_and_numbers_stay_numbers() -> None:
    cells = ["a\r\nb\u2028c", 'say "x", y', -5, 0.93, True, None]

    assert row(cells) == b'a  b c,"say ""x"", y",-5,0.93,True,\n'


def test_a_full_file_is_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    file = rotated(tmp_path / "a.log", b"head\n", max_size=20, keep=2)

    for number in range(9):
        file.write(b"line %d\n" % number, MONDAY)
    file.close()

    kept = sorted(tmp_path.iterdir(), key=lambda each: each.stat().st_mtime_ns)
    assert [each.read_bytes().split()[2::2] for each in kept] == [[b"4", b"5"], [b"6", b"7"], [b"8"]]
    assert all(each.read_bytes().startswith(b"head\n") for each in kept)
    assert all(re.fullmatch(r"a-\d{8}T\d{12}(-again)*\.log", each.name) for each in kept[:-1])


def test_fewer_files_than_are_kept_all_stay(tmp_path: Path) -> None:
    file = rotated(tmp_path / "a.log", max_size=1, keep=10)

    for _ in range(10):
        file.write(b"x\n", MONDAY)
    file.close()

    assert len(list(tmp_path.iterdir())) == 10


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    others = {"a-notes.log", "ab-20260302T080000000000.log"}
    for name in others:
        (tmp_path / name).write_text("not ours")
    file = rotated(tmp_path / "a.log", max_size=1, keep=0)

    for _ in range(5):
        file.write(b"x\n", MONDAY)
    file.close()

    assert {each.name for each in tmp_path.iterdir()} == {"a.log", *others}


def test_a_new_day_begins_a_new_file_and_an_old_event_does_not(tmp_path: Path) -> None:
    file = rotated(tmp_path / "a.log", daily=True)

    for days in (0, 0, 1, 0, 1):
        file.write(b"%d\n" % days, MONDAY + timedelta(days=days))
    file.close()

    aside, now = sorted(tmp_path.iterdir())
    assert (aside.read_bytes(), now.read_bytes()) == (b"0\n0\n", b"1\n0\n1\n")


def test_half_a_line_of_a_crash_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n" + b"x" * 200_000)
    file = rotated(path)

    file.write(b"two\n", MONDAY)
    file.close()

    assert path.read_bytes() == b"one\ntwo\n"


def test_a_line_that_does_not_fit_the_disk_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = rotated(path, fsync=True)
    file.write(b"first\n", MONDAY)

    with no_file_above(10), pytest.raises(OSError, match="No space left"):
        file.write(b"longer than ten bytes\n", MONDAY)
    file.write(b"second\n", MONDAY)
    file.close()

    assert path.read_bytes() == b"first\nsecond\n"


def test_a_file_that_cannot_be_written_delays_and_loses_nothing(receiver: Any, bench: Any) -> None:
    file = bench.folder / "plugins/archive/events.jsonl"
    file.mkdir(parents=True)
    receiver.start({"archive": {"plugin": "lines"}})
    pushed = [receiver.push("plate")[0] for _ in range(3)]
    receiver.advance(30)
    assert receiver.status("archive").state == "retrying"
    assert "cannot write" in receiver.status("archive").last_error

    file.rmdir()
    receiver.catch_up()

    assert read(file) == pushed


def test_a_dry_run_writes_nothing(make_context: Any, make_event: Any, bench: Any) -> None:
    context = make_context(hikrecv_lines)
    plugin = hikrecv_lines.Plugin(context)

    plugin.hikrecv_event(make_event("plate"), context.for_attempt(1, dry_run=True))

    assert not list(bench.folder.rglob("events.jsonl"))


def test_the_examples_of_the_readme_are_right(bench: Any) -> None:
    text = README.read_text()
    for example in re.findall(r"```toml\n(.*?)```", text, re.S):
        reactions, errors = bench.build(parse(example).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "lines" for reaction in reactions.values())


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_lines.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys

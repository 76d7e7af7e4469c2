"""The commands that read: events, show, devices, decode, export, verify, schema, check."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import Result

from hikrecv.cli import reactions
from hikrecv.config import Bytes, JournalTable
from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.journal.seen import Seen
from hikrecv.state import State
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.deepinview import vendor_note
from hikrecv.testing.profiles.minmoe import heartbeat, refused, verified

NOON = datetime.now(timezone.utc)
UNTIL = (NOON + timedelta(hours=1)).isoformat()
YEAR = 365 * 86_400 * 10**9
WHO = Identity(3)
Run = Callable[..., Result]


@pytest.fixture
def state(keep: Callable[..., State]) -> State:
    # Not when this module was imported: a minute later, in a long run, all of it would be late.
    now = datetime.now(timezone.utc)
    return keep(vendor_note(), heartbeat(WHO, now), verified(WHO, now, 7), refused(WHO, now, 8))


def said(result: Result) -> str:
    """What a person reads: the output, or the error's sentence."""
    return result.output + (str(result.exception) if isinstance(result.exception, HikrecvError) else "")


def test_the_table_says_what_happened_and_leaves_heartbeats_out(run: Run, state: State) -> None:
    shown = said(run("events", "--state-dir", state.root))

    assert "Yunus 0.96 in library test" in shown
    assert "Ada Lovelace" in shown
    assert "heartbeat" not in shown


def test_with_all_the_heartbeats_are_shown(run: Run, state: State) -> None:
    assert "heartbeat" in said(run("events", "--state-dir", state.root, "--all"))


def test_without_an_index_the_table_is_the_same(run: Run, state: State) -> None:
    before = said(run("events", "--state-dir", state.root))
    for file in state.root.glob("index.sqlite*"):
        file.unlink()

    assert said(run("events", "--state-dir", state.root)) == before


def test_jsonl_is_every_event_from_the_beginning_exactly(run: Run, state: State) -> None:
    lines = run("events", "--state-dir", state.root, "--format", "jsonl").stdout.splitlines()

    events = [Event.from_json(line) for line in lines]
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert events[1].family == "heartbeat"
    assert [event.to_json().decode() for event in events] == lines


def test_jsonl_since_a_number_begins_there(run: Run, state: State) -> None:
    lines = run("events", "--state-dir", state.root, "--format", "jsonl", "--since", 3).stdout.splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [3, 4]


def test_with_data_the_document_comes_along_without_face_templates(run: Run, state: State) -> None:
    first = run("events", "--state-dir", state.root, "--format", "jsonl", "--data").stdout.splitlines()[0]

    assert json.loads(first)["data"]["macAddress"] == "ac:cb:51:19:f5:08"
    assert "modelData" not in first


def test_a_directory_without_events_is_named(run: Run, tmp_path: Path) -> None:
    assert str(tmp_path / "nothing") in said(run("events", "--state-dir", tmp_path / "nothing"))


def test_reading_creates_and_changes_nothing(run: Run, state: State) -> None:
    before = {path: path.stat().st_mtime_ns for path in state.root.rglob("*")}

    for command in (["events"], ["devices"], ["show", "1"], ["verify"], ["reactions"]):
        run(*command, "--state-dir", state.root)
    run("dead-letters", "--state-dir", state.root, "list")

    assert {path: path.stat().st_mtime_ns for path in state.root.rglob("*")} == before


def test_show_gives_the_request_the_event_and_its_pictures(run: Run, state: State, tmp_path: Path) -> None:
    shown = said(run("show", 1, "--state-dir", state.root, "--pictures", tmp_path / "pictures"))

    assert "multipart/form-data" in shown
    assert '"person": "Yunus"' in shown
    assert len(list((tmp_path / "pictures").iterdir())) == 2


def test_show_raw_is_the_body_byte_for_byte(run: Run, state: State) -> None:
    assert run("show", 1, "--state-dir", state.root, "--raw").stdout_bytes == vendor_note().body


def test_a_number_that_is_not_kept_says_what_is(run: Run, state: State) -> None:
    assert "it keeps 1 to 4" in said(run("show", 99, "--state-dir", state.root))


def test_devices_are_listed_with_what_they_send(run: Run, state: State) -> None:
    shown = said(run("devices", "--state-dir", state.root))

    assert "ac:cb:51:19:f5:08" in shown or "IP CAMERA" in shown
    assert "face-match" in shown
    assert "double-brace" in shown


def test_a_program_finds_every_field_of_a_device_whatever_it_holds(run: Run, state: State) -> None:
    shown = json.loads(run("devices", "--state-dir", state.root, "--format", "json").stdout)

    (first, *_) = shown["devices"]
    assert {*Seen.__struct_fields__, "rate", "silent"} == set(first)
    assert (first["late"], first["duplicates"], first["silent"]) == (0, 0, False)
    assert shown["turned_away"] == []


def test_export_writes_csv_and_pictures(run: Run, state: State, tmp_path: Path) -> None:
    result = run("export", tmp_path / "out", "--state-dir", state.root, "--format", "csv")

    lines = (tmp_path / "out" / "events.csv").read_text().splitlines()
    assert said(result).strip().startswith("4 events")
    assert lines[0].startswith("id,received,")
    assert "Yunus" in lines[1]
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 4


def test_an_export_of_nothing_names_the_directory_and_leaves_an_earlier_one_alone(
    run: Run, state: State, tmp_path: Path
) -> None:
    run("export", tmp_path, "--state-dir", state.root)
    before = (tmp_path / "events.jsonl").read_bytes()

    result = run("export", tmp_path, "--state-dir", state.root, "--since", "2090-01-01")

    assert said(result).endswith(f"no events in {state.root} of this range; it keeps 1 to 4")
    assert (tmp_path / "events.jsonl").read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_an_export_that_fails_leaves_nothing_half_written(run: Run, state: State, tmp_path: Path) -> None:
    run("export", tmp_path / "out", "--state-dir", state.root)
    picture = next((tmp_path / "out").glob("*.jpg"))
    before = (tmp_path / "out" / "events.jsonl").read_bytes()
    picture.unlink()
    picture.mkdir()

    failed = run("export", tmp_path / "out", "--state-dir", state.root, "--since", "1")

    assert "cannot write to" in said(failed)
    assert (tmp_path / "out" / "events.jsonl").read_bytes() == before
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_time_range_is_exported_whole_though_the_clock_was_set_back(
    keep: Callable[..., State], run: Run, tmp_path: Path
) -> None:
    now = time.time_ns()
    messages = [verified(WHO, NOON, number) for number in (6, 7, 8)]
    state = keep(*messages, received=[now, now + YEAR, now])

    run("export", tmp_path, "--state-dir", state.root, "--until", UNTIL)

    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 3]


@pytest.fixture
def damaged(keep: Callable[..., State]) -> State:
    """The second of four pushes cannot be read."""
    kept = keep(vendor_note(), verified(WHO, NOON, 6), verified(WHO, NOON, 7), refused(WHO, NOON, 8))
    spoil(kept, verified(WHO, NOON, 6).body[-200:])
    return kept


def spoil(state: State, body: bytes) -> None:
    """Flip a bit of the record that holds *body*."""
    for segment in state.journal.glob("*.seg"):
        raw = bytearray(segment.read_bytes())
        if (at := raw.find(body)) >= 0:
            raw[at] ^= 1
            segment.write_bytes(raw)
            return
    raise AssertionError("no such body")


@pytest.mark.parametrize("words", [["events"], ["events", "--format", "jsonl"], ["events", "--since", "1"]])
def test_what_is_damaged_is_left_out_of_the_events_with_a_word(
    run: Run, damaged: State, words: list[str]
) -> None:
    result = run(*words, "--state-dir", damaged.root)

    assert result.exit_code == 0
    assert result.stderr.count("number 2 is damaged and cannot be read") == 1
    assert "hikrecv verify" in result.stderr
    assert "is damaged" not in result.stdout


def test_show_of_a_damaged_number_says_that_it_is(run: Run, damaged: State) -> None:
    shown = said(run("show", 2, "--state-dir", damaged.root))

    assert "number 2 is damaged: the sum of a record does not fit" in shown
    assert "there is no push" not in shown


@pytest.mark.parametrize("words", [["reindex"], ["export", "out"]])
def test_who_goes_through_the_journal_names_what_is_damaged(
    run: Run, damaged: State, words: list[str], tmp_path: Path
) -> None:
    words = [str(tmp_path / "out") if word == "out" else word for word in words]

    result = run(*words, "--state-dir", damaged.root)

    assert result.exit_code == 0
    assert "number 2 is damaged and cannot be read" in result.stderr


def test_verify_notices_that_a_first_segment_is_gone(run: Run, keep: Callable[..., State]) -> None:
    state = keep(*[vendor_note()] * 8, table=JournalTable(segment=Bytes(1_000_000)))
    min(state.journal.glob("*.seg")).unlink()

    result = run("verify", "--state-dir", state.root)

    assert result.exception is not None
    assert "the segment at the beginning is missing (numbers 1 to" in said(result)


def test_verify_counts_the_good_records_and_names_the_bad(run: Run, state: State) -> None:
    good = run("verify", "--state-dir", state.root)
    segment = next(state.journal.glob("*.seg"))
    raw = bytearray(segment.read_bytes())
    raw[200_000] ^= 0xFF
    segment.write_bytes(raw)
    bad = run("verify", "--state-dir", state.root)

    assert "all 4 records are good" in said(good)
    assert bad.exception is not None
    assert "damaged" in said(bad)


def test_decode_shows_what_a_body_would_become(run: Run, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(vendor_note().body)
    (tmp_path / "whole.http").write_bytes(vendor_note().request())

    for file in ("body", "whole.http"):
        assert '"person": "Yunus"' in said(run("decode", tmp_path / file))


def test_a_file_that_is_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    assert "cannot read" in said(run("decode", tmp_path / "none"))


def test_the_schema_is_one_of_events(run: Run) -> None:
    schema = json.loads(run("schema").stdout)

    assert schema["$ref"] == "#/$defs/Event"
    assert {"id", "key", "family", "peer", "device"} <= set(schema["$defs"]["Event"]["required"])


def test_check_says_what_a_configuration_would_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hik.toml").write_text('[[listen]]\nendpoint = "tcp:18089"\nallow = ["10.0.0.0/8"]')

    assert "listens on tcp:18089 (lenient) for 10.0.0.0/8" in said(run("check", tmp_path / "hik.toml"))


def test_check_names_everything_that_is_wrong(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hik.toml").write_text(
        '[reactions.a]\nplugin = "nonesuch"\n[reactions.b]\nplugin = "nonesuch"\nwhen = "familly == 1"\n'
    )

    shown = said(run("check", tmp_path / "hik.toml"))

    assert "reactions.a.plugin" in shown
    assert "reactions.b" in shown


def test_every_command_has_a_help_text(run: Run) -> None:
    from hikrecv.cli.main import COMMANDS

    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0, name
        assert len(result.output.splitlines()) > 4, name


def test_devices_lists_those_of_the_configuration_that_never_sent(
    run: Run, state: State, tmp_path: Path
) -> None:
    (tmp_path / "hik.toml").write_text(
        'state_dir = "state"\n[devices.gate]\naddress = "10.20.0.14"\n[devices.here]\naddress = "192.0.2.9"\n'
    )
    state.await_devices(["gate"], time.time() - 3 * 86_400)

    table = said(run("devices", "--config", tmp_path / "hik.toml"))
    found = json.loads(run("devices", "--config", tmp_path / "hik.toml", "--format", "json").stdout)

    (row,) = [line for line in table.splitlines() if line.startswith("gate ")]
    assert row.split()[1:3] == ["10.20.0.14", "-"]
    assert "never (configured 3 d ago)" in row
    assert [each["device"] for each in found["never_heard"]] == ["gate", "here"]
    assert found["never_heard"][1]["configured_since"] is None


def test_a_traceback_stands_below_the_table_until_it_works_again(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "enrich badges", "plugin": "badges", "state": "failing", "reason": "KeyError: 'x'"}
    failed = {**row, "last_error_at": 2.0, "last_success": 1.0, "trace": "Traceback\n  in look_up\x1b[1m\n"}

    reactions._print([failed, {**failed, "name": "again", "last_success": 3.0}])

    said = capsys.readouterr().out
    assert "enrich badges failed" in said
    assert "Traceback\n  in look_up\\x1b[1m\n" in said
    assert "again failed" not in said

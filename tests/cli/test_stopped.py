"""The commands about reactions, on the directory of a stopped receiver."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import Result

from hikrecv.cli.reactions import _trouble
from hikrecv.errors import HikrecvError
from hikrecv.journal.ledger import Ledger
from hikrecv.reactions.status import Status
from hikrecv.state import State
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.minmoe import verified

NOON = datetime.now(timezone.utc)
Run = Callable[..., Result]


@pytest.fixture
def state(keep: Callable[..., State]) -> State:
    """Three events, of which the reaction `hq` has had the first."""
    kept = keep(*(verified(Identity(3), NOON, number) for number in (6, 7, 8)))
    ledger = Ledger.open(kept.ledger)
    ledger.add("hq", 1)
    ledger.close()
    return kept


@pytest.fixture
def config(state: State, tmp_path: Path) -> Path:
    """A configuration with `hq` and `mail`."""
    tables = '[reactions.hq]\nplugin = "lines"\n[reactions.mail]\nplugin = "lines"\n'
    path = tmp_path / "hikrecv.toml"
    path.write_text(f'state_dir = "{state.root}"\n{tables}')
    return path


def refused(result: Result) -> str:
    assert isinstance(result.exception, HikrecvError)
    return str(result.exception)


def places(state: State) -> dict[str, tuple[str, int]]:
    ledger = Ledger.read(state.ledger)
    found = {name: (place.state, place.cursor) for name, place in ledger.places().items()}
    ledger.close()
    return found


def test_a_program_finds_every_field_of_a_reaction_whatever_it_holds(run: Run, state: State) -> None:
    shown = run("reactions", "--state-dir", state.root, "--format", "json")

    (row,) = json.loads(shown.stdout)
    assert set(row) == set(Status.__struct_fields__)
    assert (row["position"], row["lag_events"], row["dead"], row["lost"]) == (1, 2, 0, 0)
    assert row["lag_seconds"] > 0


def test_only_what_exists_is_rewound(run: Run, state: State, config: Path) -> None:
    typo = run("reactions", "rewind", "hqq", "--to", "now", "--config", config)
    run("reactions", "rewind", "mail", "--to", "3", "--config", config)

    assert refused(typo) == "there is no reaction hqq; there are: hq, mail"
    assert places(state) == {"hq": ("placed", 1), "mail": ("placed", 2)}


def test_no_place_lies_above_the_last_event(run: Run, state: State) -> None:
    run("reactions", "rewind", "hq", "--to", "1000", "--state-dir", state.root)

    assert places(state) == {"hq": ("placed", 3)}


def test_what_is_in_the_configuration_is_not_forgotten(run: Run, state: State, config: Path) -> None:
    result = run("reactions", "forget", "hq", "--yes", "--config", config)

    assert "take it out first" in refused(result)
    assert places(state) == {"hq": ("placed", 1)}


def test_of_a_lost_ledger_each_reaction_waits_for_its_own_word(run: Run, state: State, config: Path) -> None:
    state.ledger.unlink()
    shown = run("reactions", "--state-dir", state.root)
    blind = run("reactions", "rewind", "hq", "--to", "2", "--state-dir", state.root)
    untouched = not state.ledger.exists()
    run("reactions", "rewind", "hq", "--to", "2", "--config", config)

    assert "rewind NAME --to" in refused(shown)
    assert "--config" in refused(blind)
    assert untouched
    assert places(state) == {"hq": ("placed", 1), "mail": ("unplaced", 0)}


def test_dead_letters_of_a_name_that_does_not_exist_are_not_simply_none(run: Run, state: State) -> None:
    known = run("dead-letters", "list", "hq", "--state-dir", state.root)
    typo = run("dead-letters", "list", "hqq", "--state-dir", state.root)

    assert known.stdout == "hq has no dead letters\n"
    assert refused(typo) == "there is no reaction hqq; there are: hq"


def test_dead_letters_of_a_newer_hikrecv_are_not_read(run: Run, state: State) -> None:
    (state.root / "format").write_text("hikrecv 99\n")

    assert "install a newer one" in refused(run("dead-letters", "list", "--state-dir", state.root))


def test_a_directory_that_cannot_be_looked_into_is_one_sentence(run: Run, tmp_path: Path) -> None:
    where = tmp_path / ("x" * 300)

    assert refused(run("reactions", "--state-dir", where)).startswith(f"cannot read {where}: ")


def test_a_dead_letter_that_cannot_exist_is_wrong_usage(run: Run, state: State) -> None:
    result = run("dead-letters", "drop", "9" * 30, "--state-dir", state.root)

    assert result.exit_code == 2
    assert not isinstance(result.exception, OverflowError)


@pytest.mark.parametrize("words", [["reactions"], ["dead-letters", "list"]])
def test_an_output_that_does_not_fit_on_its_disk_is_one_sentence(words: list[str], state: State) -> None:
    program = [sys.executable, "-m", "hikrecv.cli", *words, "--state-dir", str(state.root)]

    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr == "hikrecv: the output cannot be written: No space left on device\n"


def test_a_clock_is_forgotten_by_its_devices_name(run: Run, state: State) -> None:
    ledger = Ledger.open(state.ledger)
    ledger.keep_clocks([(name, '{"offset":12000000}') for name in ("gate", "nvr", "nvr/3", "nvr2")])
    ledger.close()

    assert (
        "the clock of nvr is learned"
        in run("devices", "forget-clock", "nvr", "--state-dir", state.root).stdout
    )

    ledger = Ledger.read(state.ledger)
    assert sorted(ledger.clocks()) == ["gate", "nvr2"]
    ledger.close()
    again = run("devices", "forget-clock", "nvr", "--state-dir", state.root)
    assert refused(again) == "nothing was learned of the clock of nvr"


def test_the_table_tells_how_many_events_were_too_old() -> None:
    row = {"name": "door", "state": "waiting", "left_out": {"too old": 12, "cooling down": 3}}

    assert _trouble(row) == "too old: 12"
    assert _trouble(row | {"last_error": "no"}) == "too old: 12; no"

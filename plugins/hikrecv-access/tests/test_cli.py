from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hikrecv_access.cli import command

from hikrecv.cli.main import command as hikrecv
from hikrecv.errors import ConfigError

PLATES = (
    "plate,valid_until,days,hours,note\nB-AB 1234,,,,the director\nM XY 77,,mon-fri,06:00-20:00,supplier\n"
)
BANNED = "plate\nHH Q 900\n"
STAFF = (
    "employee_no,card_no,valid_until,device,door\n1001,0012345678,,,\n1002,,2026-06-30,,\n1003,,,lobby,2\n"
)
CONFIG = """
state_dir = "state"
[[listen]]
allow = ["10.0.0.0/8"]
[devices.ramp]
address = "10.0.0.14"
[devices.lobby]
address = "10.0.0.21"
[reactions.barrier]
plugin = "access"
when = 'plate.confidence >= 0.8'
schedule = [{{ days = ["mon", "tue", "wed", "thu", "fri", "sat"] }}]
what = "gate"
allow = ["{plates}"]
deny = ["{banned}"]
look_alikes = ["O0", "I1"]
zone = "Europe/Berlin"
[reactions.turnstile]
plugin = "access"
what = "nothing"
allow = ["staff.csv"]
unknown = "no-opinion"
zone = "Europe/Berlin"
[reactions.archive]
plugin = "lines"
"""
MONDAY, SATURDAY, SUNDAY = "2026-03-02T10:00", "2026-03-07T10:00", "2026-03-08T10:00"


@pytest.fixture
def ask(tmp_path: Path, lists: Callable[..., list[str]]) -> Callable[..., Result]:
    """Calls the command with three lists, one of them below the state directory."""
    plates, banned = lists(PLATES, BANNED)
    folder = tmp_path / "state" / "plugins" / "turnstile"
    folder.mkdir(parents=True)
    (folder / "staff.csv").write_text(STAFF)
    config = tmp_path / "hikrecv.toml"
    config.write_text(CONFIG.format(plates=plates, banned=banned))

    def call(*words: str) -> Result:
        return CliRunner().invoke(command, ["--config", str(config), *words])

    return call


def test_it_is_a_command_of_hikrecv() -> None:
    help_page = CliRunner().invoke(hikrecv, ["access-lists", "--help"])

    assert help_page.exit_code == 0
    assert "Say whether somebody would be let in now" in help_page.output


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ("--plate BAB1234", "let in: listed (list-0.csv:2), if the event fits: plate.confidence >= 0.8", 0),
        ("--plate M·XY77", "let in: listed (list-0.csv:3), if the event fits: plate.confidence >= 0.8", 0),
        (f"--plate MXY77 --at {SATURDAY}", "not let in: listed, but not at this time (list-0.csv:3)", 1),
        (f"--plate BAB1234 --at {SUNDAY}", "not let in: not in the schedule of the reaction", 1),
        ("--plate HHQ9OO", "not let in: on the list of those who may not (list-1.csv:2)", 1),
        ("--plate ZZ1", "not let in: on no list", 1),
    ],
)
def test_a_plate_is_explained(ask: Callable[..., Result], words: str, said: str, code: int) -> None:
    result = ask("barrier", "--at", MONDAY, *words.split())

    assert (result.output, result.exit_code) == (f"barrier: {said}\n", code)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ("--employee 1001", "let in: listed (staff.csv:2)", 0),
        ("--card 12345678", "let in: listed (staff.csv:2)", 0),
        ("--employee 1001 --card 999", "no opinion: on no list", 1),
        ("--employee 1002", "let in: listed (staff.csv:3)", 0),
        ("--employee 1002 --at 2026-07-01", "not let in: listed, but not valid any more (staff.csv:3)", 1),
        ("--employee 1003", "not let in: listed, but not at this device (staff.csv:4)", 1),
        ("--employee 1003 --device lobby", "not let in: listed, but not at this door (staff.csv:4)", 1),
        ("--employee 1003 --device lobby --door 2", "let in: listed (staff.csv:4)", 0),
        ("--employee 7", "no opinion: on no list", 1),
    ],
)
def test_an_employee_is_explained(ask: Callable[..., Result], words: str, said: str, code: int) -> None:
    result = ask("turnstile", "--at", MONDAY, *words.split())

    assert (result.output, result.exit_code) == (f"turnstile: {said}\n", code)


def test_one_reaction_that_lets_in_is_enough(ask: Callable[..., Result]) -> None:
    result = ask("--employee", "1001", "--at", MONDAY)

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "barrier: not let in: on no list",
        "turnstile: let in: listed (staff.csv:2)",
    ]


def test_without_anybody_the_lists_are_read(ask: Callable[..., Result], tmp_path: Path) -> None:
    assert ask().output.splitlines() == [
        f"barrier: {tmp_path}/list-0.csv: 2 lines of those who may",
        f"barrier: {tmp_path}/list-1.csv: 1 line of those who may not",
        f"turnstile: {tmp_path}/state/plugins/turnstile/staff.csv: 3 lines of those who may",
    ]


def test_a_mistake_in_a_list_is_named_with_its_line(ask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "list-0.csv").write_text("plate,valid_until\nB AB 1234,31.12.2026\n")

    result = ask()

    assert isinstance(result.exception, ConfigError)
    assert "reactions.barrier: " in str(result.exception)
    assert "list-0.csv, line 2: valid_until: '31.12.2026' is not a date" in str(result.exception)


@pytest.mark.parametrize("words", ["archive", "nobody"])
def test_a_reaction_of_another_plugin_is_refused(ask: Callable[..., Result], words: str) -> None:
    result = ask(words)

    assert str(result.exception) == f"there is no reaction {words} with the plugin access"


def test_a_plate_and_a_person_are_two_questions(ask: Callable[..., Result]) -> None:
    assert ask("--plate", "X", "--employee", "1").exit_code == 2

"""Tables at any width: never wider than the terminal, and never broken within a word where there is a way."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hikrecv.cli.main import command
from hikrecv.cli.table import GAP, Column, fit, show, table
from hikrecv.journal.ledger import Ledger
from hikrecv.state import State
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity, minmoe
from hikrecv.testing.profiles.deepinview import vendor_note

COLUMNS = (
    Column("ID"),
    Column("WORDS", wraps=True),
    Column("MORE", wraps=True, drop=1),
    Column("LESS", drop=2),
)
words = st.lists(st.text("abcäöü汉字", min_size=1, max_size=12), max_size=8).map(" ".join)
ids = st.text("abc0123", min_size=1, max_size=8)
WANTED = 8 + GAP + 24
"""What is never left out needs no more: a letter may be two columns wide."""


@given(rows=st.lists(st.tuples(ids, words, words, ids), min_size=1, max_size=5), width=st.integers(10, 200))
def test_a_table_gives_up_columns_before_words_and_fits(rows: list[tuple[str, ...]], width: int) -> None:
    sheet = table(COLUMNS, rows)

    shown = fit(sheet, width)
    with pytest.MonkeyPatch.context() as patch, StringIO() as out:
        patch.setenv("COLUMNS", str(width))
        patch.setattr("sys.stdout", out)
        show(sheet)
        lines = out.getvalue().splitlines()

    assert {0, 1} <= set(shown)
    assert 3 not in shown or 2 in shown
    if width >= WANTED:
        assert max(map(cell_len, lines)) <= width
        assert "…" not in "".join(lines)
        said = "".join(" ".join(lines).split())
        for row in rows:
            for place in shown:
                assert all(word in said for word in row[place].split())


def test_a_wide_terminal_shows_everything_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show(table(COLUMNS, [("1", "some words", "more", "x"), ("22", "w", "", "")]))

    assert capsys.readouterr().out == "ID  WORDS       MORE  LESS\n1   some words  more  x\n22  w\n"


# -- the commands ------------------------------------------------------------------------

LONG = "the server said 500: database connection pool exhausted after 30000 ms, see incident 20391"


@pytest.fixture
def kept(keep: Callable[..., State], tmp_path: Path) -> State:
    state = keep(*messages())
    ledger = Ledger.open(state.ledger)
    for reaction in ("punches-to-human-resources", "hq"):
        ledger.add(reaction, 0)
        ledger.failed(reaction, 1, 0, 5, LONG, 1.0)
        ledger.dead(reaction, "abcdefgh-1234567-0", "key", 1_234_567, 0, LONG, 5, 1.0)
    ledger.close()
    (tmp_path / "hikrecv.toml").write_text(
        'state_dir = "state"\n[reactions.punches-to-human-resources]\nplugin = "forward"\nurl = "http://hr"\n'
    )
    return state


def messages() -> list[Message]:
    from datetime import datetime, timedelta

    now = datetime.now().astimezone()
    late = now - timedelta(days=3)
    return [vendor_note(), minmoe.verified(Identity(3), now, 7), minmoe.refused(Identity(4), late, 8)]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "words",
    [
        ["events"],
        ["devices"],
        ["reactions"],
        ["dead-letters", "list"],
        ["plugins"],
        ["plugins", "show", "lines"],
    ],
)
def test_no_command_breaks_a_word_at_usual_widths(
    kept: State, tmp_path: Path, width: int, words: list[str]
) -> None:
    options = ["--config", str(tmp_path / "hikrecv.toml")]
    at = len(words) if words[:2] != ["plugins", "show"] else 1

    def say(columns: int) -> str:
        shown = CliRunner(env={"COLUMNS": str(columns)}).invoke(command, [*words[:at], *options, *words[at:]])
        assert shown.exit_code == 0, shown.output
        return shown.output

    wide, narrow = say(1000), say(width)

    assert max(map(len, narrow.splitlines())) <= width
    assert "…" not in narrow
    # Every word of the narrow table is a whole word of the wide one; figures grow between two looks.
    said = narrow.partition("no room for ")[0]
    assert set(re.sub(r"\d+", "9", said).split()) <= set(re.sub(r"\d+", "9", wide).split())

"""What `hikrecv` says of its commands, and of a word that is none."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from hikrecv.cli.main import COMMANDS, command
from hikrecv.cli.main import command as hikrecv

Run = Callable[..., Result]


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_tells_the_whole_first_sentence_of_every_command(width: int) -> None:
    said = CliRunner().invoke(command, ["--help"], terminal_width=width).output

    words = " ".join(said.split())
    assert "..." not in words.replace("[ARGS]...", "")
    for name in COMMANDS:
        found = hikrecv.get_command(click.Context(hikrecv), name)
        assert found is not None
        assert f"{name} {found.get_short_help_str(limit=1000)}" in words
    assert max(map(len, said.splitlines())) <= width


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["evnts"], "events"),
        (["device"], "devices"),
        (["reactions", "rewnd"], "rewind"),
        (["dead-letters", "lst"], "list"),
        (["plugins", "shw"], "show"),
        (["simulate", "rn"], "run"),
        (["plugin", "nwe"], "new"),
        (["service", "unt"], "unit"),
    ],
)
def test_a_misspelt_command_is_told_what_was_meant(run: Run, words: list[str], meant: str) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert f'there is no command {words[-1]!r}; did you mean "{meant}"?' in result.output


def test_a_word_like_nothing_is_only_told_to_be_none(run: Run) -> None:
    result = run("xyzzy")

    assert result.exit_code == 2
    assert "there is no command 'xyzzy'\n" in result.output

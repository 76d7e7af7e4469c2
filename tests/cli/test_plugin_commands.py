"""Commands of plugins: found by entry point, imported when they are called, and no trouble for the others."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from hikrecv.cli.main import _of_plugin


def raising(error: BaseException) -> Callable[[], object]:
    def load() -> object:
        raise error

    return load


@pytest.mark.parametrize(
    ("load", "says"),
    [
        (
            raising(ImportError("No module named 'cv2'")),
            "cannot be loaded: ImportError: No module named 'cv2'",
        ),
        (raising(SystemExit(1)), "cannot be loaded: SystemExit: 1"),
        (lambda: 5, "is not a click command"),
    ],
)
def test_a_broken_command_fails_when_it_is_called_and_not_before(
    load: Callable[[], object], says: str
) -> None:
    group = click.Group(commands=[_of_plugin("lost", load), click.Command("fine", help="Works.")])

    help_page = CliRunner().invoke(group, ["--help"])
    called = CliRunner().invoke(group, ["lost", "--some", "words"])

    assert (help_page.exit_code, called.exit_code) == (0, 1)
    assert "Works." in help_page.output
    assert "broken" in help_page.output
    assert called.output == f"Error: the plugin command lost {says}\n"

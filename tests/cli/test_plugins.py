"""What installers and CI see of plugins: the list, the broken ones, the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hikrecv.cli.main import main

GOOD = "from hikrecv import hookimpl\n@hookimpl\ndef hikrecv_event(event): pass\n"
ASKED = '''
"""
Reads and adds.

    As it is.
"""
from hikrecv import hookimpl
@hookimpl
def hikrecv_decode(push): pass
@hookimpl
def hikrecv_enrich(event): pass
'''
CONFIG = """
plugin_dirs = ["plugins"]
[decode]
plugins = ["asked"]
[enrich]
plugins = ["first", "asked"]
[reactions.one]
plugin = "good"
[reactions.two]
plugin = "good"
[reactions.first]
plugin = "asked"
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration with plugins in a folder; three of them are broken, and nobody uses those."""
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    broken = {
        "lost": "import no_such_thing\n",
        "newer": "HIKRECV_API = 2\n" + GOOD,
        "exits": "raise SystemExit",
    }
    for name, text in {"good": GOOD, "asked": ASKED, **broken}.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "hikrecv.toml").write_text(CONFIG)
    return str(tmp_path / "hikrecv.toml")


def row(result: Result, name: str) -> str:
    return next(" ".join(line.split()) for line in result.output.splitlines() if line.startswith(name))


def test_a_broken_plugin_is_a_line_with_the_cure_beside_the_others(
    run: Callable[..., Result], config: str
) -> None:
    result = run("plugins", "--config", config)

    assert result.exit_code == 0
    assert "its import failed: ModuleNotFoundError: No module named" in row(result, "lost")
    assert "written for version 2 of the plugin API" in row(result, "newer")
    assert "SystemExit" in row(result, "exits")
    assert " event one, two" in row(result, "good")


def test_the_order_in_which_plugins_are_asked_can_be_seen(run: Callable[..., Result], config: str) -> None:
    listed = run("plugins", "--config", config)
    checked = run("check", config)

    assert row(listed, "asked").endswith("decode, enrich first, [decode] 1, [enrich] 1, [enrich] 2")
    assert "[decode] asks asked\n[enrich] asks first, then asked\n" in checked.output
    assert "first: asked is only asked\n" in checked.output


def test_strict_lists_all_of_it_and_then_fails(
    config: str, run: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    codes = []
    for words in ([], ["--strict"], ["--strict", "--only", "good"], ["--without", "lost", "--strict"]):
        with pytest.raises(SystemExit) as ended:
            main(["plugins", "--config", config, *words])
        codes.append(ended.value.code)

    assert codes == [0, 3, 0, 3]
    assert capsys.readouterr().out.count("\ngood ") == 4


def test_a_strict_check_names_every_broken_plugin_that_is_installed(
    config: str, run: Callable[..., Result]
) -> None:
    assert run("check", config).exit_code == 0

    said = str(run("check", "--strict", config).exception)

    assert [line.split()[2] for line in said.splitlines()] == ["exits", "lost", "newer"]
    assert all("is broken: " in line for line in said.splitlines())


def test_a_name_that_is_not_there_is_said(config: str, run: Callable[..., Result]) -> None:
    result = run("plugins", "--config", config, "--only", "goood")

    assert "did you mean" in str(result.exception) or "there is no plugin 'goood'" in str(result.exception)


def test_what_a_plugin_says_of_itself_is_not_indented(config: str, run: Callable[..., Result]) -> None:
    result = run("plugins", "--config", config, "show", "asked")

    assert "\nReads and adds.\n\n    As it is.\n" in result.output

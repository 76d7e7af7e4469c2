"""The tutorial's plugin begins as the command writes it, passes its tests, and does what the page says."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs_pages import DOCS, page

from hikrecv.cli.plugin import package

PLUGIN = DOCS / "tutorial/plugin"


def test_it_begins_as_the_command_writes_it() -> None:
    written = {str(path): text for path, text in package("board")}

    assert sorted(written) == sorted(
        re.findall(r"^hikrecv-board/(.*)$", page("tutorial/plugin.md"), re.MULTILINE)
    )
    for name in ("setup.cfg", "pyproject.toml"):
        assert without_description((PLUGIN / name).read_text("utf-8")) == without_description(written[name])


def test_beside_what_the_page_shows_only_imports_are_new() -> None:
    written = {str(path): text for path, text in package("board")}

    for name in ("hikrecv_board.py", "tests/test_board.py"):
        for line in beside(PLUGIN.joinpath(name).read_text("utf-8")) - beside(written[name]):
            assert f"`{line}`" in page("tutorial/plugin.md")


def beside(text: str) -> set[str]:
    """Everything at the top level but classes and functions, and what a module says of itself."""
    body = ast.parse(text).body
    return {
        ast.unparse(node) for node in body if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Expr)
    }


def without_description(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("description")]


def test_its_own_tests_pass(tmp_path: Path) -> None:
    copy = shutil.copytree(PLUGIN, tmp_path / "board", ignore=shutil.ignore_patterns("__pycache__", ".*"))

    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(line, cwd=copy, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_every_piece_of_code_in_the_page_exists() -> None:
    for file, marks in re.findall(
        r"^```\{literalinclude\} (\S+)\n((?::.*\n)*)```$", page("tutorial/plugin.md"), re.MULTILINE
    ):
        text = (DOCS / "tutorial" / file).read_text("utf-8")
        for mark in re.findall(r'^:(?:start|end)-\w+: "(.*)"$', marks, re.MULTILINE):
            assert text.count(mark) == 1, f"{file}: {mark}"

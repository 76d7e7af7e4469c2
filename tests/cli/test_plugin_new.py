"""`hikrecv plugin new`: what it writes can be installed and passes its tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hikrecv.cli.plugin import command, package
from hikrecv.errors import HikrecvError


def write(folder: Path, name: str = "led-board") -> Path:
    done = CliRunner().invoke(command, ["new", name, "--dir", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0
    return folder / f"hikrecv-{name}"


def run(folder: Path, *words: str) -> str:
    line = [sys.executable, *words]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_name_with_a_dash_is_a_module_with_an_underscore(tmp_path: Path) -> None:
    target = write(tmp_path)

    files = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()}
    assert files == {
        "README.md",
        "hikrecv_led_board.py",
        "pyproject.toml",
        "setup.cfg",
        "tests/test_led_board.py",
    }
    assert "    led-board = hikrecv_led_board" in (target / "setup.cfg").read_text().splitlines()


def test_nothing_of_the_template_is_left() -> None:
    for path, text in package("led-board"):
        assert "yours" not in f"{path}{text}"


def test_a_new_package_passes_its_tests(tmp_path: Path) -> None:
    target = write(tmp_path)

    said = run(target, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    assert "passed" in said


@pytest.mark.functional
def test_a_new_package_can_be_installed_and_is_found(tmp_path: Path) -> None:
    target, site = write(tmp_path), tmp_path / "site"
    alone = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")

    run(target, "-m", "pip", "install", "-q", *alone, "--target", str(site), str(target))

    found = "from hikrecv.reactions.plugins import find; print(find(strict=True).get('led-board').origin)"
    look = f"import sys; sys.path.insert(0, {str(site)!r}); {found}"
    assert run(tmp_path, "-c", look) == "hikrecv-led-board 0.1.0\n"


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hikrecv-led-board").mkdir()

    with pytest.raises(HikrecvError, match="is there already"):
        write(tmp_path)

    assert list((tmp_path / "hikrecv-led-board").iterdir()) == []


@pytest.mark.parametrize("name", ["", "LED", "led board", "led-", "led_board", "../led", "1led", "l" * 41])
def test_a_name_that_cannot_be_one_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(HikrecvError, match="cannot be the name of a plugin"):
        write(tmp_path, name)

    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HikrecvError, match=r"cannot write .*hikrecv-led-board"):
        write(tmp_path / "file")

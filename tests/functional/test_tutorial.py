"""What the pages show, done with real processes: the tutorial's screen, and the metrics."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from functional_harness import BIN, Receiver, run, until

DOCS = Path(__file__).parents[2] / "docs"
PLUGIN = DOCS / "tutorial/plugin"

pytestmark = pytest.mark.functional


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the tutorial's plugin is installed."""
    source, site = tmp_path / "board", tmp_path / "site"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    alone = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "install", "-q", *alone, "--target", str(site), str(source)])
    return site


@contextmanager
def screen(port: int, log: Path) -> Iterator[Callable[[], list[str]]]:
    """The tutorial's screen; gives what it shows."""
    with log.open("ab") as out:
        shown = subprocess.Popen([sys.executable, str(PLUGIN / "screen.py"), str(port)], stdout=out)
        try:
            until(lambda: is_open(port), "the screen is on")
            yield lambda: log.read_text().splitlines()
        finally:
            shown.terminate()
            shown.wait(10)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_screen_of_the_tutorial_greets_also_after_it_was_off(
    new_receiver: Callable[..., Receiver], site: Path, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "screen.log"
    text = (
        (PLUGIN / "board.toml").read_text("utf-8").replace(":8000/", f":{port}/").replace("tcp:8089", "tcp:0")
    )
    receiver = new_receiver()
    receiver.config.write_text(text)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    receiver.start("env", f"PYTHONPATH={path}", str(BIN / "hikrecv"), "run", "--config", str(receiver.config))
    to = f"http://127.0.0.1:{receiver.port}/"
    camera = [str(BIN / "hikrecv"), "simulate", "send", "deepinview", "--count", "2", "--to", to]

    with screen(port, log) as shown:
        run(camera)
        until(lambda: shown() == ["Welcome, Maria Lopez (with a picture)"], "the first is greeted")
    run(camera)
    until(lambda: "cannot connect" in receiver.reaction("lobby").get("last_error", ""), "the screen is off")
    with screen(port, log) as shown:
        until(lambda: len(shown()) == 2, "the second is greeted, too")


def test_every_metric_is_documented(new_receiver: Callable[..., Receiver]) -> None:
    port = free_port()
    receiver = new_receiver(f'[metrics]\nlisten = "tcp:{port}:interface=127.0.0.1"\n').start()
    assert receiver.port

    given = kinds(urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode())

    table = (DOCS / "reference/metrics.md").read_text("utf-8").partition("<!-- metrics -->")[2]
    documented = re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE)
    assert dict(documented) == given
    assert len(documented) == len(given)


def kinds(text: str) -> dict[str, Any]:
    """Name to kind, of Prometheus' text; what tells when something began is no metric of ours."""
    found = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
    return {name.removesuffix("_total"): kind for name, kind in found if not name.endswith("_created")}

"""Who is measured: hikrecv, the peers, and the floors; how each is built and started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

HERE = Path(__file__).parent
PEERS = HERE / "peers"
ROOT = HERE.parent.parent
JOURNAL = 1_000_000_000
"""How much hikrecv keeps in the benchmark: soon full, so that segments are used again."""

Kind = Literal["hikrecv", "peer", "store", "floor"]


class Missing(Exception):
    """Something that a server needs is not installed; the message says what."""


class Place(NamedTuple):
    """Where a server runs: *tools* holds what was built, *folder* is where it keeps events."""

    tools: Path
    folder: Path
    port: int


class Server(NamedTuple):
    """
    One that is measured.

    :param kind: ``peer``: what a user would pick instead; ``store``: Go with a store like ours;
        ``floor``: what cannot be gone below.
    :param build: makes what it needs in the folder of tools, once.
    :param command: how it is started.
    """

    name: str
    kind: Kind
    says: str
    build: Callable[[Path], None]
    command: Callable[[Place], list[str]]


def servers() -> list[Server]:
    """All of them, in the order in which they take turns."""
    return [
        Server("hikrecv", "hikrecv", "as users run it", _nothing, _hikrecv),
        _python("aiohttp", "aiohttp_peer", "uvloop, files in its executor", "aiohttp", "uvloop"),
        _python("starlette", "starlette_peer", "uvicorn, uvloop, httptools", "starlette", "uvicorn", "uvloop", "httptools", "python_multipart"),
        Server("flask", "peer", "gunicorn, 3 workers of 8 threads", _needs("flask", "gunicorn"), _gunicorn),
        Server("node", "peer", "http and busboy", _build_node, _node),
        Server("go", "peer", "net/http", _build_go, lambda place: _go(place, "files")),
        Server("go+segment", "store", "net/http, one writer, group commit", _build_go, lambda place: _go(place, "segment")),
        Server("twisted", "floor", "twisted.web that discards", _nothing, lambda place: _script(place, "twisted_floor")),
        Server("C", "floor", "receives, appends, syncs", _build_c, lambda place: _c(place, "keep")),
        Server("C discards", "floor", "shows what the generator can do", _build_c, lambda place: _c(place, "discard")),
    ]  # fmt: skip


def environment(place: Place) -> dict[str, str]:
    """What every server is started with."""
    return {
        **os.environ,
        "BENCH_FOLDER": str(place.folder),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{PEERS}",
        "PYTHONWARNINGS": "ignore",
    }


# -- hikrecv ----------------------------------------------------------------------


def configure(place: Place, *, more: str = "") -> Path:
    """A configuration as users have it: a reaction that wants everything, and the rest by default."""
    path = place.folder / "hikrecv.toml"
    path.write_text(
        f'state_dir = "state"\nplugin_dirs = ["{_plugins(place)}"]\n'
        f'[[listen]]\nendpoint = "tcp:{place.port}:interface=127.0.0.1"\n'
        f"[journal]\nmax = {JOURNAL}\n"
        f'[reactions.nothing]\nplugin = "noop"\n{more}'
    )
    return path


def _plugins(place: Place) -> Path:
    # Not from the checkout: others may be allowed to write there, and hikrecv refuses such a folder.
    folder = place.folder / "plugins"
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in (HERE / "plugins").glob("*.py"):
        shutil.copyfile(file, folder / file.name)
        (folder / file.name).chmod(0o600)
    return folder


def _hikrecv(place: Place) -> list[str]:
    configuration = place.folder / "hikrecv.toml"
    if not configuration.exists():
        configure(place)
    configuration.write_text(_with_port(configuration.read_text(), place.port))
    return [sys.executable, "-m", "twisted", "--log-level=warn", "hikrecv", "--config", str(configuration)]


def _with_port(text: str, port: int) -> str:
    lines = text.splitlines()
    return "\n".join(
        f'endpoint = "tcp:{port}:interface=127.0.0.1"' if line.startswith("endpoint") else line
        for line in lines
    )


# -- the peers --------------------------------------------------------------------


def _nothing(tools: Path) -> None:
    """There is nothing to build."""


def _needs(*modules: str) -> Callable[[Path], None]:
    def check(tools: Path) -> None:
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            raise Missing(f"{', '.join(missing)} not installed: pip install -r tests/bench/requirements.txt")

    return check


def _python(name: str, script: str, says: str, *modules: str) -> Server:
    return Server(name, "peer", says, _needs(*modules), lambda place: _script(place, script))


def _script(place: Place, name: str) -> list[str]:
    return [sys.executable, str(PEERS / f"{name}.py"), str(place.port)]


def _gunicorn(place: Place) -> list[str]:
    options = ["--workers", "3", "--threads", "8", "--worker-class", "gthread", "--log-level", "error"]
    bind = ["--bind", f"127.0.0.1:{place.port}", "--backlog", "1024", "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", *options, *bind, "--chdir", str(PEERS), "flask_peer:app"]


def _build_node(tools: Path) -> None:
    _have("node", "npm")
    folder = tools / "node"
    if not (folder / "node_modules" / "busboy").exists():
        shutil.copytree(PEERS / "node", folder, dirs_exist_ok=True)
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund"], folder)


def _node(place: Place) -> list[str]:
    return ["node", str(place.tools / "node" / "peer.js"), str(place.port), str(place.folder)]


def _build_go(tools: Path) -> None:
    _have("go")
    if not (tools / "go-peer").exists():
        _run(["go", "build", "-o", str(tools / "go-peer"), "."], PEERS / "go")


def _go(place: Place, store: str) -> list[str]:
    return [str(place.tools / "go-peer"), str(place.port), str(place.folder), store]


def _build_c(tools: Path) -> None:
    compile_c(PEERS / "floor.c", tools / "floor")


def _c(place: Place, mode: str) -> list[str]:
    return [str(place.tools / "floor"), str(place.port), str(place.folder), mode]


def compile_c(source: Path, target: Path) -> None:
    """Build a C program.  :raises Missing: without a compiler."""
    _have("cc")
    _run(["cc", "-O2", "-o", str(target), str(source)], source.parent)


def _have(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Missing(f"{', '.join(missing)} not installed")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-200:]}")

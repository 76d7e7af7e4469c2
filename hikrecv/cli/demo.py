"""
`make demo`: a receiver, its first reactions, and devices that push to it, in one terminal.

The receiver is a process of its own, started as users start it; what is shown
comes from its journal and its control socket, as for any command.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Console
from rich.text import Text

from hikrecv import control
from hikrecv.archive import Archive
from hikrecv.config import Config
from hikrecv.errors import HikrecvError, StateError
from hikrecv.greeting import own_address
from hikrecv.isapi.words import visible
from hikrecv.state import State

from .table import event_cells, print_line

CONFIG = """\
# The demo's configuration: see conf/hikrecv.toml for every key.
state_dir = "state"

[reactions.lines]
plugin = "lines"
path = "{folder}/events.jsonl"

[reactions.hook]
plugin = "forward"
url = "http://127.0.0.1:{hook}/hook"
pictures = true
"""
LOCK = "demo.lock"
"""Held by the demo and by its receiver; by it a folder is known to be a demo's."""
START = 15.0
LOOK = 0.3
PROFILES = (("vendor-note", 1), ("minmoe", 2))


class Hook(BaseHTTPRequestHandler):
    """A stand-in for somebody's HTTP endpoint: says what the forward reaction brought."""

    told: Callable[[str], None] = print

    def do_POST(self) -> None:
        """Take one event."""
        size = int(self.headers.get("Content-Length", 0))
        self.rfile.read(size)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        key = self.headers.get("Idempotency-Key", "")
        type(self).told(f"forward -> POST {self.path}, {size:,} bytes, Idempotency-Key {key[:40]}")

    def log_message(self, format: str, *args: object) -> None:
        """The demo prints what matters."""


class Demo:
    """The processes of the demo, and what it prints."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder.absolute()
        self.state = State(self.folder / "state")
        self.console = Console(highlight=False)
        self.receiver: subprocess.Popen[bytes] | None = None
        self._lock = -1

    def say(self, text: str, style: str = "") -> None:
        """One line; what is in it may come from a device."""
        self.console.print(Text(visible(text), style=style), soft_wrap=True)

    def run(self) -> None:
        """All of it, until Ctrl-C."""
        with self._own_folder() as self._lock, self._hook() as hook:
            _check_port(self.port)
            config = self.folder / "demo.toml"
            config.write_text(CONFIG.format(folder=self.folder, hook=hook))
            try:
                self._start(config)
                for profile, count in PROFILES:
                    self._simulate(profile, count)
                Thread(target=self._introduce, daemon=True).start()
                self._follow()
            finally:
                self._stop()

    @contextlib.contextmanager
    def _own_folder(self) -> Iterator[int]:
        """
        The folder, empty and ours; gives the descriptor that locks it.

        It is deleted at the end: what a real camera sends is about real people.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.folder / LOCK).exists():
            raise HikrecvError(f"{self.folder} is not the folder of a demo; name another one with --folder")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise HikrecvError(
                f"another demo runs in {self.folder}; end it with Ctrl-C{self._otherwise()}, "
                "or take another --folder"
            ) from None
        try:
            self._clear()
            yield lock
        finally:
            self._clear()
            (self.folder / LOCK).unlink()
            self.folder.rmdir()
            os.close(lock)
            self.say("what the demo kept is deleted")

    def _otherwise(self) -> str:
        """A demo that was killed cannot be ended with Ctrl-C, and its receiver lives on."""
        try:
            process = int(self.state.lock.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return ""
        return f" (or its receiver, should it be alone, with `kill {process}`)"

    def _clear(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()

    @contextlib.contextmanager
    def _hook(self) -> Iterator[int]:
        def told(text: str) -> None:
            self.say(f"      {text}", "cyan")

        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Hook,), {"told": staticmethod(told)}))
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()

    def _start(self, config: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "hikrecv.cli",
            "run",
            "--config",
            str(config),
            "--port",
            str(self.port),
        ]
        log = (self.folder / "receiver.log").open("wb")
        # A session of its own, so that Ctrl-C reaches the demo alone, which then stops it in order.
        # It has the lock too: should the demo be killed, no other one deletes what the receiver still uses.
        self.receiver = subprocess.Popen(  # noqa: S603
            command, stdout=log, stderr=log, start_new_session=True, pass_fds=[self._lock]
        )
        until = time.monotonic() + START
        while time.monotonic() < until and self.receiver.poll() is None:
            with contextlib.suppress(HikrecvError):
                control.call(self.state.control, "status")
                return
            time.sleep(0.1)
        text = (self.folder / "receiver.log").read_text(errors="replace")
        raise HikrecvError(f"the receiver did not start:\n{text}")

    def _simulate(self, profile: str, count: int) -> None:
        url = f"http://127.0.0.1:{self.port}/"
        command = [sys.executable, "-m", "hikrecv.cli", "simulate", "send", profile, "--count", str(count)]
        subprocess.run([*command, "--to", url], check=True, stdout=subprocess.DEVNULL)  # noqa: S603

    def _follow(self) -> None:
        archive = Archive(self.state, Config())
        reactions: dict[str, tuple[str, int]] = {}

        def pause() -> None:
            self._tell_reactions(reactions)
            time.sleep(LOOK)

        for _, events in archive.follow(1, pause):
            for event in events:
                print_line(self.console, event_cells(event))

    def _tell_reactions(self, seen: dict[str, tuple[str, int]]) -> None:
        """Say what the reactions did since the last look."""
        with contextlib.suppress(HikrecvError):
            rows: list[dict[str, Any]] = control.call(self.state.control, "reactions")
            for row in rows:
                trying = row.get("last_error", "") if row.get("attempts") else ""
                now = (row.get("reason") or trying, row.get("done", 0))
                if now != seen.get(row["name"], ("", 0)):
                    seen[row["name"]] = now
                    trouble = f", {now[0]}" if now[0] else ""
                    self.say(
                        f"      reaction {row['name']} ({row['plugin']}): {now[1]} done{trouble}", "green"
                    )

    def _introduce(self) -> None:
        time.sleep(2.0)
        command = Path(sys.executable).parent / "hikrecv"
        self.say("")
        self.say(f"look:   a line an event is in {self.folder / 'events.jsonl'}", "bold")
        self.say(f"look:   {command} events --state-dir {self.state.root}", "bold")
        url = f"http://{own_address()}:{self.port}/"
        self.say(f"next:   point a camera at {url} (menu HTTP Listening), or press Ctrl-C to stop", "bold")
        self.say(
            "note:   what it keeps is deleted when it stops; `hikrecv run` is for what shall stay", "bold"
        )
        self.say("")

    def _stop(self) -> None:
        if self.receiver is not None and self.receiver.poll() is None:
            self.receiver.send_signal(signal.SIGTERM)
            try:
                self.receiver.wait(30)
            except subprocess.TimeoutExpired:
                self.receiver.kill()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - the receiver listens there, too
        except OSError as error:
            raise StateError(
                f"port {port} cannot be used ({error.strerror}); try: make demo PORT=18089"
            ) from None


def main() -> None:
    """Run the demo; Ctrl-C ends it well."""
    parser = argparse.ArgumentParser(description="A receiver, its first reactions, and simulated devices.")
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--folder", type=Path, default=Path("demo-state"))
    arguments = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        Demo(arguments.port, arguments.folder).run()
    except KeyboardInterrupt:
        print("\nstopped")
    except HikrecvError as error:
        sys.exit(f"hikrecv: {error}")


if __name__ == "__main__":
    main()

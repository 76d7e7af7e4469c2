"""A server while it runs: pinned, waited for, driven, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

from .procfs import forget_peak, used
from .servers import Place, Server, environment

SERVER_CORE, LOAD_CORE = 0, 1
READY = 30.0
QUIET = 0.2
"""Seconds in which a server that has done all its work uses no CPU time."""
LONGEST_REST = 15.0


class Loaded(msgspec.Struct, frozen=True):
    """What the generator prints; times in ms."""

    seconds: float
    answered: int
    in_time: int
    failed: int
    refused: int
    wrong: int
    unanswered: int
    p50: float
    p99: float
    longest: float
    elapsed: float
    cpu: float
    number: int


class Load(msgspec.Struct, frozen=True):
    """One run of the generator; *rate* 0: as fast as answers come."""

    request: str
    offset: int
    connections: int
    seconds: float
    rate: float = 0
    close: bool = False


class Measured(msgspec.Struct, frozen=True):
    """
    What one run of the generator showed.

    :param cpu: seconds of the server per event, what it did after the last answer included.
    :param peak: bytes of memory.
    :param busy: the share of its core that the generator used: near 1 it is the limit, not the server.
    :param after: seconds from the last answer until the server was at rest.
    """

    rate: float
    cpu: float
    p50: float
    p99: float
    peak: int
    busy: float
    after: float
    good: bool


class Running:
    """A server in a process of its own, on its core."""

    numbers = int(time.time()) % 100_000 * 10_000 + 1_000_000_000
    """The next event's number; no two runs send the same event."""

    def __init__(self, server: Server, place: Place, *, error: Path) -> None:
        self.place = place
        with error.open("ab") as out:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                server.command(place),
                cwd=place.folder,
                env=environment(place),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
            )

    def wait_until_ready(self) -> float:
        """Wait until a connection is accepted; gives the seconds since it was started."""
        while time.monotonic() < self.began + READY:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.place.port), 1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return time.monotonic() - self.began
        raise RuntimeError("the server did not begin to listen")

    def drive(self, load: Load) -> Measured:
        """Let the generator send, and see what it costs."""
        forget_peak(self.process.pid)
        before = used(self.process.pid)
        loaded = self.send(load)
        end = time.monotonic()
        after = self.rest() - end
        now = used(self.process.pid)
        return Measured(
            rate=loaded.in_time / loaded.seconds,
            cpu=(now.cpu - before.cpu) / max(loaded.answered, 1),
            p50=loaded.p50,
            p99=loaded.p99,
            peak=now.peak,
            busy=loaded.cpu / loaded.elapsed,
            after=max(after, 0.0),
            good=not (loaded.failed or loaded.refused or loaded.wrong or loaded.unanswered),
        )

    def send(self, load: Load) -> Loaded:
        """Only send."""
        command: list[Any] = [
            self.place.tools / "load",
            self.place.port,
            load.request,
            load.offset,
            Running.numbers,
        ]
        command += [load.connections, load.seconds, load.rate, int(load.close)]
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            check=True,
            timeout=load.seconds + 30,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
        loaded = msgspec.json.decode(done.stdout, type=Loaded)
        Running.numbers = loaded.number
        return loaded

    def rest(self) -> float:
        """Wait until the server uses no more CPU time; gives the moment at which that began."""
        last, since = used(self.process.pid).cpu, time.monotonic()
        begin = since
        while time.monotonic() < begin + LONGEST_REST:
            time.sleep(0.05)
            cpu, now = used(self.process.pid).cpu, time.monotonic()
            # Every server has timers: a hundredth of the core is rest.
            if cpu - last > max(0.02 * (now - since), 0.011):
                last, since = cpu, now
            elif now - since >= QUIET:
                return since
        return since

    def stop(self) -> None:
        """End it and what it started."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(5)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

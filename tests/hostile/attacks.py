"""The attacks: each is bounded, says what it sent, and what must be true of journal and log afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..functional.harness import BIN, Receiver
from ..hostile_bodies import BODIES, body
from .senders import TABLES, connect, hear, push, request, say, stranger, together

MB = 1_000_000
LINES = 40
"""Log lines that an attack may cause: one a minute and kind, and what a receiver says anyway."""


class Attack(NamedTuple):
    """
    One attack.

    :param run: does it, on a receiver; gives the bytes that it sent.
    :param holds: "" or what should not be, judged by counts.
    :param tables: what the configuration says; attacks with the same use one receiver.
    :param files: how many files the receiver may open; 0: as many as the system gives.
    :param rss: megabytes of the receiver's memory at most, and *cpu* seconds for each megabyte sent.
    """

    name: str
    run: Callable[[Receiver], int]
    holds: Callable[[Receiver], str] = lambda receiver: ""
    tables: str = TABLES
    files: int = 0
    rss: float = 400
    cpu: float = 0.2

    def start(self, receiver: Receiver) -> None:
        """Start *receiver* for it."""
        if not self.files:
            receiver.start()
            return
        run = f'ulimit -n {self.files}; exec "{BIN}/hikrecv" run --config "{receiver.config}"'
        receiver.start("/bin/sh", "-c", run)


# -- what it takes, and what may be left of it -------------------------------------------


def heads_first(receiver: Receiver, connections: int = 120, size: int = 8 * MB) -> int:
    """Everybody announces at the same time, and sends afterwards."""
    port = receiver.port
    lines = [connect(port) for _ in range(connections)]
    for line in lines:
        say(line, request(b"", length=size))
    data = b"x" * size

    def rest(line: object) -> tuple[int, int]:
        sent = say(line, data)  # type: ignore[arg-type]
        return hear(line), sent  # type: ignore[arg-type]

    _, sent = together([partial(rest, line) for line in lines], 32)
    for line in lines:
        line.close()
    return sent


def strangers_kept(receiver: Receiver) -> int:
    """Bytes of bodies that others than the known device have in the journal."""
    return sum(len(push.body) for push in receiver.pushes() if push.peer.trust == "none")


def at_most(most: int) -> Callable[[Receiver], str]:
    """That no more than so many bytes of strangers were kept."""

    def holds(receiver: Receiver) -> str:
        kept = strangers_kept(receiver)
        return "" if kept <= most else f"{kept:,} bytes of strangers were kept, {most:,} may be"

    return holds


def pushes_at_most(most: int) -> Callable[[Receiver], str]:
    """That no more than so many pushes of strangers were kept."""

    def holds(receiver: Receiver) -> str:
        kept = sum(push.peer.trust == "none" for push in receiver.pushes())
        return "" if kept <= most else f"{kept:,} pushes of strangers were kept, {most:,} may be"

    return holds


def pushed_out(receiver: Receiver, senders: int = 200, size: int = MB) -> int:
    """Many strangers, each within its hour, send more than the journal holds."""
    port = receiver.port
    data = request(b"x" * size)
    jobs = [partial(push, port, data, stranger(number)) for number in range(senders)]
    return together(jobs)[1]


def nothing_is_gone(receiver: Receiver) -> str:
    """That retention had nothing to take."""
    first = min(receiver.kept(), default=1)
    return "" if first == 1 else f"the events before {first} are gone"


def silent_bodies(receiver: Receiver, senders: int = 5, seconds: float = 10.0) -> int:
    """Large bodies that stop just before their end."""
    data = request(b"x" * (32 * MB - 10), length=32 * MB)
    lines = [connect(receiver.port, stranger(number)) for number in range(senders)]
    for line in lines:
        line.settimeout(2)
    sent = sum(say(line, data) for line in lines)
    time.sleep(seconds)
    for line in lines:
        line.close()
    return sent


def dripping(receiver: Receiver, senders: int = 100, seconds: float = 10.0) -> int:
    """Bodies of which a byte comes each second."""
    lines = [connect(receiver.port, stranger(number)) for number in range(senders)]
    sent = sum(say(line, request(b"x" * 100_000, length=MB)) for line in lines)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sent += sum(say(line, b"x") for line in lines)
        time.sleep(1)
    for line in lines:
        line.close()
    return sent


def crowd(receiver: Receiver, connections: int = 600, hosts: int = 60) -> int:
    """Connections that say nothing, of many strangers."""
    lines = []
    for number in range(connections):
        with contextlib.suppress(OSError):
            lines.append(connect(receiver.port, stranger(number % hosts)))
    time.sleep(2)
    for line in lines:
        line.close()
    return 0


def connecting(receiver: Receiver, connections: int = 5_000) -> int:
    """One connection behind the other, each closed by whom it reaches."""
    port = receiver.port

    def once(number: int) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            connect(port, stranger(number % 2_000)).close()
        return 0, 0

    held = [connect(port, stranger(number)) for number in range(60)]
    together([partial(once, number) for number in range(connections)], 32)
    for line in held:
        line.close()
    return 0


def empty_pushes(receiver: Receiver, pushes: int = 6_000) -> int:
    """A hundred on each connection, and every answer is waited for: else most would never be read."""
    data = request(b"") * 100
    sent = 0
    for _ in range(pushes // 100):
        with connect(receiver.port) as line:
            sent += say(line, data)
            answers = 0
            with contextlib.suppress(OSError):
                while answers < 100 and (piece := line.recv(65_536)):
                    answers += piece.count(b"HTTP/1.1 ")
    return sent


def lines_at_most(most: int) -> Callable[[Receiver], str]:
    """That it did not talk for each of them."""

    def holds(receiver: Receiver) -> str:
        lines = receiver.log.count("\n")
        return "" if lines <= most else f"{lines:,} lines in the log, {most} may be"

    return holds


quiet_log = lines_at_most(LINES)


def one_body(receiver: Receiver, name: str, size: int, copies: int = 1) -> int:
    """A body that is made to cost much, from as many senders at the same time."""
    content_type, made = body(name, size)
    data = request(made, content_type)
    port = receiver.port
    jobs = [partial(push, port, data, stranger(number)) for number in range(copies)]
    statuses, sent = together(jobs, copies)
    assert statuses[200] == copies, f"{name} was not taken: {dict(statuses)}"
    return sent


def wrong_bytes(receiver: Receiver, connections: int = 300) -> int:
    """What is no request at all."""
    noise = bytes(range(256)) * 250
    jobs = [partial(push, receiver.port, noise, stranger(number % 50)) for number in range(connections)]
    return together(jobs)[1]


# -- the tables ----------------------------------------------------------------------------

SMALL_DOOR = TABLES + "[limits]\nconnections = 100\n"
SHARES: tuple[Attack, ...] = (
    Attack("heads first: 120 x 8 MB of one stranger", heads_first, at_most(200 * MB), cpu=0.05),
    Attack(
        "more than the journal holds, of 200 strangers",
        pushed_out,
        lambda receiver: at_most(10 * MB)(receiver) or nothing_is_gone(receiver),
        TABLES + '[journal]\nmax = "100MB"\n',
        cpu=0.05,
    ),
    Attack("five silent bodies of 32 MB", silent_bodies, cpu=0.05),
    Attack("a hundred bodies that drip", dripping),
    Attack("600 silent connections, 100 may be", crowd, quiet_log, SMALL_DOOR, rss=100, cpu=1),
    Attack("5,000 connections one by one", connecting, quiet_log, SMALL_DOOR, rss=100, cpu=1),
    Attack("600 silent connections, 96 open files", crowd, quiet_log, files=96, rss=100, cpu=1),
    Attack("5,000 connections, 96 open files", connecting, quiet_log, files=96, rss=100, cpu=1),
    Attack("6,000 empty pushes of one stranger", empty_pushes, pushes_at_most(5_000), cpu=5),
    Attack("300 x what is no request", wrong_bytes, lines_at_most(LINES + 50)),
)
"""What one sender takes from the others."""

NOBODY_KNOWN = '[limits]\nbytes_per_hour = "1TB"\n[journal]\nmax = "1GB"\n'
"""Without ``[devices]`` strangers have everything, and what they send is read."""


READ = 7 * MB
"""The longest text of which all is gone through: what is longer is refused before that."""
MASKED = NOBODY_KNOWN + '[privacy]\nmask = ["names", "templates", "certificates", "births"]\n'


def decoding(size: int) -> tuple[Attack, ...]:
    """
    Every body of :mod:`tests.hostile_bodies`, and eight of one together.

    With *size* bytes, and with as many as are read, masked besides: each of both may take half a second.
    """
    refused = [
        Attack(
            f"{name}, {size // MB} MB",
            partial(one_body, name=name, size=size),
            tables=NOBODY_KNOWN,
            rss=200,
            cpu=0.03,
        )
        for name in BODIES
    ]
    read = [
        Attack(
            f"{name}, {READ // MB} MB, masked",
            partial(one_body, name=name, size=READ),
            tables=MASKED,
            rss=200,
            cpu=0.15,
        )
        for name in BODIES
    ]
    first = next(iter(BODIES))
    eight = Attack(
        f"eight x {first}, 30 MB",
        partial(one_body, name=first, size=30 * MB, copies=8),
        tables=NOBODY_KNOWN,
        rss=500,
        cpu=0.03,
    )
    return (*refused, eight, *read)

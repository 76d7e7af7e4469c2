"""Senders that mean no good, and one beside them that does: sockets from addresses of loopback."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from ..functional.harness import Device

STRANGER = "127.0.0.2"
"""Every address of loopback but 127.0.0.1 is somebody's: limits by address hold for it."""
KNOWN = "127.0.0.9"
"""What ``[devices]`` names."""
LINE = 20.0
"""Seconds for each read and write; nothing here takes so long."""
TABLES = f"""
[devices.good]
address = "{KNOWN}"
"""


def stranger(number: int) -> str:
    """One of many addresses that nobody knows."""
    return f"127.{1 + number // 250}.1.{1 + number % 250}"


def connect(port: int, ip: str = STRANGER) -> socket.socket:
    """A connection from *ip*.  :raises OSError: when there is none."""
    return socket.create_connection(("127.0.0.1", port), LINE, (ip, 0))


def request(body: bytes, content_type: bytes = b"application/octet-stream", *, length: int = -1) -> bytes:
    """A push; it announces *length* bytes, or as many as there are."""
    announced = len(body) if length < 0 else length
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (content_type, announced) + body


def say(line: socket.socket, data: bytes) -> int:
    """Send it; how much of it went."""
    sent = 0
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while sent < len(data):
            sent += line.send(view[sent : sent + 262_144])
    return sent


def hear(line: socket.socket) -> int:
    """The status that comes next; 0 when the connection ends before."""
    answer = b""
    with contextlib.suppress(OSError):
        while b"\r\n\r\n" not in answer:
            piece = line.recv(4096)
            if not piece:
                break
            answer += piece
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def push(port: int, data: bytes, ip: str = STRANGER) -> tuple[int, int]:
    """Send one request over a connection of its own: its status, and how many bytes went."""
    try:
        line = connect(port, ip)
    except OSError:
        return 0, 0
    with line:
        sent = say(line, data)
        return hear(line), sent


def together(jobs: Iterable[Callable[[], tuple[int, int]]], most: int = 16) -> tuple[Counter[int], int]:
    """Do them side by side: how many had which status, and the bytes that went."""
    with ThreadPoolExecutor(most) as pool:
        done = list(pool.map(lambda job: job(), jobs))
    return Counter(status for status, _ in done), sum(sent for _, sent in done)


def good_neighbour(pipe: Connection, port: int) -> None:
    """
    Send a small event and now and then a large one, ten a second, until told anything.

    For a process of its own.  Says in the end how long each took, and what was not answered 200.
    """
    device = Device(port, source=KNOWN)
    waits: list[float] = []
    wrong: Counter[str] = Counter()
    pipe.send("ready")
    while len(waits) < 5 or not pipe.poll(0.1):
        began = time.monotonic()
        try:
            answer = device.send()
            if answer.status != 200:
                wrong[str(answer.status)] += 1
        except OSError as error:
            wrong[str(error)[:60]] += 1
        waits.append(time.monotonic() - began)
    pipe.recv()
    pipe.send((waits, dict(wrong)))

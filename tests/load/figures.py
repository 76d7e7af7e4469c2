"""The figures, each taken from a receiver of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hikrecv.testing.message import multipart, part

from ..functional.harness import Device, Receiver
from .crowd import Crowd, drip, idle, post, rush
from .goals import Figure

TABLES = Path(__file__).with_name("load.toml").read_text()
WARM = 50
"""
Events before memory is looked at.

So few that what the receiver's caches take of the events that follow counts too: after some
thousands the connections would find the memory that those have left behind.
"""
SETTLE = 3.0
"""Seconds in which index and caches come to rest."""


def idle_connections(receiver: Receiver, number: int = 5_000) -> list[Figure]:
    """What a device costs that stays connected and says nothing, and what the others notice of it."""
    device = Device(receiver.port, large_every=0)
    for _ in range(WARM):
        device.send()
    before = _settled(receiver)
    crowd = Crowd(idle, receiver.port, number)
    try:
        staying = crowd.hears()
        each = (_settled(receiver) - before) / number
        waits = sorted(device.send().seconds for _ in range(200))
    finally:
        crowd.end()
    return [
        Figure(f"idle connections, of {number:,}: missing", number - staying, 0, ""),
        Figure("idle connections: memory of each", each / 1000, 8, "kB"),
        Figure("idle connections: another's answer, p99", _quantile(waits, 0.99) * 1000, 20, "ms"),
    ]


def slow_senders(receiver: Receiver, number: int = 2_000, seconds: float = 25.0) -> list[Figure]:
    """Half of them drip a head, half a body; meanwhile good devices send small events and large ones."""
    crowd = Crowd(drip, receiver.port, number, 1.0)
    devices = [Device(receiver.port) for _ in range(20)]
    messages = [(device, [device.message() for _ in range(8)]) for device in devices]
    waits: list[float] = []
    refused = 0
    try:
        crowd.hears()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for device, ready in messages:
                answer = device.send(ready[len(waits) // len(devices) % len(ready)])
                refused += answer.status != 200
                waits.append(answer.seconds)
                time.sleep(0.01)
    finally:
        crowd.end()
    return [
        Figure(f"beside {number:,} slow ones: good events refused, of {len(waits):,}", refused, 0, ""),
        Figure(f"beside {number:,} slow ones: answer, p99", _quantile(waits, 0.99) * 1000, 100, "ms"),
    ]


def large_posts(receiver: Receiver, number: int = 1_000, size: int = 2_000_000) -> list[Figure]:
    """Pictures of two megabytes from everybody at once."""
    parts = [
        part("alarm", "application/json", b'{"eventType": "faceCapture"}'),
        part("picture", "image/jpeg", b"\xff\xd8\xff\xe0" + b"\x55" * size + b"\xff\xd9"),
    ]
    body = multipart("large", parts).body
    crowd = Crowd(post, receiver.port, number, body, 90.0)
    try:
        told = crowd.hears(120)
    finally:
        crowd.end()
    answered = ", ".join(f"{count:,} x {status}" for status, count in sorted(told.items()))
    neither = sum(count for status, count in told.items() if status not in (200, 503))
    return [
        Figure(f"large posts, told {answered}: neither 200 nor 503", neither, 0, ""),
        Figure("large posts: memory of the receiver at most", _memory(receiver, "VmHWM") / 1e6, 400, "MB"),
    ]


def connects(receiver: Receiver, number: int = 10_000) -> list[Figure]:
    """After a power cut everybody is there in the same second."""
    crowd = Crowd(rush, receiver.port, number, 5.0)
    try:
        connecting, answered, last = crowd.hears()
    finally:
        crowd.end()
    return [
        Figure(f"{number:,} connects: made within", connecting, 1, "s"),
        Figure(f"{number:,} connects: not accepted within 5 s", number - answered, 0, ""),
        Figure(f"{number:,} connects: the last accepted after", last, 5, "s"),
    ]


FIGURES: dict[str, Callable[[Receiver], list[Figure]]] = {
    "idle": idle_connections,
    "slow": slow_senders,
    "posts": large_posts,
    "connects": connects,
}


def _quantile(waits: list[float], share: float) -> float:
    ordered = sorted(waits)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _settled(receiver: Receiver) -> float:
    time.sleep(SETTLE)
    return _memory(receiver, "VmRSS")


def _memory(receiver: Receiver, what: str) -> float:
    """Bytes: ``VmRSS`` now, ``VmHWM`` at most."""
    assert receiver.process is not None
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024.0

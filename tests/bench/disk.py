"""The journal beside the same writes and syncs in a bare loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from hikrecv.config import Bytes, JournalTable
from hikrecv.journal.journal import Journal
from hikrecv.push import Peer, Push

GROUP = 8
SEGMENT = 64_000_000
SEGMENTS = 6


def kept(folder: Path, records: int, size: int) -> float:
    """Records a second through a journal whose segments have all been written on before."""

    def at_once(function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)

    table = JournalTable(max=Bytes(SEGMENTS * SEGMENT), segment=Bytes(SEGMENT), ballast=Bytes(0))
    journal = Journal.open(folder / "state", table, from_thread=at_once, on_broken=print, threaded=False)
    body = os.urandom(size)
    journal.retain({})

    def turn() -> None:
        for _ in range(GROUP):
            journal.append(Push(received=time.time_ns(), peer=Peer("192.0.2.1", 40_000, "none"), body=body))
        journal.commit()

    return _measured(turn, records, size)


def bare(folder: Path, records: int, size: int) -> float:
    """The same bytes with nothing around them."""
    files = []
    for number in range(SEGMENTS):
        file = os.open(folder / f"bare-{number}", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(file, 0, SEGMENT)
        for at in range(0, SEGMENT, 1_000_000):
            os.pwrite(file, bytes(1_000_000), at)
        os.fsync(file)
        files.append(file)
    head, body = bytes(160), os.urandom(size)
    whole = (len(head) + len(body) + 7) & ~7
    group = [head, body, bytes(whole - len(head) - len(body))] * GROUP
    mark = os.open(folder / "mark", os.O_RDWR | os.O_CREAT)
    place = 0

    def turn() -> None:
        nonlocal place
        if place % SEGMENT + whole * GROUP > SEGMENT:
            place += SEGMENT - place % SEGMENT
        file = files[place // SEGMENT % SEGMENTS]
        os.pwritev(file, group, place % SEGMENT)
        os.fdatasync(file)
        os.pwrite(mark, bytes(40), 0)
        place += whole * GROUP

    return _measured(turn, records, size)


def _measured(turn: Callable[[], None], records: int, size: int) -> float:
    # Once around first: a file that is written on for the first time is slower.
    for _ in range(int(1.3 * SEGMENTS * SEGMENT / (size * GROUP)) if size > 10_000 else 100):
        turn()
    began = time.perf_counter()
    for _ in range(records // GROUP):
        turn()
    return records / (time.perf_counter() - began)

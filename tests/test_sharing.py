"""What the less known senders have added is on disk soon, and after a stop at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from hikrecv.config import JournalTable
from hikrecv.senders import SenderClass
from hikrecv.sharing import EVERY, SharesFile
from hikrecv.wire.shares import Shares

STRANGER, ADMITTED, KNOWN = SenderClass


class Desk:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.shares = Shares(JournalTable(max=1_000_000), self.clock.seconds)
        self.shares.bounds = frozenset((STRANGER, ADMITTED))
        self.writes = 0
        self.file = SharesFile(path, self.shares, self.clock, self.run, self.wall)
        self.file.start()

    def run(self, write, data: bytes) -> None:
        self.writes += 1
        write(data)

    def wall(self) -> float:
        return 1_000_000.0 + self.clock.seconds()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shares"


def test_what_was_added_is_written_every_ten_seconds_when_there_is_anything_new(path: Path) -> None:
    desk = Desk(path)
    desk.shares.take(STRANGER, 100)
    desk.shares.take(KNOWN, 100)

    desk.clock.pump([EVERY] * 5)

    assert desk.writes == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert Desk(path).shares.total(STRANGER) == 100  # as after kill -9


def test_a_stop_writes_the_rest(path: Path) -> None:
    desk = Desk(path)
    desk.shares.take(ADMITTED, 7)

    desk.file.stop()
    desk.clock.advance(EVERY)

    assert desk.writes == 0
    assert Desk(path).shares.total(ADMITTED) == 7


def test_a_file_that_cannot_be_read_or_written_keeps_nobody_from_receiving(path: Path) -> None:
    path.mkdir()
    desk = Desk(path)
    desk.shares.take(STRANGER, 100)

    desk.clock.advance(EVERY)
    desk.file.stop()

    assert desk.shares.total(STRANGER) == 100

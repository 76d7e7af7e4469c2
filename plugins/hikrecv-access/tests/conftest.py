from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings

from hikrecv.config import DeviceTable, convert
from hikrecv.testing.bench import Bench
from hikrecv.testing.door import DigestDevice
from hikrecv.testing.server import Answered, Asked

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


class Yard(DigestDevice):
    """The simulated device, which has a loudspeaker too, and knows who asked it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.sounds: list[str] = []
        super().__init__(*arguments, **named)

    def answer(self, asked: Asked) -> Answered:
        if "PlayCustomAudioFile" in asked.path and asked.method == "PUT":
            self.sounds.append(asked.path)
            return Answered(200, b'{"statusCode": 1, "statusString": "OK"}')
        return super().answer(asked)

    @property
    def told(self) -> list[str]:
        return [f"{each.what} {each.number} {each.word}" for each in self.commands]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "state")
    bench.device = Yard(bench.clock)
    # A second table for the same device: what is told need not be who told us.
    other = {"address": "192.0.2.9", "url": bench.tables["gate"].url, "login": bench.device.login}
    bench.tables["lobby"] = convert({key: value for key, value in other.items() if value}, DeviceTable)
    bench.devices.update(bench.tables)
    return bench


@pytest.fixture
def lists(tmp_path: Path) -> Callable[..., list[str]]:
    """Writes lists, and gives their paths."""

    def write(*texts: str, name: str = "list") -> list[str]:
        files = [tmp_path / f"{name}-{place}.csv" for place in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        return [str(file) for file in files]

    return write


@pytest.fixture
def audited(bench: Bench) -> Callable[..., list[dict[str, Any]]]:
    """The audit file of a reaction."""

    def read(name: str = "door") -> list[dict[str, Any]]:
        file = bench.folder / "plugins" / name / "audit.jsonl"
        return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    return read

"""The fixtures cost nothing to those who do not use them, and are the parts of one bench."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from hikrecv import testing
from hikrecv.testing import fixtures


def test_loading_the_fixtures_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import hikrecv.testing.fixtures; "
        "print(*sorted(name.partition('.')[0] for name in set(sys.modules) - before))"
    )

    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert set(done.stdout.split()) == {"hikrecv"}


def test_all_of_them_are_told_of() -> None:
    kinds = {name: type(value).__name__ for name, value in vars(fixtures).items()}
    names = [name for name, kind in kinds.items() if kind == "FixtureFunctionDefinition"]

    assert len(names) == 11
    assert [name for name in names if f"`{name}`" not in (testing.__doc__ or "")] == []


def test_they_are_parts_of_one_bench(
    bench: Any, fake_clock: Any, recording_server: Any, digest_device: Any, context: Any, receiver: Any
) -> None:
    assert context.clock is fake_clock is receiver.clock is bench.clock
    assert (recording_server, digest_device) == (bench.server, bench.device)

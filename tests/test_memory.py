"""The process's memory is set once, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from hikrecv.memory import tune
tune()
print(gc.get_freeze_count() > 0, gc.get_threshold()[0])
"""


def test_what_lives_at_the_start_is_not_looked_at_again() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=True
    )

    frozen, threshold = said.stdout.split()
    assert frozen == "True"
    assert int(threshold) > 700

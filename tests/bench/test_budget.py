"""What an event costs in calls of Python functions, from its bytes to the reaction, may not grow unseen."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.bench.bodies import Name
from tests.bench.path import Way, calls

BUDGET = Path(__file__).with_name("budget.toml")
TURNS = 4


@pytest.mark.parametrize("name", ["W1", "W2", "W3"])
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions count comprehensions otherwise")
def test_an_event_costs_no_more_calls_than_it_did(name: Name, tmp_path: Path) -> None:
    budget = tomllib.loads(BUDGET.read_text())["calls"][name]
    way = Way(tmp_path)
    for _ in range(3):
        assert way.turn(way.pieces(name)) == 16
    requests = [way.pieces(name) for _ in range(TURNS)]

    counted = calls(lambda: [way.turn(each) for each in requests])

    cost = counted.total() / (16 * TURNS)
    most = "\n".join(f"{times / (16 * TURNS):6.1f} {what}" for what, times in counted.most_common(12))
    assert cost <= budget * 1.1, (
        f"{name} costs {cost:.0f} calls an event and {budget} were agreed on; make it cheaper, or write "
        f"down in {BUDGET.name} what it costs now.  Called most:\n{most}"
    )

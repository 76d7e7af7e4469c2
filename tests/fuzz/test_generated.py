"""The first of the million requests that `make fuzz` generates."""

from __future__ import annotations

from random import Random

from fuzz_mutation import request
from fuzz_targets import Whole


def test_generated_requests_go_all_the_way() -> None:
    whole = Whole()

    for number in range(1_000):
        random = Random(f"1/{number}")
        whole(random, request(random))

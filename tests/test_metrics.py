"""Prometheus metrics."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from hikrecv.metrics import Histogram as Ours

BOUNDS = (0.001, 0.5, 1, 2.5)


def said(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if "_created " not in line]


@given(seconds=st.lists(st.sampled_from([0.0, 0.001, 0.0011, 0.5, 1.0, 2.5, 9.0])))
def test_our_histogram_says_what_a_stock_one_says(seconds: list[float]) -> None:
    ours, stock = CollectorRegistry(), CollectorRegistry()
    mine = Ours("took_seconds", "How long it took", BOUNDS)
    ours.register(mine)
    other = Histogram("took_seconds", "How long it took", registry=stock, buckets=BOUNDS)

    for each in seconds:
        mine.observe(each)
        other.observe(each)

    assert said(ours) == said(stock)

"""Prometheus metrics and health, on a port of their own."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from twisted.web.resource import Resource
from twisted.web.server import Request

FORMAT = b"text/plain; version=0.0.4; charset=utf-8"


class Sample(msgspec.Struct, frozen=True):
    """
    One figure, as the receiver knows it when somebody asks.

    :param kind: ``counter`` only grows; ``gauge`` goes up and down.
    :param values: label values to figure; the empty tuple where there are no labels.
    """

    name: str
    meaning: str
    kind: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()


class Readings(Collector):
    """Reads its sources at scrape time, so that counting costs the receiver nothing."""

    def __init__(self, sources: Iterable[Callable[[], Iterable[Sample]]]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterable[Metric]:
        """All samples as prometheus_client wants them."""
        for source in self._sources:
            for sample in source():
                family = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
                metric = family(f"hikrecv_{sample.name}", sample.meaning, labels=sample.labels)
                for labels, value in sample.values.items():
                    metric.add_metric(labels, value)
                yield metric


class Histogram(Collector):
    """
    How often something took how long.

    Only for the reactor's thread: prometheus_client's own takes two locks for each
    figure, and there is one with each answer.

    :param bounds: the upper bounds of the buckets in seconds, ascending.
    """

    def __init__(self, name: str, meaning: str, bounds: Sequence[float]) -> None:
        self._name, self._meaning = name, meaning
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._created = time.time()

    def observe(self, seconds: float) -> None:
        """Count one that took so long."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        """The buckets as prometheus_client wants them: each counts what the smaller ones count, too."""
        names = map(floatToGoString, self._bounds)
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        metric = HistogramMetricFamily(self._name, self._meaning, buckets, self._sum)
        metric.add_sample(f"{self._name}_created", {}, self._created)
        yield metric


class Metrics:
    """
    The receiver's registry; not the process-wide one, so that tests and plugins have their own.

    :ivar answer_seconds: from the last byte of a push to its answer.
    :ivar lag_seconds: how late the reactor comes to what is due.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answer_seconds = Histogram(
            "hikrecv_answer_seconds",
            "From the last byte of a push to its answer",
            (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.lag_seconds = Histogram(
            "hikrecv_reactor_lag_seconds",
            "How late the reactor comes to what is due",
            (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        self.registry.register(self.answer_seconds)
        self.registry.register(self.lag_seconds)

    def read(self, *sources: Callable[[], Iterable[Sample]]) -> None:
        """Add *sources* of figures that are read when somebody asks."""
        self.registry.register(Readings(sources))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Text(Resource):
    isLeaf = True

    def __init__(self, content: Callable[[], tuple[int, bytes]], content_type: bytes = FORMAT) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._content, self._type = content, content_type

    def render_GET(self, request: Request) -> bytes:
        status, text = self._content()
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", self._type)
        return text


def pages(
    metrics: Metrics,
    healthy: Callable[[], str],
    receiving: Callable[[], Sequence[str]],
    delivery: Callable[[], Sequence[str]],
) -> Resource:
    """
    ``/metrics``, ``/healthz``, ``/readyz`` and ``/deliveryz``.

    The last two list all troubles, and differ in which of them make a 503.

    :param healthy: "" or why a supervisor should start the receiver again.
    :param receiving: why no device should be sent here now; nothing when all is well.
    :param delivery: what keeps reactions from their events.
    """

    def health() -> tuple[int, bytes]:
        reason = healthy()
        return (503, f"{reason}\n".encode()) if reason else (200, b"ok\n")

    def verdict(
        counts: Callable[[], Sequence[str]], others: Callable[[], Sequence[str]]
    ) -> Callable[[], tuple[int, bytes]]:
        def answer() -> tuple[int, bytes]:
            reasons = counts()
            lines = [*(reasons or ["ok"]), *others()]
            return 503 if reasons else 200, "".join(f"{line}\n" for line in lines).encode()

        return answer

    plain = b"text/plain; charset=utf-8"
    root = Resource()
    root.putChild(b"metrics", _Text(lambda: (200, metrics.text())))
    root.putChild(b"healthz", _Text(health, plain))
    root.putChild(b"readyz", _Text(verdict(receiving, delivery), plain))
    root.putChild(b"deliveryz", _Text(verdict(delivery, receiving), plain))
    return root

"""The receiver's metrics and health, and the port that shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.web.http import Request
from twisted.web.server import Site

from .errors import ListenError
from .journal.seen import Seen
from .metrics import Sample, pages
from .reactions.status import TROUBLED
from .wire.listen import Listener, where

if TYPE_CHECKING:
    from .service import ReceiverService

DEVICES = 1000
"""How many devices have figures of their own, those that were heard last: anybody can invent some."""
STUCK = 5.0
"""Seconds without a tick of the reactor after which a supervisor may think us stuck."""


class MetricsSite(Site):
    """The pages; who asks for them every few seconds is not worth a line in the log each time."""

    noisy = False

    def log(self, request: Request) -> None:
        """Say nothing."""


class Monitor:
    """Reads the receiver's figures when somebody asks, and serves them when ``[metrics] listen`` is set."""

    def __init__(self, service: ReceiverService) -> None:
        self._service = service
        self._port: IListeningPort | None = None
        service.metrics.read(self._wire, self._journal, self._reactions, self._devices)

    def start(self) -> None:
        """Open the port, if there is one, unless that was done.  :raises ListenError: when it cannot be."""
        endpoint = self._service.parts.config.metrics.listen
        if endpoint is None or self._port is not None:
            return
        site: Any = MetricsSite(pages(self._service.metrics, self.unhealthy, self.receiving, self.delivery))  # type: ignore[no-untyped-call]
        # Opened as a device's port is, for the same sentences when it cannot be.
        listener = Listener(endpoint, site, self._service.reactor)
        try:
            listener.privilegedStartService()
        except ListenError as error:
            reason = str(error).removeprefix(f"cannot listen on {listener.endpoint}: ")
            raise type(error)(f"cannot listen on {listener.endpoint} for metrics: {reason}") from error
        self._port = listener.port

    @property
    def address(self) -> str:
        """Where the port is; "" without one."""
        return "" if self._port is None else where(self._port)

    def stop(self) -> Deferred[object]:
        """Close the port."""
        return maybeDeferred(lambda: None if self._port is None else self._port.stopListening())

    def unhealthy(self) -> str:
        """Why the receiver should be started again, or ""."""
        since = self._service.reactor.seconds() - self._service.upkeep.ticked
        if since > STUCK:
            return f"the reactor was stuck for {since:.1f} s"
        return self._service.storage.journal.status().broken

    def receiving(self) -> list[str]:
        """Why a push could not be kept now; a slow reaction is no reason."""
        why = self.unhealthy() or self._service.storage.journal.status().full
        return [why] if why else []

    def delivery(self) -> list[str]:
        """Which reactions lose events, are blocked, hold or have no place, each in a sentence."""
        rows = self._service.reactions()
        return [f"{row.name} is {row.state}: {row.reason}" for row in rows if row.state in TROUBLED]

    def _wire(self) -> Iterable[Sample]:
        watch = self._service.watch
        yield Sample("connections", "Open connections of devices", "gauge", {(): watch.open})
        yield Sample("in_flight_bytes", "Bytes of bodies being received", "gauge", {(): watch.held})
        shares = self._service.listeners.budget.shares
        for name, meaning, of in (
            ("share_used_bytes", "What a class of senders has added to the journal lately", shares.total),
            ("share_bytes", "What it may add in a day, or in keep", shares.most),
        ):
            sizes: dict[tuple[str, ...], float] = {
                (cls.plural,): float(of(cls)) for cls in sorted(shares.bounds)
            }
            yield Sample(name, meaning, "gauge", sizes, ("senders",))
        counted = {
            tuple(name.split(" ", 1)) if " " in name else (name, ""): n for name, n in watch.counts.items()
        }
        yield Sample("requests", "What became of requests", "counter", counted, ("what", "detail"))
        yield Sample(
            "discarded_bytes", "Bytes behind a last request, not kept", "counter", {(): watch.discarded_bytes}
        )

    def _journal(self) -> Iterable[Sample]:
        status = self._service.storage.journal.status()
        yield Sample("journal_last_seq", "The highest number on disk", "counter", {(): status.durable})
        yield Sample("journal_first_seq", "The lowest number kept", "gauge", {(): status.first})
        yield Sample("journal_bytes", "What the journal takes", "gauge", {(): status.bytes})
        yield Sample("journal_budget_bytes", "What the journal may take", "gauge", {(): status.budget})
        yield Sample("journal_full", "1 when nothing can be kept", "gauge", {(): float(bool(status.full))})
        yield Sample("journal_damaged", "Numbers that cannot be read", "counter", {(): float(status.damaged)})
        yield Sample("journal_groups", "Groups written and synced", "counter", {(): status.groups})
        yield Sample(
            "journal_sync_seconds", "Time spent writing and syncing", "counter", {(): status.seconds}
        )
        yield Sample("journal_queued", "Records that wait for the disk", "gauge", {(): status.queued})
        behind = self._service.indexer.behind
        yield Sample("index_behind", "Pushes that have no rows yet", "gauge", {(): behind})

    def _reactions(self) -> Iterable[Sample]:
        rows = self._service.reactions()
        label = ("reaction",)
        for name, meaning, kind, field in (
            ("reaction_lag_events", "Pushes above the cursor", "gauge", "lag_events"),
            ("reaction_lag_seconds", "Age of the oldest event not done", "gauge", "lag_seconds"),
            ("reaction_done", "Events done in this life", "counter", "done"),
            ("reaction_attempts", "Attempts of the event being tried", "gauge", "attempts"),
            ("reaction_dead_letters", "Dead letters waiting", "gauge", "dead"),
            ("reaction_held_bytes", "What it holds back of the journal", "gauge", "held_bytes"),
            ("reaction_held_most_bytes", "How much that may become", "gauge", "held_most"),
            ("reaction_last_success_seconds", "When it last was done with an event", "gauge", "last_success"),
        ):
            known: dict[tuple[str, ...], float] = {
                (row.name,): figure for row in rows if (figure := getattr(row, field)) is not None
            }
            yield Sample(name, meaning, kind, known, label)
        states: dict[tuple[str, ...], float] = {(row.name, row.state): 1.0 for row in rows}
        yield Sample("reaction_state", "1 for the state it is in", "gauge", states, ("reaction", "state"))
        left_out: dict[tuple[str, ...], float] = {
            (row.name, why): float(count) for row in rows for why, count in row.left_out.items()
        }
        yield Sample(
            "reaction_left_out",
            "Wanted events that were not handed over, by reason (too old, ...)",
            "counter",
            left_out,
            ("reaction", "reason"),
        )
        lost: dict[tuple[str, ...], float] = {(row.name,): float(row.lost) for row in rows if row.lost}
        yield Sample("reaction_lost", "Events lost to retention", "counter", lost, label)

    def _devices(self) -> Iterable[Sample]:
        silence = self._service.silence
        yield from device_samples(silence.devices, time.time_ns() // 1000)
        never: dict[tuple[str, ...], float] = {(name,): 1.0 for name in silence.never}
        yield Sample(
            "device_never_heard", "1 for a configured device that never sent", "gauge", never, ("device",)
        )


def device_samples(devices: Iterable[Seen], now: int) -> Iterable[Sample]:
    """The figures of each device, as far as they are known, at *now* (microseconds since 1970)."""
    latest = sorted(devices, key=lambda seen: -seen.last_received)[:DEVICES]
    figures: tuple[tuple[str, str, str, Callable[[Seen], float | None]], ...] = (
        (
            "device_last_push_seconds",
            "When it was last heard",
            "gauge",
            lambda seen: seen.last_received / 1e6,
        ),
        ("device_events", "Events of it", "counter", lambda seen: seen.events),
        ("device_events_per_hour", "Events in the last hour", "gauge", lambda seen: seen.rate(now)),
        ("device_late", "Events that came late", "counter", lambda seen: seen.late),
        ("device_duplicates", "Events that came again", "counter", lambda seen: seen.duplicates),
        ("device_anomalies", "Oddities tolerated", "counter", lambda seen: sum(seen.anomalies.values())),
        (
            "device_clock_behind_seconds",
            "How far its clock is behind ours",
            "gauge",
            lambda seen: None if seen.offset is None else seen.offset / 1e6,
        ),
        ("device_silent", "1 when silent for longer than usual", "gauge", lambda seen: seen.silent(now)),
    )
    for name, meaning, kind, figure in figures:
        known: dict[tuple[str, ...], float] = {
            (seen.device,): float(value) for seen in latest if (value := figure(seen)) is not None
        }
        yield Sample(name, meaning, kind, known, ("device",))

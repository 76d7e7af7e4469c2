from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from hikrecv.isapi.event import Channel, Device, Event, Region
from hikrecv.push import Peer

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)

Says = Callable[..., Event]


@pytest.fixture(scope="session")
def says() -> Says:
    """
    An event: ``says(7, at=2.5)`` is push 7, received 2.5 s after noon.

    `lag` is how many seconds the device's clock puts it before that; None: it gives no time.
    """

    def say(
        seq: int, at: float = 0.0, lag: float | None = 0.0, *, region: str | None = None, **others: Any
    ) -> Event:
        received = NOON + timedelta(seconds=at)
        occurred = None if lag is None else received - timedelta(seconds=lag)
        values = {
            "id": f"word-{seq}-0",
            "key": f"key {seq}",
            "n": 0,
            "type": "VMD",
            "wire_type": "VMD",
            "family": "motion",
            "state": "active",
            "freshness": "live",
            "peer": Peer("10.0.0.4", 4000, "none"),
            "device": Device(id="gate"),
            "channel": Channel(id="1"),
            "regions": () if region is None else (Region(id=region),),
        } | others
        return Event(seq=seq, received=received, occurred=occurred, **values)

    return say

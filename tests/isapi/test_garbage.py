"""What a push needs in memory is given back with it, and does not wait for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from hikrecv.config import Privacy
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.privacy import mask
from hikrecv.push import Push
from hikrecv.sightings.sightings import Sightings
from hikrecv.testing.events import WHO, push_of
from hikrecv.testing.message import Message
from hikrecv.testing.samples import FAMILIES, oddities, sample

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ALL = Privacy(mask=("templates", "certificates", "names", "births"))
MESSAGES = {family: sample(family, WHO, NOON) for family in FAMILIES} | oddities(WHO, NOON)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def understand(push: Push) -> None:
    events = Sightings().see(Decoder("test").decode(mask(push, ALL), 1))
    for event in events:
        event.data()
        event.to_json()
        for picture in event.pictures:
            picture.content()


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_nothing_of_a_push_goes_round_in_a_circle(no_collector: None, message: Message) -> None:
    understand(push_of(message, NOON))  # what is made once for all stays
    gc.collect()

    understand(push_of(message, NOON))

    assert gc.collect() == 0

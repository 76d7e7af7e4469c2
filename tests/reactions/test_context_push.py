"""What a plugin gets of the request in which an event came."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hikrecv import Reject, Retry
from hikrecv.errors import Gone, JournalBroken
from hikrecv.reactions.context import Context
from hikrecv.testing.waiting import result_of


def test_the_request_of_an_event_is_the_one_that_it_was_read_from(bench: Any) -> None:
    event = bench.events("face-match")

    push = result_of(bench.context().push(event))

    assert push.received_at == event.received
    assert all(picture.content() in push.body for picture in event.pictures)


@pytest.mark.parametrize(("error", "end"), [(Gone, Reject), (JournalBroken, Retry)])
def test_a_request_that_cannot_be_had_is_an_end_that_a_courier_knows(
    bench: Any, error: Any, end: Any
) -> None:
    async def push(seq: int) -> Any:
        raise error(f"number {seq} is away")

    context = Context("test", None, msgspec.structs.replace(bench.services, push=push))

    with pytest.raises(end, match="is away"):
        result_of(context.push(bench.events("plate")))


def test_the_push_of_a_receiver_comes_from_its_journal(receiver: Any, bench: Any) -> None:
    receiver.start({})
    events = receiver.push("plate")

    push = result_of(bench.context().push(events[0]))

    assert push == bench.kept(1)
    assert push.received_at == events[0].received

"""The connection: whatever is sent and however it ends, everybody is answered and nothing is left behind."""

from __future__ import annotations

from random import Random

from fuzz_mutation import request
from fuzz_targets import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hikrecv.config import Bytes, Limits, Seconds

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))
NARROW = Limits(
    headers=Bytes(600),
    body=Bytes(3_000),
    in_flight=Bytes(1_000),
    connections=2,
    header_time=Seconds(1),
    body_time=Seconds(2),
    answer_time=Seconds(1),
)


@QUIET
@given(
    st.sampled_from(("lenient", "strict")),
    st.sampled_from((Limits(), NARROW)),
    st.randoms(use_true_random=False),
)
def test_connection(mode: str, limits: Limits, random: Random) -> None:
    with Desk(mode, limits) as desk:
        desk.try_out(random, request(random))
        desk.try_out(random, request(random))

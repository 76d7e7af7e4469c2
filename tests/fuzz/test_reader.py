"""The HTTP reader: no bytes make it raise, go round in circles, or hold too much; no cut changes anything."""

from __future__ import annotations

from random import Random

from fuzz_mutation import load, request
from fuzz_targets import pieces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hikrecv.config import Bytes, Limits

reading = load("reading")
SMALL = Limits(headers=Bytes(200), body=Bytes(100))
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))

randoms = st.randoms(use_true_random=False)
modes = st.sampled_from(("lenient", "strict"))
ends = st.sampled_from(("look", "half-close", "wait"))


@QUIET
@given(randoms, modes, ends, st.sampled_from((Limits(), SMALL)))
def test_reader(random: Random, mode: str, then: str, limits: Limits) -> None:
    data = request(random)

    whole = reading.read([data], mode, then, limits)

    assert reading.read(pieces(random, data), mode, then, limits) == whole


@QUIET
@given(st.binary(max_size=500), modes, ends)
def test_reader_of_noise(data: bytes, mode: str, then: str) -> None:
    one = reading.Reading(mode, SMALL)

    for at in range(0, len(data), 50):
        one.feed(data[at : at + 50])
        assert one.reader.buffered <= 2_000

    one.finish(then)

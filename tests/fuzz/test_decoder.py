"""The decoder as a whole: from any push there are events, and each is fit for every way out."""

from __future__ import annotations

from random import Random

from fuzz_mutation import bend, confuse, documents, messages
from fuzz_targets import Understanding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hikrecv.push import Peer, Push

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))
TYPES = (
    *(None, b"", b"application/json", b"text/xml; charset=gbk", b"application/x-www-form-urlencoded"),
    *(b"multipart/form-data; boundary=boundary", b"multipart/mixed", b"image/jpeg", b";;;"),
)

randoms = st.randoms(use_true_random=False)
types = st.sampled_from(TYPES)


def push(body: bytes, content_type: bytes | None, target: bytes = b"/") -> Push:
    headers = () if content_type is None else ((b"Content-Type", content_type),)
    return Push(
        received=1_772_366_400_000_000_000,
        peer=Peer("192.0.2.1", 1, "none"),
        target=target,
        headers=headers,
        body=body,
    )


@QUIET
@given(randoms, st.sampled_from(documents()), types)
def test_values_of_another_kind(random: Random, document: bytes, content_type: bytes | None) -> None:
    Understanding()(push(confuse(random, document), content_type))


@QUIET
@given(randoms, st.sampled_from([message for message in messages() if len(message.body) < 100_000]))
def test_messages(random: Random, message) -> None:
    Understanding()(push(bend(random, message.body), message.content_type.encode()))


@QUIET
@given(st.binary(max_size=300), types, st.binary(max_size=100))
def test_noise(body: bytes, content_type: bytes | None, query: bytes) -> None:
    Understanding()(push(body, content_type, b"/?" + query))

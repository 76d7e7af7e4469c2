"""Bodies bent at random: nothing raises, nothing points outside the body, nothing takes long."""

from __future__ import annotations

import json
import time

from fuzz_mutation import bend, documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hikrecv.config import Privacy
from hikrecv.isapi.anonymise import anonymise
from hikrecv.isapi.budget import OverBudget
from hikrecv.isapi.document import parse
from hikrecv.isapi.multipart import looks_multipart, payloads, split
from hikrecv.isapi.privacy import mask
from hikrecv.push import Peer, Push

TYPES = [
    None,
    b"multipart/form-data; boundary=boundary",
    b"multipart/mixed",
    b"application/json",
    b"text/xml; charset=gbk",
]
ALL = Privacy(mask=("templates", "certificates", "names", "births"))
BOUND = 1.0  # seconds, for a few kilobytes


randoms = st.randoms(use_true_random=False)


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    body = b""
    payloads = st.sampled_from([*documents(), b"\xff\xd8\xff\xe0 picture \xff\xd9", b""])
    for payload in draw(st.lists(payloads, max_size=4)):
        body += b'--boundary\r\nContent-Disposition: form-data; name="a"; filename="b.jpg"\r\n'
        body += draw(st.sampled_from([b"", b"Content-Type: x/y\r\n", b"Content-ID: c\r\n"]))
        body += draw(st.sampled_from([b"", b"Content-Length: %d\r\n" % len(payload)]))
        body += b"\r\n" + payload + b"\r\n"
    return body + b"--boundary--\r\n"


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


@QUIET
@given(st.builds(bend, randoms, forms()), st.sampled_from(TYPES))
def test_multipart(body: bytes, content_type: bytes | None) -> None:
    before = time.process_time()

    parts, _ = split(body, content_type)
    place = 0
    for part in parts:
        assert place <= part.start <= part.end <= len(body)
        place = part.end
    looks_multipart(body, content_type)
    assert all(0 <= start <= end <= len(body) for start, end, _ in payloads(body, content_type))

    assert time.process_time() - before < BOUND


@QUIET
@given(
    st.builds(bend, randoms, st.sampled_from(documents())),
    st.sampled_from([None, "application/json", "text/xml; charset=gbk"]),
)
def test_documents(text: bytes, content_type: str | None) -> None:
    before = time.process_time()

    try:
        documents, anomalies = parse(text, content_type)
    except OverBudget:
        documents, anomalies = (), ()
    for document in documents:
        assert 0 <= document.start <= document.end <= len(text)
        json.dumps(document.data, allow_nan=False).encode()
    assert len({odd.name for odd in anomalies}) == len(anomalies)

    assert time.process_time() - before < BOUND


@QUIET
@given(st.builds(bend, randoms, forms() | st.sampled_from(documents())), st.sampled_from(TYPES))
def test_privacy(body: bytes, content_type: bytes | None) -> None:
    headers = () if content_type is None else ((b"Content-Type", content_type),)
    push = Push(received=0, peer=Peer("192.0.2.1", 1, "none"), headers=headers, body=body)
    before = time.process_time()

    kept, withheld = mask(push, ALL), mask(push, Privacy(mask=ALL.mask, unreadable="withhold"))
    assert len(kept.body) == len(withheld.body) == len(body)
    parts, odd = split(body, content_type) if looks_multipart(body, content_type) else ((), ())
    # Where a head has no end, what was masked may have been taken for it.
    if all(anomaly.name != "no-blank-line" for anomaly in odd):
        after = split(kept.body, content_type)[0] if parts else ()
        assert [(part.start, part.end) for part in after] == [(part.start, part.end) for part in parts]
    assert len(anonymise(body, key=b"fuzz")) == len(body)

    assert time.process_time() - before < BOUND

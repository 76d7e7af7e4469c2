"""The bound on parts that the configuration sets holds for reading and for masking alike."""

from __future__ import annotations

from hikrecv.config import Privacy
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.multipart import MultipartLimits
from hikrecv.isapi.privacy import mask
from hikrecv.push import Peer, Push
from hikrecv.testing.message import multipart, part

JPEG = b"\xff\xd8\xff\xe0" + b"p" * 100
NAMED = b'{"eventType": "faceCapture", "name": "Ada"}'
BODY = multipart(
    "many", [part("picture", "image/jpeg", JPEG)] * 70 + [part("last", "application/json", NAMED)]
)
PUSH = Push(
    received=1,
    peer=Peer("192.0.2.1", 1, "none"),
    headers=((b"Content-Type", BODY.content_type.encode()),),
    body=BODY.body,
)


def test_parts_above_the_bound_are_not_read_and_those_below_are() -> None:
    few, many = (Decoder(limits=MultipartLimits(parts=parts)).decode(PUSH, 1) for parts in (64, 100))

    assert "too-many-parts" in few[0].anomalies
    assert (few[0].family, len(few[0].pictures)) != ("face-capture", 70)
    assert (many[0].family, len(many[0].pictures)) == ("face-capture", 70)


def test_what_will_be_read_is_masked() -> None:
    masked = mask(PUSH, Privacy(mask=("names",)), MultipartLimits(parts=100))

    assert b'"Ada"' in PUSH.body
    assert b'"Ada"' not in masked.body

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.push import Peer, Push

EVENTS = Path(__file__).parent.parent / "data" / "events"
TYPES = {".xml": b'application/xml; charset="UTF-8"', ".json": b"application/json"}


@pytest.fixture
def sample() -> Callable[[str], bytes]:
    """The bytes of a body that we wrote, by its file name."""
    return lambda name: (EVENTS / name).read_bytes()


@pytest.fixture
def push_of() -> Callable[..., Push]:
    """A push with this body; what is not said is as a device on the LAN has it."""

    def make(
        body: bytes,
        content_type: bytes | None = b"application/json",
        *,
        ip: str = "10.20.0.99",
        target: bytes = b"/",
        method: str = "POST",
        received: int = 1_777_870_000_000_000_000,
    ) -> Push:
        headers = () if content_type is None else ((b"Content-Type", content_type),)
        peer = Peer(ip=ip, port=50_000, trust="address")
        return Push(received=received, peer=peer, method=method, target=target, headers=headers, body=body)

    return make


@pytest.fixture
def events_of(
    sample: Callable[[str], bytes], push_of: Callable[..., Push]
) -> Callable[..., tuple[Event, ...]]:
    """The events of a sample, or of a body."""

    def make(body: str | bytes, decoder: Decoder | None = None, **told: object) -> tuple[Event, ...]:
        if isinstance(body, str):
            told.setdefault("content_type", TYPES[Path(body).suffix])
            body = sample(body)
        return (decoder or Decoder("w")).decode(push_of(body, **told), 7)

    return make


@pytest.fixture
def event_of(events_of: Callable[..., tuple[Event, ...]]) -> Callable[..., Event]:
    """The only event of a sample, or of a body."""

    def make(body: str | bytes, decoder: Decoder | None = None, **told: object) -> Event:
        (event,) = events_of(body, decoder, **told)
        return event

    return make


@pytest.fixture
def part() -> Callable[..., bytes]:
    """One part as cameras write it; what is not said has no header."""

    def make(
        payload: bytes,
        content_type: str | None = "image/jpeg",
        *,
        name: str | None = None,
        filename: str | None = None,
        content_id: str | None = None,
    ) -> bytes:
        named = "".join(
            f'; {key}="{value}"' for key, value in (("name", name), ("filename", filename)) if value
        )
        head = f"Content-Disposition: form-data{named}\r\n"
        head += f"Content-Type: {content_type}\r\n" if content_type else ""
        head += f"Content-ID: {content_id}\r\n" if content_id else ""
        return f"--boundary\r\n{head}\r\n".encode() + payload + b"\r\n"

    return make


@pytest.fixture
def pushed(events_of: Callable[..., tuple[Event, ...]]) -> Callable[..., tuple[Event, ...]]:
    """The events of a push with these parts."""

    def make(*parts: bytes) -> tuple[Event, ...]:
        return events_of(
            b"".join(parts) + b"--boundary--\r\n", content_type=b"multipart/form-data; boundary=boundary"
        )

    return make


@pytest.fixture
def jpeg() -> Callable[[str], bytes]:
    """A picture that can be told from others."""
    return lambda word: b"\xff\xd8\xff\xe0" + word.encode() + b"\xff\xd9"

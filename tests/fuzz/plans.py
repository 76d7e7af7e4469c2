"""What the live fuzzer does on one connection: bytes, in which pieces, with which pauses, and how it ends."""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple

from . import mutation

Ending = Literal["wait", "half-close", "close", "break"]
MOST = 40_000
"""Bytes of a connection; now and then all that was generated."""

DOCUMENTS = (
    b"<EventNotificationAlert><eventType>VMD</eventType></EventNotificationAlert>",
    b'{"eventType":"VMD","eventState":"active"}',
    b'--b\r\nContent-Type: application/json\r\n\r\n{"eventType":"VMD"}\r\n'
    b"--b\r\n\r\n\xff\xd8\xff\xe0\r\n\xff\xd9\r\n--b--\r\n",
    b"POST /again HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"not a document",
    b"",
)
LINES = (
    b"POST / HTTP/1.1", b"POST / HTTP/1.1", b"POST / HTTP/1.1", b"POST / HTTP/1.0", b"PUT /e HTTP/1.1",
    b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"OPTIONS * HTTP/1.1", b"NOTIFY /e HTTP/1.1", b"post e http/1.1",
    b"POST http://h:1/e HTTP/1.1", b"CONNECT h:1 HTTP/1.1", b"TRACE / HTTP/1.1", b"POST  /a b HTTP/1.1 ",
    b"DELETE / HTTP/1.1", b"POST /?eventType=VMD HTTP/1.1", b"POST /\xe4\xba\x8b HTTP/1.2", b"POST /",
)  # fmt: skip
FIELDS = (
    b"Host: x", b"Host: x", b"Host: a b", b"Content-Type: application/json", b"Connection: close",
    b"Connection: keep-alive", b"Authorization: Basic c2VjcmV0", b"Cookie: a=b", b"X: 1", b" folded",
    b"GARBAGE", b": nameless", b"X Y: 1", b"X : 1", b"Expect: 100-continue", b"X-\xc3\xa4: 1", b"X: \x01",
    b"X: \x00",
)  # fmt: skip
LENGTHS = (
    b"", b"", b"Content-Length:", b"Transfer-Encoding:", b" Content-Length: 300", b"Content-Length 300",
    b"Content Length: 300", b"Transfer-Encoding: identity", b"Content-Length: 0", b"Content-Length: 9, 9",
    b"Transfer-Encoding: gzip", b"Content-Length: -1",
)  # fmt: skip
EXTENSIONS = (b"", b"", b"", b";", b";a=b", b' ;a="b"', b" ", b";a b", b"x")
TRAILERS = (b"", b"", b"", b"X: 1\r\n", b"no colon\r\n", b" folded\r\n")


class Plan(NamedTuple):
    """
    One connection.

    :param pieces: what is written, and seconds to wait after it.
    """

    mode: Literal["lenient", "strict"]
    pieces: tuple[tuple[bytes, float], ...]
    ending: Ending

    @property
    def data(self) -> bytes:
        return b"".join(piece for piece, _ in self.pieces)


def plan(seed: int, number: int) -> Plan:
    """The plan with that *number*: always the same."""
    random = Random(f"{seed}/{number}")
    data = b"".join(_request(random) for _ in range(random.choice((1, 1, 1, 2, 3))))
    if random.random() < 0.1:
        data = mutation.bend(random, data)
    if random.random() < 0.97:
        data = data[:MOST]
    if random.random() < 0.15:
        data = data[: random.randint(0, len(data))]
    ending: Ending = random.choice(("wait", "half-close", "half-close", "close", "break"))
    pieces = tuple((piece, _pause(random)) for piece in _pieces(random, data, number))
    return Plan("strict" if random.random() < 0.25 else "lenient", pieces, ending)


def _pieces(random: Random, data: bytes, number: int) -> list[bytes]:
    how = random.random()
    if how < 0.3:
        return [data]
    if how < 0.7 and data:  # the numbers walk over every byte
        cut = number % len(data)
        return [data[:cut], data[cut:]]
    if how < 0.8 and len(data) < 500:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(1, 5)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _pause(random: Random) -> float:
    chance = random.random()
    return 0.0 if chance < 0.9 else 0.01 if chance < 0.98 else random.choice((0.3, 0.6, 1.2))


def _request(random: Random) -> bytes:
    chance = random.random()
    if chance < 0.25:
        return mutation.request(random)
    eol = b"\n" if random.random() < 0.08 else b"\r\n"
    body = random.choice(DOCUMENTS)
    fields = [b"Host: x", *random.sample(FIELDS, random.choice((0, 0, 0, 1, 2)))]
    framing = random.random()
    if framing < 0.4:
        fields.append(random.choice(LENGTHS))
    elif framing < 0.7:
        fields.append(b"Content-Length: %d" % max(0, len(body) + random.choice((0, 0, 0, 0, -3, 5))))
    else:
        fields.append(
            random.choice(
                (
                    b"Transfer-Encoding: chunked",
                    b"Transfer-Encoding: chunked",
                    b"TRANSFER-encoding: Chunked, identity",
                )
            )
        )
        body = _chunked(random, body)
    random.shuffle(fields)
    line = LINES[0] if random.random() < 0.6 else random.choice(LINES)
    return eol.join((line, *filter(None, fields), b"", b"")) + body


def _chunked(random: Random, body: bytes) -> bytes:
    size = random.randint(1, max(len(body), 1))
    chunks = [
        b"%x%b\r\n%b\r\n" % (len(body[at : at + size]), random.choice(EXTENSIONS), body[at : at + size])
        for at in range(0, len(body), size)
    ]
    return (
        b"".join(chunks)
        + b"0\r\n"
        + random.choice(TRAILERS)
        + random.choice((b"\r\n", b"\r\n", b"\r\n", b""))
    )

"""Requests that nobody should send: good ones and known bad ones, bent at random."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random

from hikrecv.testing.events import WHO
from hikrecv.testing.message import Message
from hikrecv.testing.samples import FAMILIES, oddities, sample

TESTS = Path(__file__).parents[1]
CORPUS = Path(__file__).with_name("corpus")
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LARGE = 20_000
"""Bytes from which a request costs so much time that it is chosen seldom."""

# fmt: off
BITS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x1b[31m", b"\x7f", b"\xff",
    b": ", b";", b"=", b"--", b"--boundary", b"--boundary--", b"boundary", b"\r\n--MIME_boundary--\r\n",
    b"Content-Type: a/b\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Host: x\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b'Content-Disposition: form-data; name="name"\r\n', b"0\r\n\r\n", b"5\r\n", b"ffffffff\r\n",
    b"POST / HTTP/1.1\r\n", b"GET /?eventType=VMD&dateTime=x HTTP/1.1\r\n\r\n", b"HTTP/1.0",
    b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"NaN", b"1e999", b"-", b"\\ud800", b"\\u0000",
    b'"name":', b'"modelData":"x"', b"null", b"true", b'{"eventType":"VMD"}', b"[" * 200,
    b"<", b">", b"</", b"/>", b"&", b"&amp;", b"&#0;", b"&#xffffffff;", b"<!DOCTYPE a [", b"<![CDATA[",
    b"]]>", b"<name>", b"</name>", b"<a>" * 100, b"<?xml version='1.0' encoding='gbk'?>",
    b"<EventNotificationAlert>", b"</EventNotificationAlert>", b"xmlns:x='y'",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xe4\xba\xba", b"\xc8\xcb", b"\xd5\\", b"\xe9", b"\xe2\x80\xae",
    b"\xff\xd8\xff\xe0", b"\xff\xd9", b"%7B", b"%e4", b"%zz", b"a=b&", b"event_log=",
)
VALUES = (
    b"", b"0", b"-1", b"1", b"1.5", b"1e999", b"-1e400", b"NaN", b"9" * 30, b"9" * 5000, b"true", b"null",
    b'""', b'"x"', b'"0"', b'"-1"', b'"true"', b'"1,2;3"', b"[]", b"{}", b"[[]]", b"[{}]", b'[null, 1, "x"]',
    b'{"x": 1, "y": 2}', b'{"value": []}', b'"' + b"n" * 3000 + b'"', b'"\\u0000\\ud800"', b'"\\u202e"',
    b'"0000-00-00T00:00:00Z"', b'"2026-02-30T25:61:61+99:99"', b'"9999-12-31T23:59:59-23:59"',
    b'"1969-12-31"', b'"99:99:99:99:99:99"', b'"::1"', b'"../../etc/passwd"', b"\xff\xfe", b"<a/>", b"&#1;",
)
# fmt: on
_JSON_VALUE = re.compile(rb'(?<=":)\s*("(?:[^"\\]|\\.){0,200}"|-?[0-9.]+|true|false|null)')
_XML_VALUE = re.compile(rb"(?<=>)[^<>\r\n]{1,200}(?=</)")


def load(name: str) -> object:
    """The module *name* of `tests/wire`."""
    spec = spec_from_file_location(f"fuzz_wire_{name}", TESTS / "wire" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- what is bent ---------------------------------------------------------------------


@cache
def rows() -> tuple[bytes, ...]:
    """The malformed requests that every receiver must know how to read."""
    return tuple(row.data for row in load("rows").ROWS)  # type: ignore[attr-defined]


@cache
def documents() -> tuple[bytes, ...]:
    """XML and JSON as devices write them."""
    paths = sorted((TESTS / "data").rglob("*"))
    return tuple(path.read_bytes() for path in paths if path.suffix in (".json", ".xml"))


@cache
def messages() -> tuple[Message, ...]:
    """A message of every family, and odd ones."""
    known = [sample(family, WHO, NOON) for family in FAMILIES]
    return (*known, *oddities(WHO, NOON).values())


@cache
def findings() -> tuple[bytes, ...]:
    """Requests that were trouble once."""
    return tuple(path.read_bytes() for path in sorted(CORPUS.glob("*.http")))


# -- how it is bent ----------------------------------------------------------------------


def bend(random: Random, data: bytes) -> bytes:
    """*data* with bytes cut out, put in, doubled, moved and cut off."""
    body = bytearray(data)
    for _ in range(random.randint(0, 8)):
        at = random.randint(0, len(body))
        end = min(len(body), at + random.randint(0, 30))
        random.choice(_ACTIONS)(random, body, at, end)
    return bytes(body)


def _cut(random: Random, body: bytearray, at: int, end: int) -> None:
    del body[at:end]


def _put(random: Random, body: bytearray, at: int, end: int) -> None:
    body[at:at] = random.choice(BITS)


def _double(random: Random, body: bytearray, at: int, end: int) -> None:
    body[at:at] = body[at:end]


def _end(random: Random, body: bytearray, at: int, end: int) -> None:
    del body[at:]


def _noise(random: Random, body: bytearray, at: int, end: int) -> None:
    body[at:end] = random.randbytes(random.randint(0, 30))


def _move(random: Random, body: bytearray, at: int, end: int) -> None:
    piece = body[at:end]
    del body[at:end]
    place = random.randint(0, len(body))
    body[place:place] = piece


_ACTIONS: tuple[Callable[[Random, bytearray, int, int], None], ...] = (
    *(_cut, _put, _put, _put, _double, _noise, _move),
    _end,
)


def confuse(random: Random, text: bytes) -> bytes:
    """A document in which some values are something else: another type, too large, too much."""
    pattern = _XML_VALUE if text.lstrip()[:1] == b"<" else _JSON_VALUE
    share = random.choice((0.05, 0.2, 0.6))
    return pattern.sub(lambda found: random.choice(VALUES) if random.random() < share else found[0], text)


# -- requests --------------------------------------------------------------------------------


def request(random: Random) -> bytes:
    """One connection's bytes: one request, seldom two."""
    made = random.choice(_KINDS)(random)
    if random.random() < 0.3:
        made = bend(random, made)
    return made if random.random() < 0.9 else made + random.choice(rows())


def _row(random: Random) -> bytes:
    row = random.choice(rows())
    if len(row) > LARGE and random.random() < 0.95:
        row = rows()[0]
    return bend(random, row)


def _message(random: Random) -> bytes:
    message = random.choice(messages())
    body = message.body
    if len(body) > LARGE and random.random() < 0.95:
        # What matters stands before the first picture; of that the beginning will do.
        body = body[: body.find(b"\xff\xd8\xff") + 100] + body[-60:]
    return _post(random, bend(random, body), message.content_type.encode())


def _document(random: Random) -> bytes:
    text = confuse(random, random.choice(documents()))
    kind = random.choice((b"application/json", b"application/xml", b'text/xml; charset="gbk"', b""))
    return _post(random, text if random.random() < 0.7 else bend(random, text), kind)


def _form(random: Random) -> bytes:
    pieces = []
    for _ in range(random.randint(0, 4)):
        payload = random.choice(
            (confuse(random, random.choice(documents())), b"\xff\xd8\xff picture\xff\xd9")
        )
        head = [b'Content-Disposition: form-data; name="a"; filename="b.jpg"', b"Content-Type: x/y"]
        head.append(b"Content-Length: %d" % (len(payload) + random.choice((0, 0, 0, 1, -1))))
        random.shuffle(head)
        lines = b"\r\n".join(head[: random.randint(0, 3)])
        pieces += [b"--boundary\r\n", lines, b"\r\n\r\n", payload, b"\r\n"]
    body = b"".join((*pieces, b"--boundary--\r\n"))
    return _post(random, bend(random, body), b"multipart/form-data; boundary=boundary")


def _query(random: Random) -> bytes:
    fields = (b"eventType", b"eventState", b"dateTime", b"macAddress", b"channelID", b"x")
    query = b"&".join(name + b"=" + random.choice(BITS) for name in random.sample(fields, 4))
    return b"%s /?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (
        random.choice((b"GET", b"POST")),
        query.translate(None, b"\r\n"),
    )


def _finding(random: Random) -> bytes:
    return bend(random, random.choice(findings() or rows()))


_KINDS = (
    *((_row,) * 6),
    *((_message,) * 6),
    *((_document,) * 8),
    *((_form,) * 4),
    *((_query,) * 3),
    _finding,  # each is bad enough to cost ten times as much
)


def _post(random: Random, body: bytes, content_type: bytes) -> bytes:
    head = [b"POST / HTTP/1.1", b"Host: x"]
    if content_type:
        head.append(b"Content-Type: " + content_type)
    if random.random() < 0.15:
        head.append(b"Transfer-Encoding: chunked")
        size = random.randint(1, max(len(body), 1))
        chunks = (body[at : at + size] for at in range(0, len(body), size))
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif random.random() < 0.9:
        head.append(
            b"Content-Length: %d" % (len(body) + (0 if random.random() < 0.9 else random.randint(-3, 3)))
        )
    return b"\r\n".join((*head, b"", body))

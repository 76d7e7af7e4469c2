"""Hypothesis strategies for requests: good ones with what they mean, nearly good ones, and cuts."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

METHODS = ("POST", "PUT", "GET", "NOTIFY", "post")
TARGETS = (b"/", b"/e", b"/a/b?c=1", b"*", b"e", b"", b"/a b", b"/%zz", b"http://h:1/x", b"/\xe4\xba\x8b")
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"HTTP/2.0", b"RTSP/1.0", b"")
LINES = (
    b"Host: x",
    b"Host:y",
    b"Content-Type: application/json",
    b"Content-Length: 2",
    b"Content-Length: 5",
    b"Content-Length: 2, 2",
    b"Content-Length : 2",
    b"Content-Length:",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Expect: 100-continue",
    b" folded",
    b"\tfolded",
    b"no colon",
    b": no name",
    b"X Bad: 1",
    b"X: a\x00b",
    b"X: a\rb",
    b"X: a\x01b",
    b"X-\xc3\xa4: 1",
    b"X-Name: \xc9\xe3",
)
LENGTHS = (b"0", b"7", b"007", b"60", b"61", b"9" * 18, b"9" * 19, b"", b"-1", b"7, 7", b" 7", b"7 ", b"x")
HEADS = tuple(
    b"\r\n".join((line, *headers, b"", b""))
    for line in (b"POST /e HTTP/1.1", b"GET / HTTP/1.0", b"POST * http/1.1")
    for headers in (
        (b"Host: x", b"Content-Length: LENGTH"),
        (b"Content-Length: LENGTH", b"Host: x", b"Connection: close"),
        (b"Host: x", b"content-length: LENGTH", b"Expect: 100-continue"),
        (b"Host: x", b"Content-Length: LENGTH", b"Content-Length: 7"),
        (b"Host: x", b"Content-Length: 7", b"Content-Length: LENGTH"),
        (b"Host: x", b"X: 1", b" Content-Length: LENGTH"),
        (b"Host: x", b"Content-Length: LENGTH", b"Transfer-Encoding: chunked"),
        (b"Host: x", b"X-Content-Length: LENGTH", b"Content-Type: text/xml"),
    )
)
CHUNKS = (
    b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5\nhello\n",
    b"5\r\nhello",
    b"A\r\nhellohello\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: 1\r\n\r\n",
    b"0\n\n",
    b"0\r\n",
    b"+5\r\n",
    b"fffffffffffffffff\r\n",
    b"\r\n",
)


class Good(NamedTuple):
    """A well-formed request: its bytes, and what they mean."""

    data: bytes
    method: str
    target: bytes
    body: bytes


_TOKENS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
_VALUES = st.binary(max_size=30).map(lambda value: bytes(byte for byte in value if 0x21 <= byte <= 0x7E))


@st.composite
def good_requests(draw: st.DrawFn) -> Good:
    method = draw(st.sampled_from(("POST", "PUT", "GET", "NOTIFY")))
    target = b"/" + draw(_VALUES).replace(b"%", b"")
    body = draw(st.binary(max_size=300))
    extra = draw(st.lists(st.tuples(_TOKENS.map(lambda name: b"X-" + name.encode()), _VALUES), max_size=4))
    headers = [b"Host: x", *(name + b": " + value for name, value in extra)]
    if draw(st.booleans()):
        headers.append(b"Content-Length: %d" % len(body))
        sent = body
    else:
        headers.append(b"Transfer-Encoding: chunked")
        sent = b"".join(draw(_chunks_of(body)))
    order = draw(st.permutations(headers))
    head = b"\r\n".join((b"%s %s HTTP/1.1" % (method.encode(), target), *order, b"", b""))
    return Good(head + sent, method, target, body)


@st.composite
def _chunks_of(draw: st.DrawFn, body: bytes) -> list[bytes]:
    chunks = [
        b"%x%s\r\n%s\r\n" % (len(piece), draw(_EXTENSIONS), piece) for piece in draw(cut(body)) if piece
    ]
    return [*chunks, b"0\r\n", *draw(st.lists(st.just(b"X: 1\r\n"), max_size=2)), b"\r\n"]


_EXTENSIONS = st.sampled_from((b"", b";a", b";a=b", b';a="b"'))


@st.composite
def nearly_requests(draw: st.DrawFn) -> bytes:
    """One or two requests that real firmware, or its enemy, might send."""
    return b"".join(draw(_nearly_one()) for _ in range(draw(st.integers(1, 2))))


@st.composite
def _nearly_one(draw: st.DrawFn) -> bytes:
    eol = draw(st.sampled_from((b"\r\n", b"\r\n", b"\r\n", b"\n")))
    line = b" ".join(
        (
            draw(st.sampled_from(METHODS)).encode(),
            draw(st.sampled_from(TARGETS)),
            draw(st.sampled_from(VERSIONS)),
        )
    )
    headers = draw(st.lists(st.sampled_from(LINES), max_size=5))
    head = eol * draw(st.integers(0, 2)) + eol.join((line, *headers, b"", b""))
    body = draw(
        st.one_of(
            st.sampled_from((b"", b"{}", b'{"a":1}')),
            st.lists(st.sampled_from(CHUNKS), max_size=4).map(b"".join),
            st.binary(max_size=20),
        )
    )
    return draw(_damaged(head + body))


@st.composite
def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    if draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]


any_bytes = st.binary(max_size=200)
any_input = st.one_of(nearly_requests(), any_bytes, good_requests().map(lambda good: good.data))


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]

"""Basic and Digest as devices do them, and as they do them wrong."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from hikrecv.wire.login import Digest, check_basic, ha1

USERS = {b"admin": ha1("admin", "pass:1")}


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Client:
    """Answers challenges, by default as RFC 7616 says."""

    def __init__(self, digest: Digest, password: str = "pass:1", user: str = "admin") -> None:
        self.digest, self.user, self.password = digest, user, password
        self.challenged()

    def challenged(self) -> None:
        self.nonce = re.search(rb'nonce="([^"]+)"', self.digest.challenge())[1].decode()

    def answer(self, uri="/a", method="POST", nc=1, qop="auth", more="") -> bytes:
        ha1, ha2 = md5(f"{self.user}:hikrecv:{self.password}"), md5(f"{method}:{uri}")
        if qop is None:
            response, tail = md5(f"{ha1}:{self.nonce}:{ha2}"), ""
        else:
            response = md5(f"{ha1}:{self.nonce}:{nc:08x}:0a4f:{qop}:{ha2}")
            tail = f', qop={qop}, nc={nc:08x}, cnonce="0a4f"'
        fields = f'username="{self.user}", realm="hikrecv", nonce="{self.nonce}", uri="{uri}"'
        return f'Digest {fields}, response="{response}"{tail}{more}'.encode()

    def verdict(self, target="/a", method="POST", **how) -> str:
        return self.digest.check(self.answer(**how), method, target.encode(), USERS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def digest(clock) -> Digest:
    return Digest(b"k" * 32, clock.seconds)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (basic("admin:pass:1"), "good"),
        (basic("admin:pass:1").replace(b"Basic", b"BASIC "), "good"),
        (basic("admin:wrong"), "wrong"),
        (basic("nobody:pass:1"), "wrong"),
        (basic("admin"), "wrong"),
        (b"Basic ???", "wrong"),
        (b"Basic", "wrong"),
        (b"Bearer x", "wrong"),
        (b"", "wrong"),
    ],
)
def test_basic_is_judged(value, verdict):
    assert check_basic(value, USERS) == verdict


def test_a_challenge_is_written_as_the_standard_has_it(digest):
    assert re.fullmatch(
        rb'WWW-Authenticate: Digest realm="hikrecv", qop="auth", nonce="[A-Za-z0-9_-]{32}", algorithm=MD5',
        digest.challenge(),
    )
    assert digest.challenge(stale=True).endswith(b", stale=true")


def test_a_right_answer_is_good_and_the_next_count_too(digest):
    client = Client(digest)

    assert [client.verdict(nc=nc) for nc in (1, 2, 3)] == ["good"] * 3


def test_the_answer_of_the_standard_s_example_is_computed_the_same(digest):
    users = {b"Mufasa": b"939e7578ed9e3c518a452acee763bce9"}
    value = (
        b'Digest username="Mufasa", realm="hikrecv", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        b'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
        b'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )

    # Right response to a nonce that is not ours: it is only asked again.
    assert digest.check(value, "GET", b"/dir/index.html", users) == "stale"
    assert digest.check(value, "PUT", b"/dir/index.html", users) == "wrong"


def test_a_repeated_request_is_stale(digest):
    client = Client(digest)

    assert [client.verdict(nc=nc) for nc in (1, 1, 2, 1, 2)] == ["good", "stale", "good", "stale", "stale"]


def test_requests_of_several_connections_may_overtake_one_another(digest):
    client = Client(digest)

    assert [client.verdict(nc=nc) for nc in (5, 3, 4, 70, 6, 5)] == ["good"] * 4 + ["stale"] * 2
    assert client.verdict(nc=7) == "good"


def test_without_qop_a_nonce_is_good_once(digest):
    client = Client(digest)

    assert [client.verdict(qop=None), client.verdict(qop=None), client.verdict(nc=2**31)] == [
        "good",
        "stale",
        "stale",
    ]


def test_a_nonce_is_good_for_15_minutes(digest, clock):
    client = Client(digest)
    clock.advance(899)
    assert client.verdict() == "good"
    clock.advance(2)
    assert client.verdict(nc=2) == "stale"


def test_a_nonce_of_an_earlier_process_is_stale_not_wrong(clock):
    client = Client(Digest(b"k" * 32, clock.seconds))

    client.digest = Digest(b"k" * 32, clock.seconds)

    assert client.verdict() == "stale"


def test_a_forgotten_nonce_is_stale(clock):
    digest = Digest(b"k" * 32, clock.seconds, most=3)
    first = Client(digest)
    assert first.verdict() == "good"

    for _ in range(3):
        assert Client(digest).verdict() == "good"

    assert first.verdict(nc=1) == "stale"


@pytest.mark.parametrize("uri", ["http://10.0.0.1:8089/a", "/a", "a"])
def test_the_uri_may_be_written_in_full(digest, uri):
    assert Client(digest).verdict(uri=uri) == "good"


@pytest.mark.parametrize(
    "how",
    [
        {"uri": "/other"},
        {"target": "/other"},
        {"method": "PUT"},
        {"qop": "auth-int"},
        {"more": ", algorithm=SHA-256"},
        {"more": ', realm="else"'},
        {"more": ", ;"},
    ],
)
def test_anything_else_is_wrong(digest, how):
    client = Client(digest)
    method = how.pop("method", "POST")
    answer = client.answer(**{key: value for key, value in how.items() if key != "target"})

    assert digest.check(answer, method, how.get("target", "/a").encode(), USERS) == "wrong"


def test_a_wrong_password_and_an_unknown_user_are_wrong(digest):
    assert Client(digest, password="x").verdict() == "wrong"
    assert Client(digest, user="nobody").verdict() == "wrong"


@given(st.binary(max_size=300))
def test_no_value_breaks_it(value):
    digest = Digest(b"k" * 32, Clock().seconds)

    assert digest.check(b"Digest " + value, "POST", b"/", USERS) == "wrong"
    assert check_basic(b"Basic " + value, USERS) == "wrong"

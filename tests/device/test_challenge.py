from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.device.challenge import Challenge, Login, best_digest, challenges_in

RFC2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", '
    'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
DEVICE = 'Digest qop="auth", realm="DS-K1T671", nonce="4e4449", stale="FALSE", Basic realm="DS-K1T671"'


def answered(header: str, user: str, password: str, cnonce: str, uri: str, method: str = "GET") -> str:
    challenge = best_digest(challenges_in([header]))
    assert challenge is not None
    return Login(challenge, user, password, cnonce).answer(method, uri)


def test_the_example_of_rfc_2617_is_answered() -> None:
    answer = answered(RFC2617, "Mufasa", "Circle Of Life", "0a4f113b", "/dir/index.html")

    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer
    assert "qop=auth, nc=00000001" in answer


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_are_answered(algorithm: str, response: str) -> None:
    answer = answered(RFC7616.format(algorithm), "Mufasa", "Circle of Life", CNONCE, "/dir/index.html")

    assert f'response="{response}"' in answer
    assert f"algorithm={algorithm}" in answer


def test_the_stronger_of_two_challenges_is_answered() -> None:
    offered = challenges_in([RFC7616.format("MD5"), RFC7616.format("SHA-256")])

    best = best_digest(offered)

    assert best is not None
    assert best.params["algorithm"] == "SHA-256"


def test_a_challenge_without_qop_is_answered_as_in_rfc_2069() -> None:
    answer = answered('Digest realm="r", nonce="n"', "u", "p", "c", "/x")

    assert 'response="3042aef13752cb1d63f6787a080ffdfc"' in answer
    assert "cnonce" not in answer
    assert "nc=" not in answer


def test_a_session_key_stays_while_the_count_goes_up() -> None:
    challenge = Challenge("digest", {"realm": "r", "nonce": "n", "qop": "auth", "algorithm": "MD5-sess"})
    login = Login(challenge, "u", "p", "c")

    first, second = login.answer("GET", "/x"), login.answer("GET", "/x")

    # Reckoned by hand: H(H(u:r:p):n:c), then H(that:n:nc:c:auth:H(GET:/x)).
    assert 'response="0223f74a821f39096c53860f14848b13"' in first
    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert 'cnonce="c"' in second


@pytest.mark.parametrize(
    "header", ['Digest realm="r", nonce="n", qop="auth-int"', 'Digest realm="r"', "Digest"]
)
def test_what_cannot_be_answered_is_not_a_challenge(header: str) -> None:
    assert best_digest(challenges_in([header])) is None


def test_an_unknown_algorithm_is_not_a_challenge() -> None:
    assert best_digest(challenges_in(['Digest realm="r", nonce="n", algorithm=SHA-512-256'])) is None


def test_two_schemes_in_one_header_are_two_challenges() -> None:
    digest, basic = challenges_in([DEVICE])

    assert (digest.scheme, basic.scheme) == ("digest", "basic")
    assert not digest.stale
    assert digest.params["nonce"] == "4e4449"


def test_quotes_in_names_are_escaped() -> None:
    answer = answered('Digest realm="a\\"b", nonce="n"', 'u"x', "p", "c", "/")

    assert 'username="u\\"x"' in answer
    assert 'realm="a\\"b"' in answer


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=200), max_size=3))
def test_any_header_is_read_without_raising(headers: list[str]) -> None:
    for challenge in challenges_in(headers):
        if best_digest([challenge]):
            assert Login(challenge, "u", "p").answer("GET", "/").startswith("Digest ")

"""Who may send, and what its word is worth."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple

import pytest
from twisted.internet.task import Clock

from hikrecv.config import DeviceTable, Listen, Login, Network, Secret
from hikrecv.errors import ConfigError, Refused
from hikrecv.senders import SenderClass
from hikrecv.wire.admission import Admission, Challenge
from hikrecv.wire.login import ha1, md5


class Head(NamedTuple):
    target: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    method: str = "POST"


def login(user: str, password: str, target: bytes = b"/") -> Head:
    value = b"Basic " + b64encode(f"{user}:{password}".encode())
    return Head(target, ((b"authorization", value),))


def digest_answer(challenge: bytes, count: int = 1) -> Head:
    """What a device answers that knows the password `p` of `u`."""
    nonce = re.search(rb'nonce="([^"]+)"', challenge)[1]
    nc = b"%08x" % count
    response = md5(ha1("u", "p"), nonce, nc, b"c", b"auth", md5(b"POST", b"/"))
    value = b'Digest username="u", realm="hikrecv", nonce="%s", uri="/", response="%s"' % (nonce, response)
    return Head(headers=((b"Authorization", value + b', qop=auth, nc=%s, cnonce="c"' % nc),))


def listen(**more) -> Listen:
    secrets = {
        key: Secret(value) if key in ("token", "password") and value is not None else value
        for key, value in more.items()
    }
    return Listen(**secrets)


def status(admission: Admission, head: Head, ip: str) -> int | str:
    try:
        return admission.check(head, ip).trust
    except Refused as refused:
        return refused.http_status


def class_at(admission: Admission, ip: str) -> SenderClass:
    return admission.at_the_door(ip).standing


GATE = {"gate": DeviceTable(address="10.0.0.5")}
OWN = {"gate": DeviceTable(address="10.0.0.5", push_login=Login(user="gate", password=Secret("p")))}


def test_an_open_port_admits_anybody_and_trusts_nobody():
    admission = Admission.from_config(Listen())

    assert status(admission, Head(), "10.0.0.9") == "none"


def test_a_configured_device_is_trusted_by_its_address():
    admission = Admission.from_config(Listen(), GATE)

    assert status(admission, Head(), "10.0.0.5") == "address"
    assert status(admission, Head(), "10.0.0.6") == "none"


def test_a_proxy_s_address_says_nothing_about_the_device():
    admission = Admission.from_config(Listen(proxies=(Network("10.0.0.5"),)), GATE)

    assert status(admission, Head(), "10.0.0.5") == "none"
    assert admission.at_the_door("10.0.0.5").free
    assert admission.at_the_door("127.0.0.1").free
    assert admission.at_the_door("::1").free
    assert not admission.at_the_door("10.0.0.6").free


def test_a_proxy_that_is_allowed_is_let_in_and_proves_nothing():
    allow, proxies = (Network("10.0.0.0/8"),), (Network("10.0.0.5"), Network("10.1.0.0/16"))
    admission = Admission.from_config(Listen(allow=allow, proxies=proxies), GATE)

    assert status(admission, Head(), "10.0.0.5") == "none"
    assert status(admission, Head(), "10.1.2.3") == "none"
    assert status(admission, Head(), "10.0.0.6") == "address"
    assert status(admission, Head(), "11.0.0.6") == 403
    assert class_at(admission, "10.0.0.5") is SenderClass.STRANGER
    assert class_at(admission, "10.0.0.6") is SenderClass.ADMITTED


def test_a_device_is_known_by_its_address_or_by_its_own_login():
    own = DeviceTable(push_login=Login(user="lobby", password=Secret("l")))
    tables = {**GATE, "lobby": own}
    admission = Admission.from_config(listen(login="basic", user="u", password="p"), tables)

    known = admission.check(login("lobby", "l"), "10.0.0.9")
    assert (known.standing, known.login, known.key, known.trust) == (
        SenderClass.KNOWN,
        "lobby",
        "lobby",
        "login",
    )
    several = admission.check(login("u", "p"), "10.0.0.9")
    assert (several.standing, several.login, several.key) == (SenderClass.ADMITTED, "", "10.0.0.9")
    assert admission.check(login("u", "p"), "10.0.0.5").standing is SenderClass.KNOWN


def test_two_devices_with_one_user_and_different_passwords_are_refused():
    tables = {name: DeviceTable(push_login=Login(user="cam", password=Secret(name))) for name in "ab"}

    with pytest.raises(ConfigError) as error:
        Admission.from_config(listen(login="basic"), tables)

    assert 'the user "cam" has another password elsewhere' in str(error.value)


def test_two_devices_at_one_address_may_have_a_login_each():
    tables = {
        name: DeviceTable(address="10.0.0.5", basic=True, push_login=Login(user=name, password=Secret(name)))
        for name in "ab"
    }
    admission = Admission.from_config(Listen(), tables)

    assert [admission.check(login(name, name), "10.0.0.5").login for name in "ab"] == ["a", "b"]


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("10.1.2.3", "address"),
        ("fd00::7", "address"),
        ("192.168.1.4", "address"),
        ("192.168.1.5", 403),
        ("fe80::1", 403),
        ("127.0.0.1", 403),
    ],
)
def test_the_allow_list_takes_networks_of_both_kinds(ip, expected):
    allow = (Network("10.0.0.0/8"), Network("fd00::/16"), Network("192.168.1.4"))
    admission = Admission.from_config(listen(allow=allow), GATE)

    assert status(admission, Head(), ip) == expected
    assert status(admission, Head(), ip) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/s3cret", "token"),
        (b"/s3cret/", "token"),
        (b"//s3cret/a/b", "token"),
        (b"/s3cret?x=1", "token"),
        (b"/s3cretx", 403),
        (b"/a/s3cret", 403),
        (b"/?s3cret", 403),
        (b"/", 403),
    ],
)
def test_the_secret_stands_first_in_the_path(target, expected):
    admission = Admission.from_config(listen(token="s3cret"), GATE)

    assert status(admission, Head(target), "10.0.0.5") == expected


def test_a_refusal_says_nothing_of_the_secret():
    admission = Admission.from_config(listen(token="s3cret"))

    with pytest.raises(Refused) as refused:
        admission.check(Head(b"/s3cre"), "10.0.0.9")

    assert "s3cre" not in str(refused.value)


def test_all_rules_must_be_met():
    admission = Admission.from_config(
        listen(allow=(Network("10.0.0.0/8"),), token="t", login="basic", user="u", password="p")
    )

    assert status(admission, login("u", "p", b"/t"), "10.0.0.9") == "login"
    assert status(admission, login("u", "p", b"/"), "10.0.0.9") == 403
    assert status(admission, login("u", "x", b"/t"), "10.0.0.9") == 401
    assert status(admission, login("u", "p", b"/t"), "11.0.0.9") == 403


def test_a_device_without_password_is_not_asked_for_ever():
    clock = Clock()
    admission = Admission.from_config(listen(login="digest", user="u", password="p"), now=clock.seconds)

    assert [status(admission, Head(), "10.0.0.9") for _ in range(6)] == [401] * 6
    clock.advance(61)
    assert [status(admission, Head(), "10.0.0.9") for _ in range(6)] == [401, 401, 401, 403, 403, 403]
    assert status(admission, Head(), "10.0.0.8") == 401
    clock.advance(60)
    assert status(admission, Head(), "10.0.0.9") == 401


def test_only_wrong_passwords_count():
    clock = Clock()
    admission = Admission.from_config(listen(login="basic", user="u", password="p"), now=clock.seconds)
    wrong = login("u", "x")

    assert [status(admission, wrong, "10.0.0.9") for _ in range(5)] == [401, 401, 401, 403, 403]
    assert status(admission, Head(), "10.0.0.9") == 401
    assert status(admission, login("u", "p"), "10.0.0.9") == "login"
    assert status(admission, wrong, "10.0.0.9") == 401


def test_ten_first_requests_at_once_with_the_right_password_are_all_let_in():
    clock = Clock()
    admission = Admission.from_config(listen(login="digest", user="u", password="p"), now=clock.seconds)
    answers = []
    for _ in range(10):
        with pytest.raises(Challenge) as challenge:
            admission.check(Head(), "10.0.0.9")
        answers.append(digest_answer(challenge.value.lines[0]))

    assert [status(admission, answer, "10.0.0.9") for answer in answers] == ["login"] * 10
    # The same once more, as a device does that keeps its nonce and begins its count again.
    assert [status(admission, answer, "10.0.0.9") for answer in answers] == [401] * 10
    assert status(admission, digest_answer(challenge.value.lines[0], 2), "10.0.0.9") == "login"


def test_a_device_that_answers_what_it_is_asked_is_asked_for_ever():
    clock = Clock()
    admission = Admission.from_config(listen(login="digest", user="u", password="p"), now=clock.seconds)

    for _ in range(300):  # Connection: close, so each event is sent twice
        with pytest.raises(Challenge) as challenge:
            admission.check(Head(), "10.0.0.9")
        assert status(admission, digest_answer(challenge.value.lines[0]), "10.0.0.9") == "login"
        clock.advance(1)


def test_a_good_login_begins_the_count_anew():
    admission = Admission.from_config(listen(login="basic", user="u", password="p"))

    for _ in range(10):
        assert status(admission, login("u", "x"), "10.0.0.9") == 401
        assert status(admission, login("u", "p"), "10.0.0.9") == "login"


def test_behind_a_proxy_everybody_is_asked():
    proxies = (Network("10.0.0.9"),)
    admission = Admission.from_config(listen(login="basic", user="u", password="p", proxies=proxies))

    assert {status(admission, login("u", "x"), "10.0.0.9") for _ in range(9)} == {401}


def test_what_is_denied_can_be_dropped():
    admission = Admission.from_config(listen(token="t", deny="drop"))

    assert status(admission, Head(), "10.0.0.9") == 200


def test_a_device_has_its_own_login():
    admission = Admission.from_config(Listen(), OWN)

    with pytest.raises(Challenge) as challenge:
        admission.check(Head(), "10.0.0.5")

    assert [line[:24] for line in challenge.value.lines] == [b"WWW-Authenticate: Digest"]
    assert status(admission, login("gate", "p"), "10.0.0.5") == 401
    assert status(admission, Head(), "10.0.0.6") == "none"


def test_a_device_that_may_use_basic_is_offered_both():
    table = DeviceTable(address="10.0.0.5", basic=True, push_login=Login(user="gate", password=Secret("p")))
    admission = Admission.from_config(Listen(), {"gate": table})

    with pytest.raises(Challenge) as challenge:
        admission.check(Head(), "10.0.0.5")

    assert [line[:24] for line in challenge.value.lines] == [
        b"WWW-Authenticate: Digest",
        b"WWW-Authenticate: Basic ",
    ]
    assert status(admission, login("gate", "p"), "10.0.0.5") == "login"


def test_nobody_else_logs_in_with_a_device_s_password():
    admission = Admission.from_config(listen(login="basic", user="u", password="x"), OWN)

    assert status(admission, login("gate", "p"), "10.0.0.6") == 401
    assert status(admission, login("u", "x"), "10.0.0.6") == "login"
    assert status(admission, login("gate", "p"), "10.0.0.5") == "login"


def test_a_device_without_address_may_log_in_from_anywhere():
    table = DeviceTable(mac="ac:cb:51:19:f5:08", push_login=Login(user="gate", password=Secret("p")))
    admission = Admission.from_config(listen(login="basic"), {"gate": table})

    assert status(admission, login("gate", "p"), "10.0.0.6") == "login"


@pytest.mark.parametrize(
    "more",
    [
        {"login": "digest"},
        {"login": "basic", "user": "u", "password": ""},
        {"login": "basic", "password": "p"},
        {"token": ""},
        {"token": "a/b"},
        {"token": "a%20b"},
    ],
)
def test_a_rule_that_cannot_work_is_found_before_anything_listens(more):
    with pytest.raises(ConfigError):
        Admission.from_config(listen(**more))


def test_a_stranger_without_a_head_is_judged_by_its_address_alone():
    assert Admission.from_config(Listen(), GATE).stranger("10.0.0.5").trust == "address"
    for closed in (listen(token="t"), listen(login="basic", user="u", password="p")):
        with pytest.raises(Refused):
            Admission.from_config(closed).stranger("10.0.0.5")
    with pytest.raises(Refused):
        Admission.from_config(Listen(), OWN).stranger("10.0.0.5")

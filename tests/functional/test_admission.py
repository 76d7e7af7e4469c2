"""Who may send, over real connections: addresses, the secret in the path, logins, and what strangers get."""

from __future__ import annotations

import socket
from base64 import b64encode
from datetime import datetime, timezone
from typing import Any

import pytest
import pytest_twisted
from functional_harness import Receiver, until
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.threads import deferToThread

from hikrecv.device.agents import Agents
from hikrecv.device.digest import DigestAgent
from hikrecv.device.exchange import Exchange
from hikrecv.journal.reader import JournalReader
from hikrecv.push import Push
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.deepinview import comparison

pytestmark = pytest.mark.functional

HERE = '[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
DIGEST = 'login = "digest"\nuser = "cam"\npassword = "s3cret"\n'
EVENT = comparison(Identity(1), datetime.now(timezone.utc), 1)


class Line:
    """A device's connection: what it writes, and the answers that it reads."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def say(self, data: bytes) -> tuple[int, bytes]:
        """Write all of it, however little of it is read; the answer's status and head."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was told before it had written everything: the answer is there
        return self.hear()

    def hear(self) -> tuple[int, bytes]:
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(4096)
            assert piece, f"closed without an answer: {answer!r}"
            answer += piece
        return int(answer.split()[1]), answer

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def request(path: str = "/", *extra: str, message: Message = EVENT) -> bytes:
    data = message.request(path=path)
    return data.replace(b"\r\n", "".join(("\r\n", *(f"{line}\r\n" for line in extra))).encode(), 1)


def answer(port: int, data: bytes) -> int:
    with Line(port) as line:
        return line.say(data)[0]


def pushes(receiver: Receiver) -> list[Push]:
    reader = JournalReader(receiver.state.root)
    return [entry.push for entry in reader.entries(reader.first)]


def trusts(receiver: Receiver) -> list[str]:
    return [event.peer.trust for event in receiver.events()]


def test_who_knows_the_secret_in_the_path_is_let_in_and_the_secret_is_kept_nowhere(new_receiver) -> None:
    receiver = new_receiver(f'{HERE}token = "Secret1234"\n').start()
    port = receiver.port

    statuses = [
        answer(port, request(path)) for path in ("/Secret1234", "//Secret1234/x?y=1", "/", "/secret1234")
    ]
    answer(port, b"Secret1234 \x01\x02\r\n\r\n")
    receiver.stop()

    assert statuses == [200, 200, 403, 403]
    assert trusts(receiver) == ["token", "token"]
    kept = b"".join(path.read_bytes() for path in receiver.state.root.rglob("*") if path.is_file())
    assert b"Secret1234" not in kept
    assert "Secret1234" not in receiver.log


def test_only_addresses_that_are_allowed_may_send(new_receiver) -> None:
    receiver = new_receiver(
        f'{HERE}allow = ["127.0.0.0/8"]\n{HERE}allow = ["10.0.0.0/8", "fe80::/10"]\n'
    ).start()
    allowed, other = receiver.ports

    assert (answer(allowed, request()), answer(other, request())) == (200, 403)
    assert trusts(receiver) == ["address"]


@pytest_twisted.ensureDeferred
async def test_a_device_logs_in_with_digest_as_our_own_client_does(new_receiver) -> None:
    from twisted.internet import reactor

    receiver = new_receiver(f"{HERE}{DIGEST}")
    await deferToThread(receiver.start)
    url = f"http://127.0.0.1:{await deferToThread(lambda: receiver.port)}/"
    agents = Agents(reactor)

    def client(password: str) -> Exchange:
        return Exchange(DigestAgent(agents(), url, "cam", password), reactor)

    headers = {"Content-Type": EVENT.content_type}
    good, bad = client("s3cret"), client("wrong")
    try:
        codes = [(await good.request("POST", url, data=EVENT.body, headers=headers)).code for _ in range(5)]
        refused = (await bad.request("POST", url, data=EVENT.body, headers=headers)).code
    finally:
        await agents.close()

    assert codes == [200] * 5
    assert refused == 401
    assert trusts(receiver) == ["login"] * 5


def test_a_device_logs_in_with_basic_and_its_password_is_kept_nowhere(new_receiver) -> None:
    receiver = new_receiver(f'{HERE}login = "basic"\nuser = "cam"\npassword = "s3cret"\n').start()
    port = receiver.port
    pair = b64encode(b"cam:s3cret").decode()

    good = answer(port, request("/", f"Authorization: Basic {pair}"))
    with Line(port) as line:
        status, challenge = line.say(request())
    receiver.stop()

    assert (good, status) == (200, 401)
    assert b'WWW-Authenticate: Basic realm="hikrecv"' in challenge
    kept = b"".join(path.read_bytes() for path in receiver.state.root.rglob("*") if path.is_file())
    assert pair.encode() not in kept
    assert b"s3cret" not in kept


def test_who_gives_a_wrong_password_is_not_asked_for_ever_and_who_gives_none_is(new_receiver) -> None:
    receiver = new_receiver(f'{HERE}login = "basic"\nuser = "cam"\npassword = "s3cret"\n').start()
    port = receiver.port
    pair = b64encode(b"cam:wrong").decode()

    wrong = [answer(port, request("/", f"Authorization: Basic {pair}")) for _ in range(6)]
    none = [answer(port, request()) for _ in range(6)]

    assert (wrong, none) == ([401, 401, 401, 403, 403, 403], [401] * 6)


@pytest_twisted.ensureDeferred
async def test_ten_first_requests_at_once_with_the_right_digest_password_are_all_kept(new_receiver) -> None:
    from twisted.internet import reactor

    receiver = new_receiver(f"{HERE}{DIGEST}")
    await deferToThread(receiver.start)
    url = f"http://127.0.0.1:{await deferToThread(lambda: receiver.port)}/"
    agents = Agents(reactor)
    # Each is a client of its own: none knows a nonce before.
    clients = [Exchange(DigestAgent(agents(), url, "cam", "s3cret"), reactor) for _ in range(10)]
    headers = {"Content-Type": EVENT.content_type}
    asked = [ensureDeferred(each.request("POST", url, data=EVENT.body, headers=headers)) for each in clients]
    try:
        codes = [answer.code for answer in await gatherResults(asked)]
    finally:
        await agents.close()

    assert codes == [200] * 10


def test_one_device_has_a_login_of_its_own(new_receiver) -> None:
    login = 'push_login = { user = "door", password = "own" }\nbasic = true\n'
    receiver = new_receiver(f'{HERE}[devices.door]\naddress = "127.0.0.1"\n{login}').start()
    pair = b64encode(b"door:own").decode()

    assert answer(receiver.port, request("/", f"Authorization: Basic {pair}")) == 200
    assert answer(receiver.port, request()) == 401
    assert trusts(receiver) == ["login"]


@pytest.mark.parametrize(("deny", "status"), [("403", 403), ("drop", 200)])
def test_who_was_turned_away_stands_in_devices_and_nothing_of_it_is_kept(new_receiver, deny, status) -> None:
    receiver = new_receiver(f'{HERE}token = "Secret1234"\ndeny = "{deny}"\n').start()

    assert [answer(receiver.port, request()) for _ in range(3)] == [status] * 3

    (row,) = receiver.tell("turned_away")
    assert (row["ip"], row["count"], row["status"]) == ("127.0.0.1", 3, status)
    table = receiver.command("devices")
    assert "TURNED AWAY" in table
    assert "the secret in the path is missing or wrong" in table
    assert receiver.kept() == {}
    assert receiver.log.count("the secret in the path is missing or wrong") == 1


LARGE = Message(label="large", content_type="application/octet-stream", body=b"\0" * 6_000_000)
EARLY: dict[str, tuple[str, bytes, int]] = {
    "too large": (f"{HERE}[limits]\nbody = '5MB'\nin_flight = '20MB'\n", request(message=LARGE), 413),
    "no secret": (f'{HERE}token = "Secret1234"\n', request(message=LARGE), 403),
    "no login": (f"{HERE}{DIGEST}", request(message=LARGE), 401),
    "too many headers": (HERE, request("/", *(f"X-{n}: a" for n in range(600)), message=LARGE), 431),
}


@pytest.mark.parametrize("case", EARLY)
def test_a_refusal_reaches_a_device_that_is_still_writing(new_receiver, case: str) -> None:
    tables, data, status = EARLY[case]
    receiver = new_receiver(tables).start()

    # The first part is less than the head of the body; the answer is there before the rest is written.
    with Line(receiver.port) as line:
        line.socket.sendall(data[:100_000])
        early = line.hear()[0]
    whole = answer(receiver.port, data)

    assert (early, whole) == (status, status)
    # Of what cannot be read its beginning is kept, for a person to look at.
    assert all(len(push.body) <= 65_536 and not push.method for push in pushes(receiver))


def test_with_expect_a_refused_device_need_not_write_its_body(new_receiver) -> None:
    receiver = new_receiver(f'{HERE}token = "Secret1234"\n').start()
    head, _, body = request("/", "Expect: 100-continue").partition(b"\r\n\r\n")
    good, _, _ = request("/Secret1234", "Expect: 100-continue").partition(b"\r\n\r\n")

    with Line(receiver.port) as line:
        assert line.say(head + b"\r\n\r\n")[0] == 403
    with Line(receiver.port) as line:
        assert line.say(good + b"\r\n\r\n")[0] == 100
        assert line.say(body)[0] == 200


def test_a_wrong_menu_is_named_in_the_log_and_kept_for_a_person(new_receiver) -> None:
    receiver = new_receiver(HERE).start()
    sent: dict[str, Any] = {
        "tls": b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + b"\x11" * 200,
        "sdk": b"\x00\x00\x00\x20\x63\x00\x00\x00" + b"\0" * 24,
        "rtsp": b"OPTIONS rtsp://10.0.0.5/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    }

    for data in sent.values():
        with Line(receiver.port) as line:
            line.socket.sendall(data)
            assert line.socket.recv(100) == b""

    until(lambda: len(receiver.kept()) == 3, "all three are kept")
    events = list(receiver.events())
    assert ["not-http" in event.anomalies for event in events] == [True] * 3
    assert receiver.log.count("it speaks TLS on a plain port") == 1
    assert "not-http" in receiver.command("events")

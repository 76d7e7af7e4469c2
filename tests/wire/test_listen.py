"""Endpoint strings become ports, or one plain sentence."""

from __future__ import annotations

import http.client
import resource
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor, MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from hikrecv.config import Limits, parse
from hikrecv.errors import ConfigError, ListenError
from hikrecv.push import OK, Push
from hikrecv.wire.admission import Admission
from hikrecv.wire.budget import Budget
from hikrecv.wire.connection import PushFactory
from hikrecv.wire.listen import Exhaustion, Listener, Listeners, from_config, raise_file_limit
from hikrecv.wire.watch import SenderLog, Tally

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def pushes() -> list[Push]:
    return []


@pytest.fixture
def factory(pushes) -> PushFactory:
    return PushFactory(lambda push: pushes.append(push) or succeed(OK), Admission(), Limits(), Clock())


@pytest.mark.parametrize(
    ("endpoint", "port", "backlog", "interface"),
    [
        ("tcp:8089", 8089, 4096, ""),
        ("8089", 8089, 4096, ""),
        ("tcp:8089:interface=10.0.0.5:backlog=7", 8089, 7, "10.0.0.5"),
        ("tcp6:8089", 8089, 4096, "::"),
        (r"tcp:8089:interface=\:\:1", 8089, 4096, "::1"),
    ],
)
def test_an_endpoint_string_is_opened_with_a_long_queue(factory, endpoint, port, backlog, interface):
    reactor = MemoryReactor()

    Listener(endpoint, factory, reactor).privilegedStartService()

    assert reactor.tcpServers == [(port, factory, backlog, interface)]


def test_it_is_bound_once_whether_twistd_or_twist_starts_it(factory):
    reactor = MemoryReactor()
    listeners = Listeners([Listener("tcp:8089", factory, reactor)], Budget(Limits()))

    listeners.privilegedStartService()
    listeners.startService()

    assert len(reactor.tcpServers) == 1
    assert listeners.running


def test_the_config_makes_listeners_that_share_one_budget(pushes):
    config = parse("""
        [[listen]]
        endpoint = "tcp:8089"
        [[listen]]
        endpoint = "8090"
        mode = "strict"
        token = "s3cret"
    """)
    reactor = MemoryReactorClock()

    made = from_config(config, lambda push: succeed(OK), reactor, watch=Tally())
    made.privilegedStartService()

    assert [server[0] for server in reactor.tcpServers] == [8089, 8090]
    first, second = (listener.factory for listener in made.listeners)
    assert (first.mode, second.mode) == ("lenient", "strict")
    assert first.intake.budget is second.intake.budget
    assert second.intake.admission.token == b"s3cret"


def test_changed_rules_are_taken_over_and_other_ports_are_not():
    before = parse('[[listen]]\ntoken = "old"')
    made = from_config(before, lambda push: succeed(OK), MemoryReactorClock(), watch=Tally())

    made.admit(parse('[[listen]]\ntoken = "new"'))
    assert made.listeners[0].factory.intake.admission.token == b"new"

    for wrong in ('[[listen]]\nendpoint = "tcp:1"', '[[listen]]\nlogin = "basic"'):
        with pytest.raises(ConfigError):
            made.admit(parse(wrong))
    assert made.listeners[0].factory.intake.admission.token == b"new"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("tcp:nonsense", "is not an endpoint"),
        ("carrier-pigeon:8089", "is not an endpoint"),
        ("tcp:8089:colour=blue", "is not an endpoint"),
        ("ssl:8443:privateKey=/nowhere/key.pem", "cannot read /nowhere/key.pem"),
    ],
)
def test_what_is_no_endpoint_is_a_plain_sentence(factory, endpoint, words):
    with pytest.raises(ListenError) as error:
        Listener(endpoint, factory, MemoryReactor()).privilegedStartService()

    assert words in str(error.value)
    assert endpoint in str(error.value)


def test_the_file_limit_is_raised_to_what_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        assert raise_file_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


TWISTEDS_OWN = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
"""Its `ssl:` endpoint uses what pyOpenSSL is about to drop."""

# -- with sockets ------------------------------------------------------------------


def talk(port: int, host: str = "127.0.0.1") -> bytes:
    with socket.create_connection((host, port), timeout=5) as client:
        client.sendall(POST)
        return read(client)


def trusting() -> ssl.SSLContext:
    """A client's side that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def talk_tls(port: int) -> tuple[bytes, bytes]:
    """The answer, and the certificate that was shown."""
    context = trusting()
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    with context.wrap_socket(plain) as client:
        client.sendall(POST)
        return read(client), client.getpeercert(binary_form=True)


def read(client: socket.socket) -> bytes:
    answer = b""
    while piece := client.recv(65_536):
        answer += piece
    return answer


def listening(*listeners: Listener) -> Listeners:
    service = Listeners(listeners, Budget(Limits()))
    service.privilegedStartService()
    service.startService()
    return service


def number(listener: Listener) -> int:
    return listener.port.getHost().port


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "key.pem", folder / "cert.pem"


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_plain_http_on_a_tls_port_is_one_log_line(factory, tmp_path, logged):
    from twisted.internet import reactor

    key, cert = certificate(tmp_path, "one")
    tls = Listener(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}", factory, reactor)
    service = listening(tls)
    try:
        for _ in range(3):
            assert not (await deferToThread(talk, number(tls))).startswith(b"HTTP")
    finally:
        await service.stopService()

    assert [line for line in logged if line.startswith("127.0.0.1")] == [
        "127.0.0.1: TLS failed on an ssl: port; set HTTPS in its menu HTTP Listening, or use a plain port"
    ]


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_plain_and_tls_stand_side_by_side_and_a_certificate_is_renewed(factory, pushes, tmp_path):
    from twisted.internet import reactor

    key, cert = certificate(tmp_path, "one")
    plain = Listener("tcp:0:interface=127.0.0.1", factory, reactor)
    tls = Listener(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}", factory, reactor)
    service = listening(plain, tls)
    try:
        assert (await deferToThread(talk, number(plain))).startswith(b"HTTP/1.1 200 OK\r\n")
        answer, first = await deferToThread(talk_tls, number(tls))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")

        before = number(tls)
        certificate(tmp_path, "two")
        service.renew()
        _, second = await deferToThread(talk_tls, number(tls))
        assert b"two" in second
        assert b"one" in first
        assert number(tls) == before

        cert.write_text("not a certificate")
        service.renew()
        _, third = await deferToThread(talk_tls, number(tls))
        assert third == second
        assert [push.peer.ip for push in pushes] == ["127.0.0.1"] * 4
    finally:
        await service.stopService()


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_cannot_be_used_is_a_plain_sentence(factory, tmp_path):
    from twisted.internet import reactor

    key, cert = certificate(tmp_path, "one")
    other = tmp_path / "other"
    other.mkdir()
    stranger, _ = certificate(other, "two")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a key")

    for wrong in (stranger, garbage):
        with pytest.raises(ListenError, match="see its port, privateKey and certKey"):
            listening(Listener(f"ssl:0:privateKey={wrong}:certKey={cert}", factory, reactor))
    assert key.exists()


# -- clients that say by ALPN what they speak ------------------------------------------


def offering(*names: str) -> Callable[[int], tuple[str | None, bytes]]:
    """A client that offers *names*: what was chosen, and the answer."""

    def ask(port: int) -> tuple[str | None, bytes]:
        context = trusting()
        context.set_alpn_protocols(list(names))
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(plain) as client:
            client.sendall(POST)
            return client.selected_alpn_protocol(), read(client)

    return ask


@pytest.fixture
def tls_listener(factory, tmp_path) -> Iterator[Listener]:
    from twisted.internet import reactor

    key, cert = certificate(tmp_path, "localhost")
    listener = Listener(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}", factory, reactor)
    listening(listener)
    yield listener
    pytest_twisted.blockon(listener.stopService())


@TWISTEDS_OWN
@pytest.mark.functional
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (("http/1.1",), "http/1.1"),
        (("h2", "http/1.1"), "http/1.1"),
        (("http/1.0",), "http/1.0"),
        (("h2",), None),
        (("spdy/1", "x" * 200), None),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_client_that_offers_alpn_is_answered(tls_listener, tmp_path, offered, chosen):
    for round_ in ("as it was started", "with a renewed certificate"):
        name, answer = await deferToThread(offering(*offered), number(tls_listener))

        assert (name, answer[:15]) == (chosen, b"HTTP/1.1 200 OK"), round_
        certificate(tmp_path, "renewed")
        tls_listener.renew()


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_pythons_own_https_client_is_answered(tls_listener, pushes):
    def ask() -> int:
        client = http.client.HTTPSConnection("127.0.0.1", number(tls_listener), timeout=5, context=alpn)
        client.request("POST", "/", b"{}")
        status = client.getresponse().status
        client.close()
        return status

    alpn = trusting()
    alpn.set_alpn_protocols(["http/1.1"])

    assert await deferToThread(ask) == 200
    assert [push.body for push in pushes] == [b"{}"]


@TWISTEDS_OWN
@pytest.mark.functional
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest_twisted.ensureDeferred
async def test_requests_is_answered(tls_listener, pushes):
    requests = pytest.importorskip("requests", reason="requests is not installed")

    def ask() -> int:
        url = f"https://127.0.0.1:{number(tls_listener)}/"
        with requests.Session() as session:
            return session.post(url, data=b"{}", verify=False, timeout=5).status_code

    assert await deferToThread(ask) == 200
    assert [push.body for push in pushes] == [b"{}"]


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_curl_with_its_default_protocols_is_answered(tls_listener, pushes):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    url = f"https://127.0.0.1:{number(tls_listener)}/"
    words = [curl, "-sSk", "--noproxy", "*", "--max-time", "10", "-w", "%{http_code}", "-d", "{}", url]

    done = await deferToThread(subprocess.run, words, capture_output=True, check=False, timeout=30)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"200", b"")
    assert [push.body for push in pushes] == [b"{}"]


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")


@TWISTEDS_OWN
@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_browser_is_answered(tls_listener, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    watch = tls_listener.factory.intake.watch
    url = f"https://127.0.0.1:{number(tls_listener)}/"
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"]
    words += [
        "--no-proxy-server",
        "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'browser'}",
    ]

    done = await deferToThread(
        subprocess.run, [*words, "--dump-dom", url], capture_output=True, check=False, timeout=50
    )

    assert watch.counts["answered 200"] >= 1, done.stderr[-2000:]
    assert b"ERR_" not in done.stdout


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_taken_port_is_a_plain_sentence_and_nothing_stays_open(factory):
    from twisted.internet import reactor

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        first = Listener("tcp:0:interface=127.0.0.1", factory, reactor)
        second = Listener(f"tcp:{busy}:interface=127.0.0.1", factory, reactor)

        with pytest.raises(ListenError) as error:
            listening(first, second)

    assert f"tcp:{busy}" in str(error.value)
    assert "another program listens there" in str(error.value)
    assert first.port is None
    await deferToThread(lambda: None)


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_ipv6_is_listened_to(factory, pushes):
    from twisted.internet import reactor

    listener = Listener(r"tcp6:0:interface=\:\:1", factory, reactor)
    try:
        service = listening(listener)
    except ListenError:
        pytest.skip("this machine has no IPv6")
    try:
        answer = await deferToThread(talk, number(listener), "::1")
    finally:
        await service.stopService()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [push.peer.ip for push in pushes] == ["::1"]


class Waiting:
    """A port, as far as it is asked to wait."""

    connected = True

    def __init__(self) -> None:
        self.said: list[str] = []

    def stopReading(self) -> None:
        self.said.append("stop")

    def startReading(self) -> None:
        self.said.append("start")


def test_without_open_files_a_port_waits_a_second_and_says_so_once_a_minute(logged):
    clock, port = Clock(), Waiting()
    port_log = Logger("x", observer=Exhaustion(port, clock, SenderLog(clock.seconds)))

    for _ in range(5):
        for _ in range(100):
            port_log.info("EMFILE encountered; releasing reserved file descriptor.")
        clock.advance(1)
    port_log.info("Could not accept new connection ({acceptError})", acceptError="ECONNABORTED")

    assert port.said == ["stop", "start"] * 5
    assert len(logged) == 1
    assert "no open files left" in logged[0]

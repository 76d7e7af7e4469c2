"""Debian's mosquitto on a port that the system chooses, and somebody who listens to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import hikrecv_mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pytest_twisted import blockon
from twisted.internet.defer import Deferred

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Said(NamedTuple):
    topic: str
    payload: bytes
    retained: bool


class Mosquitto:
    """A broker of the test's own; :meth:`start` again after :meth:`kill` takes the same port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.folder, self.lines = folder, lines
        self.process: subprocess.Popen | None = None
        self.port = 0

    def start(self) -> Mosquitto:
        for _ in range(5):
            port = self.port or free_port()
            file = self.folder / "mosquitto.conf"
            listener = (
                f"user root\npersistence_location {self.folder}/\n"
                f"log_dest stderr\nlog_type all\nlistener {port} 127.0.0.1\n"
            )
            file.write_text(listener + "\n".join(self.lines) + "\n")
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            if any(b" running" in line for line in self.process.stderr):
                self.port = port
                return self
            self.kill()
        raise AssertionError("mosquitto does not start")

    def end(self) -> None:
        """Let it keep what it has."""
        self.process.terminate()
        self.process.wait(10)
        self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process.stderr.close()
            self.process = None


class Listener:
    """Hears everything on a broker; to be used on the reactor."""

    def __init__(self, port: int, reactor: Any, **login: Any) -> None:
        self.heard: list[Said] = []
        self.reactor = reactor
        self.waiting: list[tuple[Callable[[], bool], Deferred]] = []
        self.ready = False
        self.client = Client(CallbackAPIVersion.VERSION2)
        if login:
            self.client.username_pw_set(**login)
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: reactor.callFromThread(self.subscribed)
        self.client.on_message = lambda client, data, message: reactor.callFromThread(self.hear, message)
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def subscribed(self) -> None:
        self.ready = True
        self.look()

    def hear(self, message: Any) -> None:
        self.heard.append(Said(message.topic, message.payload, bool(message.retain)))
        self.look()

    def look(self) -> None:
        due = [each for each in self.waiting if each[0]()]
        self.waiting = [each for each in self.waiting if each not in due]
        for _, done in due:
            done.callback(None)

    async def until(self, enough: Callable[[], bool]) -> None:
        """Return when *enough* is true; it is asked whenever something is heard."""
        if not enough():
            done: Deferred[None] = Deferred()
            self.waiting.append((enough, done))
            await done.addTimeout(15, self.reactor)

    def on(self, topic: str) -> list[bytes]:
        return [each.payload for each in self.heard if each.topic == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def mqtt(loopback: Any) -> Iterator[Any]:
    """A plugin that has started, with these keys in its table, and the context for its hook."""
    started = []

    async def start(port: int, **table: Any) -> tuple[Any, Any]:
        context = loopback.context(hikrecv_mqtt, "house", host="127.0.0.1", port=port, **table)
        plugin = hikrecv_mqtt.Plugin(context)
        await plugin.hikrecv_start(context)
        started.append(plugin)
        return plugin, context.for_attempt(1)

    yield start
    for plugin in started:
        blockon(Deferred.fromCoroutine(plugin.hikrecv_stop()))


@pytest.fixture
def now(make_event: Any) -> Any:
    """Makes events that were received this moment."""
    return lambda family, **changes: make_event(family, received=datetime.now(timezone.utc), **changes)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers: ``mosquitto("allow_anonymous true")``."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; apt-get install mosquitto")
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        folder = tmp_path / f"broker{len(started)}"
        folder.mkdir()
        started.append(Mosquitto(folder, *(lines or ("allow_anonymous true",))))
        return started[-1].start()

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def listen() -> Iterator[Callable[..., Any]]:
    """Opens listeners: ``heard = await listen(port)``."""
    from twisted.internet import reactor

    opened: list[Listener] = []

    async def open_one(port: int, **login: Any) -> Listener:
        opened.append(Listener(port, reactor, **login))
        await opened[-1].until(lambda: opened[-1].ready)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and what it signed: ca.pem, server.pem/.key, client.pem/.key, other.pem."""
    folder = tmp_path_factory.mktemp("tls")
    authority = _signed(folder, "ca", None)
    for name in "server", "client":
        _signed(folder, name, authority)
    _signed(folder, "other", None)
    return folder


def _signed(folder: Path, name: str, issuer: Any) -> Any:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, signing = issuer or (subject, key)
    now = datetime.now(timezone.utc)
    public = signing.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(signing, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(secret)
    (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return subject, key

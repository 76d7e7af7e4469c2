"""
Each file of `conf/examples/`, as it is shipped, through the whole system: real processes on loopback.

Only addresses, secrets and times of day are exchanged; a device has an address of its own in 127.0.0.0/8.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from functional_harness import BOUND, Receiver, run, until
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from hikrecv.isapi.multipart import split
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity, acusense, anpr, deepinview, minmoe, nvr
from hikrecv.testing.profiles.xml import REGION
from hikrecv.testing.samples import sample

pytestmark = pytest.mark.functional

EXAMPLES = Path(__file__).parents[2] / "conf" / "examples"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BERLIN = ZoneInfo("Europe/Berlin")


class Example:
    """
    A receiver with the shipped text of one example.

    :param changes: what is exchanged in the text; each must stand in it.
    :param secrets: what the files below `/etc/hikrecv/secrets/` say.
    """

    def __init__(
        self, new_receiver: Callable[..., Receiver], name: str, secrets: dict[str, str], **changes: str
    ) -> None:
        self.receiver = new_receiver()
        for secret, text in secrets.items():
            (self.receiver.folder / secret).write_text(text)
        self._shipped = (EXAMPLES / f"{name}.toml").read_text()
        self.configure(**changes)

    def configure(self, only: str = "", **changes: str) -> None:
        """Write it; with *only*, what stands before that."""
        text = self._shipped.partition(only)[0] if only else self._shipped
        always = {"tcp:8089": "tcp:0:interface=127.0.0.1", "10.20.0.": "127.20.0."}
        for old, new in {**changes, **always}.items():
            assert old in text or only or old in always, f"{old!r} stands nowhere in the example"
            text = text.replace(old, new)
        text = text.replace("/etc/hikrecv/secrets", str(self.receiver.folder))
        self.receiver.configure(text.replace("/etc/hikrecv", str(EXAMPLES)))

    def start(self) -> Receiver:
        return self.receiver.start()

    def send(self, last: int, message: Message, path: str = "/") -> bytes:
        """Send *message* from the device 127.20.0.<last>; gives the body of the 200."""
        line = http.client.HTTPConnection(
            "127.0.0.1", self.receiver.port, timeout=20, source_address=(f"127.20.0.{last}", 0)
        )
        with closing(line):
            line.request("POST", path, message.body, {"Content-Type": message.content_type})
            reply = line.getresponse()
            assert reply.status == 200
            return reply.read()


@pytest.fixture
def example(new_receiver) -> Callable[..., Example]:
    """Makes receivers of examples: ``example("punches-to-hr", {"hr": "secret"}, **{"old": "new"})``."""

    def make(name: str, secrets: dict[str, str] | None = None, **changes: str) -> Example:
        return Example(new_receiver, name, secrets or {}, **changes)

    return make


def now() -> datetime:
    return datetime.now().astimezone()


def test_every_example_has_a_test() -> None:
    tested = {
        "mail-with-face",
        "barrier-for-plates",
        "turnstile-decision",
        "punches-to-hr",
        "human-at-night",
        "home-assistant",
        "mirror-to-hikcentral",
        "departments",  # in memory: tests/reactions/test_example_plugins.py
    }

    assert {file.stem for file in EXAMPLES.glob("*.toml")} == tested


# -- a mail with the face when somebody from library X is seen -----------------------


class Mailbox:
    """A mail server with STARTTLS and a login, in a thread with a loop of its own."""

    def __init__(self, certificate: Path) -> None:
        self.mails: SimpleQueue[EmailMessage] = SimpleQueue()
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.talks: list[SMTP] = []
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

        def talk() -> SMTP:
            options = {"require_starttls": True, "tls_context": tls, "auth_required": True}
            self.talks.append(SMTP(self, loop=self.loop, authenticator=self.login, **options))
            return self.talks[-1]

        opening = self.loop.create_server(talk, "127.0.0.1", 0)
        self.server = asyncio.run_coroutine_threadsafe(opening, self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]

    def login(self, server, session, envelope, mechanism, given) -> AuthResult:
        right = (given.login, given.password) == (b"hikrecv@example.org", b"Mail-1234")
        return AuthResult(success=right, handled=False)

    async def handle_DATA(self, server, session, envelope) -> str:
        self.mails.put(message_from_bytes(envelope.content, policy=MAIL))
        return "250 OK"

    def close(self) -> None:
        async def end() -> None:
            self.server.close()
            for talk in self.talks:
                if talk.transport is not None:
                    talk.transport.abort()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(timezone.utc) - timedelta(days=1))
        .not_valid_after(datetime.now(timezone.utc) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def mailbox(certificate: Path) -> Iterator[Mailbox]:
    mailbox = Mailbox(certificate)
    yield mailbox
    mailbox.close()


def test_a_mail_with_the_face_when_somebody_from_a_library_is_seen(example, mailbox, certificate) -> None:
    there = f'host = "127.0.0.1"\nport = {mailbox.port}\nca = "file:{certificate}"'
    running = example("mail-with-face", {"mail": "Mail-1234"}, **{'host = "mail.example.org"': there})
    receiver = running.start()
    known = deepinview.comparison(Identity(1), now(), 1)

    running.send(11, deepinview.comparison(Identity(1), now(), 3, known=False))
    running.send(11, known)
    running.send(11, deepinview.comparison(Identity(1), now(), 2))
    receiver.wait_until_idle()

    mail = mailbox.mails.get(timeout=10)
    parts, _ = split(known.body, known.content_type.encode())
    face = next(known.body[each.start : each.end] for each in parts if each.name == "faceImage")
    pictures = [each.get_content() for each in mail.walk() if each.get_content_maintype() == "image"]
    assert mail["Subject"] == "Maria Lopez has come"
    assert (mail["To"], mail["From"]) == ("reception@example.org", "Entrance <hikrecv@example.org>")
    assert pictures == [face]
    # Neither for the stranger, nor for her once more within ten minutes.
    assert mailbox.mails.empty()
    assert receiver.dead_letters("seen") == []


# -- the barrier for plates of a CSV on weekdays --------------------------------------

BARRIER = """
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from hikrecv.testing.door import DigestDevice

def say(*words):
    print(*words, flush=True)

device = DigestDevice(reactor, heard=lambda told: say(told.what, told.number, told.word))
ensureDeferred(device.listen(reactor)).addCallback(say)
reactor.run()
"""


class Barrier:
    """A device with digest login in a process of its own, which says what it is told to do."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", BARRIER]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.done: list[str] = []
        self._reading = Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reading.start()

    def _read(self, lines: Any) -> None:
        self.done.extend(line.strip() for line in lines)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(BOUND)
        self._reading.join(10)
        self.process.stdout.close()


@pytest.fixture
def barrier() -> Iterator[Barrier]:
    barrier = Barrier()
    yield barrier
    barrier.close()


def test_the_barrier_opens_for_the_plates_of_a_list_on_weekdays(example, barrier) -> None:
    days, times = 'days = ["mon", "tue", "wed", "thu", "fri"]', '"05:30-21:00"'
    today = {datetime.now(BERLIN).weekday(), (datetime.now(BERLIN) + timedelta(minutes=5)).weekday()}
    others = ", ".join(f'"{day}"' for number, day in enumerate(WEEK) if number not in today)
    here = {'address = "10.20.0.14"': f'address = "127.20.0.14"\nurl = "{barrier.url}"'}
    here |= {'user = "barrier"': 'user = "admin"'}
    running = example(
        "barrier-for-plates", {"ramp": "Door-1234"}, **here, **{days: f"days = [{others}]", times: ""}
    )
    receiver = running.start()

    running.send(14, anpr.read(Identity(1), now(), "B AB 1234", turn=1))
    receiver.wait_until_idle()
    running.configure(**here, **{days: "days = []", times: ""})
    receiver.tell("reload")
    running.send(14, anpr.read(Identity(1), now(), "M ZZ 99", turn=2))
    running.send(13, anpr.read(Identity(1), now(), "B AB 1234", turn=3))
    running.send(14, anpr.read(Identity(1), now(), "B·AB I234", turn=4))
    running.send(14, anpr.read(Identity(1), now(), "B·AB I234", turn=5))
    receiver.wait_until_idle()
    audit = [
        msgspec.json.decode(line)
        for line in (receiver.state.plugins / "barrier" / "audit.jsonl").read_bytes().splitlines()
    ]

    # Not on the other days; for no stranger; for no camera that is not named; I for 1, and once for one car.
    until(lambda: barrier.done, "the barrier opens")
    assert barrier.done == ["gate 1 open"]
    assert [line["verdict"] for line in audit if "verdict" in line] == ["unknown", "allow"]
    assert audit[-1]["result"] == "done"


# -- the decision of a turnstile -----------------------------------------------------


def test_a_terminal_that_asks_is_answered_in_its_own_request(example) -> None:
    running = example("turnstile-decision")
    receiver = running.start()

    def ask(serial: int, person: int, last: int = 21) -> dict[str, Any]:
        asking = minmoe.verified(Identity(1), now(), serial, person=person, remote_check=True)
        return msgspec.json.decode(running.send(last, asking))["RemoteCheck"]

    answers = [ask(1, person=0), ask(2, person=2), ask(3, person=0, last=22)]
    receiver.kill()
    receiver.start()

    assert answers == [
        {"serialNo": 1, "checkResult": "success"},
        {"serialNo": 2, "checkResult": "failed"},
        {"serialNo": 3, "checkResult": "failed"},
    ]
    assert len(receiver.kept()) == 3


# -- every punch, exactly once -----------------------------------------------------------


class Hr(BaseHTTPRequestHandler):
    """An HR system that is not well; it keeps the keys of what it has done, as the example says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.asked += 1
        trouble = server.trouble(server.asked)
        if trouble in ("", "lost"):
            assert self.headers["Authorization"] == "Bearer Hr-1234"
            server.done.setdefault(self.headers["Idempotency-Key"], msgspec.json.decode(body))
        if trouble in ("lost", "drop"):
            self.close_connection = True
            return
        self.send_response(503 if trouble else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def hr() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hr) as server:
        server.daemon_threads = True
        server.asked, server.done = 0, {}
        server.trouble = lambda asked: ""
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_every_punch_goes_exactly_once_into_an_hr_system_that_is_down(example, hr) -> None:
    there = {"https://hr.example.org": f"http://127.0.0.1:{hr.server_port}"}
    running = example("punches-to-hr", {"hr": "Hr-1234", "token": "s3cret"}, **there)
    running.configure("[reactions.hr]")
    receiver = running.start()
    began = now()

    def punch(serial: int) -> Message:
        moment = began + timedelta(milliseconds=serial)
        return minmoe.verified(Identity(1), moment, serial, person=serial % 3)

    for serial in range(1, 11):  # before there was anybody to tell
        running.send(21, punch(serial), "/s3cret")
    receiver.stop()
    running.configure(**there)
    hr.trouble = lambda asked: ("down", "drop", "lost")[asked % 3]
    receiver.start()
    for serial in range(11, 26):
        running.send(21, punch(serial), "/s3cret")
        running.send(21, minmoe.refused(Identity(1), now(), 1000 + serial), "/s3cret")
    until(lambda: hr.asked >= 2, "the HR system is asked")
    receiver.kill()
    receiver.start()
    for serial in range(20, 41):  # the first six, once more: the terminal is not sure that they came
        running.send(21, punch(serial), "/s3cret")
    hr.trouble = lambda asked: "lost" if asked % 4 == 0 else ""
    receiver.wait_until_idle()

    punched = [event for event in receiver.events() if event.access and event.access.employee_no]
    first = {event.key: event.access.employee_no for event in punched if event.duplicate_of is None}
    assert len(first) == 40
    assert {key: said["employee"] for key, said in hr.done.items()} == first
    assert list(hr.done) == list(first)
    assert [said["id"] for said in hr.done.values()] == list(first)
    assert {(said["terminal"], said["direction"]) for said in hr.done.values()} == {("terminal", "in")}
    assert hr.asked > 40
    assert receiver.dead_letters("hr") == []


# -- a human at the gate by night, to a phone ----------------------------------------------


class Phone(BaseHTTPRequestHandler):
    """What apprise's json:// talks to."""

    def do_POST(self) -> None:
        said = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, said))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def phone() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Phone) as server:
        server.daemon_threads = True
        server.heard = []
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_human_and_no_vehicle_at_the_gate_by_night_comes_to_a_phone(example, phone) -> None:
    def hours(first: int, last: int) -> dict[str, str]:
        begin, end = (datetime.now(BERLIN) + timedelta(hours=each) for each in (first, last))
        return {'"22:00-06:00"': f'"{begin:%H:%M}-{end:%H:%M}"'}

    url = f"json://127.0.0.1:{phone.server_port}/s3cret-t0ken"
    running = example("human-at-night", {"phone": url}, **hours(3, 6))
    receiver = running.start()
    inside = REGION.format(target="human")

    running.send(15, acusense.bare(Identity(1), now(), "linedetection", inside=inside))  # by day
    receiver.wait_until_idle()
    running.configure(**hours(-1, 2))
    receiver.tell("reload")
    running.send(15, acusense.intrusion(Identity(1), now(), "vehicle"))
    running.send(14, acusense.intrusion(Identity(3), now(), "human"))  # not at the gate
    running.send(15, acusense.intrusion(Identity(1), now(), "human"))
    running.send(15, acusense.intrusion(Identity(1), now(), "human", count=2))
    receiver.wait_until_idle()

    ((path, said),) = phone.heard
    assert path == "/s3cret-t0ken"
    assert said["title"] == "Somebody at the gate"
    assert "human" in said["message"]
    assert len(said["attachments"]) == 1
    assert "s3cret-t0ken" not in receiver.log


# -- everything to Home Assistant ---------------------------------------------------------------


class House:
    """Debian's mosquitto, and somebody who listens to all of it."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed; apt-get install mosquitto")
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        passwords, table = folder / "passwords", folder / "mosquitto.conf"
        passwd = shutil.which("mosquitto_passwd")
        assert passwd is not None
        run([passwd, "-b", "-c", str(passwords), "hikrecv", "Mqtt-1"])
        table.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\npassword_file {passwords}\npersistence false\n"
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([program, "-c", str(table)], cwd=folder, **quiet)
        self.said: list[tuple[str, bytes]] = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("hikrecv", "Mqtt-1")
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.on_message = lambda client, data, heard: self.said.append((heard.topic, heard.payload))
        until(self._open, "mosquitto takes connections")
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()

    def _open(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def on(self, topic: str) -> list[bytes]:
        return [payload for name, payload in self.said if name == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.process.kill()
        self.process.wait(BOUND)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def test_everything_appears_in_home_assistant_by_itself(example, house) -> None:
    there = {'host = "homeassistant.local"': f'host = "127.0.0.1"\nport = {house.port}'}
    running = example("home-assistant", {"mqtt": "Mqtt-1"}, **there)
    receiver = running.start()
    human = acusense.intrusion(Identity(1), now(), "human")

    running.send(15, human)
    running.send(15, acusense.intrusion(Identity(1), now(), "human", count=2))
    running.send(15, acusense.bare(Identity(1), now(), "fielddetection", state="inactive"))
    running.send(2, nvr.forwarded(Identity(2), now(), "VMD", 33))
    receiver.wait_until_idle()
    until(lambda: house.on("hikrecv/nvr_33/motion"), "the last event is heard")

    described = {topic: msgspec.json.decode(said) for topic, said in house.said if topic.endswith("/config")}
    gate = described["homeassistant/binary_sensor/gate/intrusion/config"]
    yard = next(each for topic, each in described.items() if topic.endswith("/motion/config"))
    parts, _ = split(human.body, human.content_type.encode())
    scene = human.body[parts[1].start : parts[1].end]
    assert (gate["name"], gate["device"]["name"]) == ("Intrusion", "gate")
    assert "off_delay" not in gate
    assert house.on(gate["state_topic"]) == [b"ON", b"OFF"]
    assert house.on(yard["state_topic"]) == [b"ON"]
    assert house.on(described["homeassistant/image/gate/picture/config"]["image_topic"])[0] == scene
    assert house.on("hikrecv/gate/intrusion/picture")[0] == scene
    assert msgspec.json.decode(house.on("hikrecv/gate/intrusion")[0])["targets"][0]["kind"] == "human"
    assert house.on(gate["availability_topic"])[-1] == b"online"
    receiver.stop()
    until(lambda: house.on(gate["availability_topic"])[-1] == b"offline", "it says that it is gone")


# -- mirror to HikCentral -------------------------------------------------------------------------


def test_every_request_is_passed_on_to_another_receiver_byte_for_byte(example, new_receiver) -> None:
    center = new_receiver().start()
    running = example(
        "mirror-to-hikcentral", **{"http://10.20.0.5:15300/": f"http://127.0.0.1:{center.port}/"}
    )
    receiver = running.start()
    sent = [
        deepinview.comparison(Identity(1), now(), 1),
        minmoe.heartbeat(Identity(1), now()),
        anpr.read(Identity(1), now(), "B AB 1234"),
        nvr.forwarded(Identity(2), now(), "VMD", 33),
    ]

    for message in (sample("test", Identity(1), now()), *sent):
        running.send(7, message, "/hik/events")
    receiver.wait_until_idle()

    assert list(center.kept().values()) == list(receiver.kept().values())[1:]
    assert [event.type for event in center.events()] == [event.type for event in receiver.events(2)]

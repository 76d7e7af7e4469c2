"""Real receivers, real senders, and what is in the journal afterwards."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, NamedTuple, TypeVar

import msgspec
import xxhash
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hikrecv import control
from hikrecv.archive import Archive
from hikrecv.cli.main import command
from hikrecv.config import Config, JournalTable
from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.journal.journal import Journal
from hikrecv.journal.ledger import DeadLetter, Ledger
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.store import Store
from hikrecv.push import Peer, Push
from hikrecv.state import State
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.acusense import bare
from hikrecv.testing.profiles.deepinview import comparison
from hikrecv.testing.profiles.xml import REGION

T = TypeVar("T")

BIN = Path(sys.executable).parent
LISTEN = '[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
READY = 20.0
LOOK = 0.02
BOUND = 60.0
"""Seconds for any command; none of them takes so long."""


def until(met: Callable[[], T], what: str, seconds: float = 15.0) -> T:
    """Look again and again until *met* gives something true, and give that."""
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(LOOK)
    return found


def digest(body: bytes) -> str:
    """By what a body is known."""
    return xxhash.xxh3_128_hexdigest(body)


def certificate(folder: Path, name: str) -> None:
    """A key and a certificate of that name, as `key.pem` and `cert.pem`."""
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
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))


# -- a receiver -----------------------------------------------------------------


class Receiver:
    """
    A receiver in a process of its own, with a folder of its own.

    :param tables: what the configuration says beside where to listen.
    :param plugins: files for its `plugin_dirs`, by name.
    """

    def __init__(self, folder: Path, tables: str = "", *, plugins: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.state = State(folder / "state")
        self.config = folder / "hikrecv.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"
        (folder / "plugins").mkdir(parents=True)
        for name, text in (plugins or {}).items():
            self.plugin(name, text)
        self.configure(tables)

    def configure(self, tables: str) -> None:
        """Write the configuration."""
        listen = "" if "[[listen]]" in tables else LISTEN
        self.config.write_text(f'state_dir = "state"\nplugin_dirs = ["plugins"]\n{listen}{tables}')

    def plugin(self, name: str, text: str) -> None:
        """Write the plugin *name*."""
        (self.folder / "plugins" / f"{name}.py").write_text(text)

    # -- its life -----------------------------------------------------------------

    def start(self, *command: str, ready: bool = True) -> Receiver:
        """
        Start it and wait until it can be asked things, which is the last that it opens.

        :param command: another than `hikrecv run` with the configuration.
        """
        words = command or (str(BIN / "hikrecv"), "run", "--config", str(self.config))
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                start_new_session=True,
            )
        if ready:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Wait until it answers on its control socket."""
        until(self._is_ready, "the receiver is ready", READY)

    def _is_ready(self) -> bool:
        ended = None if self.process is None else self.process.poll()
        assert ended in (None, 0), f"the receiver ended with {ended}:\n{self.log}"
        try:
            return bool(self.tell("status"))
        except (HikrecvError, OSError):
            return False

    @property
    def busy(self) -> float:
        """Seconds of CPU that its process has used: what a busy machine does not change."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(BOUND)

    def stop(self, bound: float = 30.0) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(bound)

    def end(self) -> None:
        """End what is left of it, children too."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(BOUND)

    # -- asking it ------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything that it said, in all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_for_log(self, text: str, seconds: float = 15.0) -> None:
        """Wait until it has said that."""
        until(lambda: text in self.log, f"{text!r} in the log", seconds)

    def tell(self, do: str, **arguments: Any) -> Any:
        """Ask it over its control socket."""
        return control.call(self.state.control, do, **arguments)

    @property
    def ports(self) -> list[int]:
        """Where it listens now."""
        return [int(address.rpartition(":")[2]) for address in self.tell("status")["listening"]]

    @property
    def port(self) -> int:
        """The first of them."""
        return self.ports[0]

    def reaction(self, name: str) -> dict[str, Any]:
        """How one of its reactions is."""
        return next(row for row in self.tell("reactions") if row["name"] == name)

    def wait_until_idle(self, seconds: float = 40.0, *, but: str = "") -> None:
        """Wait until every event has come to its end with all reactions *but* one, and for no back-off."""

        def idle() -> bool:
            rows = [row for row in self.tell("reactions") if row["name"] != but]
            for row in rows:
                if row["state"] in ("retrying", "probing", "losing"):
                    self.tell("reactions.resume", name=row["name"])
            # A reaction that has not got its place yet has no lag to show.
            return not any(row.get("lag_events") or row["state"] == "stopped" for row in rows)

        until(idle, "nothing is left to be handed over", seconds)

    def dead_letters(self, reaction: str) -> list[DeadLetter]:
        """What a reaction gave up."""
        with contextlib.closing(Ledger.read(self.state.ledger)) as ledger:
            return ledger.dead_letters(reaction)

    def command(self, *words: str, code: int = 0) -> str:
        """Run `hikrecv` with *words* on it; gives what it printed, both ways."""
        stopped = self.process is None or self.process.poll() is not None
        # What a stopped receiver's commands do themselves needs a reactor, and they leave it behind.
        apart = words[0] == "try" or (stopped and words[0] in ("replay", "dead-letters"))
        return hikrecv(*words, "--config", str(self.config), code=code, apart=apart)

    def command_on_state(self, *words: str, code: int = 0) -> str:
        """The same without the configuration."""
        return hikrecv(*words, "--state-dir", str(self.state.root), code=code)

    # -- what it has kept --------------------------------------------------------------

    def kept(self, start: int = 1) -> dict[int, str]:
        """The digests of the bodies in the journal, by number, in order."""
        damages: list[object] = []
        reader = JournalReader(self.state.root)
        entries = reader.entries(max(start, reader.first), damage=damages.append)
        kept = {entry.seq: digest(entry.push.body) for entry in entries}
        assert not damages, damages
        return kept

    def pushes(self) -> Iterator[Push]:
        """The pushes in the journal, in order."""
        reader = JournalReader(self.state.root)
        return (entry.push for entry in reader.entries(reader.first))

    def events(self, start: int = 1) -> Iterator[Event]:
        """The events in the journal, as commands see them."""
        for _, events in Archive(self.state, Config()).events(start):
            yield from events


def unmarked_repeats(receiver: Receiver, kept: Mapping[int, str]) -> list[str]:
    """The events whose body is in the journal before them and which do not say so."""
    first: dict[str, int] = {}
    repeats = {seq for seq, known in kept.items() if first.setdefault(known, seq) != seq}
    ids: dict[str, str] = {}
    wrong = []
    for event in receiver.events(min(kept)):
        known = kept[event.seq]
        if event.seq not in repeats:
            ids[f"{known} {event.n}"] = event.id
        elif event.duplicate_of != ids[f"{known} {event.n}"]:
            wrong.append(event.id)
    return wrong


def hikrecv(*words: str, code: int = 0, apart: bool = False) -> str:
    """
    Run the command, which has to exit with *code*; gives what it printed, both ways.

    In this process, which saves half a second each time, unless it is to be *apart*.
    """
    if apart:
        return run([str(BIN / "hikrecv"), *words], code)
    ended = CliRunner().invoke(command, words)
    said, found = ended.output, ended.exit_code
    if isinstance(ended.exception, HikrecvError):
        found = ended.exception.exit_code
        said += "".join(f"hikrecv: {line}\n" for line in str(ended.exception).splitlines())
    elif ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert found == code, f"{words} exited with {found}:\n{said}"
    return said


def run(line: list[str], code: int = 0, folder: Path | None = None) -> str:
    """Run a command that has to exit with *code*."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=BOUND, cwd=folder, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == code, f"{line[1:]} exited with {done.returncode}:\n{said}"
    return said


# -- devices ----------------------------------------------------------------------


class Answer(NamedTuple):
    """What a device was told."""

    status: int
    headers: dict[str, str]
    seconds: float


_numbers = count(1)


class Device:
    """
    One device with one connection, which it keeps as long as the receiver does.

    Every eighth message is a face comparison with its pictures (290 kB), the others are
    alerts of 1 kB; no two are alike, nor are two devices.
    """

    def __init__(self, port: int | None = None, *, large_every: int = 8, source: str | None = None) -> None:
        self.who = Identity(next(_numbers))
        self.port = port
        self._source = None if source is None else (source, 0)
        self._large_every = large_every
        self._turn = 0
        self.line: http.client.HTTPConnection | None = None

    def message(self) -> Message:
        """Its next message."""
        self._turn += 1
        now = datetime.now().astimezone()
        if self._large_every and self._turn % self._large_every == 0:
            return comparison(self.who, now, self._turn)
        return bare(self.who, now, "linedetection", inside=REGION.format(target="human"), count=self._turn)

    def send(self, message: Message | None = None) -> Answer:
        """Send one.  :raises OSError: when there is no answer."""
        message = message or self.message()
        began = time.monotonic()
        try:
            if self.line is None:
                self.line = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=30, source_address=self._source
                )
            self.line.request("POST", "/", message.body, {"Content-Type": message.content_type})
            reply = self.line.getresponse()
            reply.read()
        except http.client.HTTPException as error:
            self.hang_up()
            raise OSError(f"no answer: {error!r}") from None
        except OSError:
            self.hang_up()
            raise
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, headers, time.monotonic() - began)

    def hang_up(self) -> None:
        """Close its connection."""
        if self.line is not None:
            self.line.close()
            self.line = None

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()


def post(port: int, message: Message) -> Answer:
    """Send one message over a connection of its own."""
    with Device(port) as device:
        return device.send(message)


class Fleet:
    """
    Devices that go on sending, whatever becomes of the receiver; each repeats a message until it is told 200.

    :param pace: seconds between two messages of a device.
    :ivar acknowledged: digests of the bodies that were answered with 200.
    :ivar answers: how often each status was answered.
    :ivar seconds: how long each answer took.
    """

    def __init__(
        self, devices: int = 8, *, pace: float = 0.0, large_every: int = 8, first: int = 100
    ) -> None:
        self.acknowledged: set[str] = set()
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()
        self.repeats = 0
        self._port: int | None = None
        self._pace = pace
        self._ended = Flag()
        crowd = (Device(large_every=large_every) for _ in range(devices))
        self._threads = [Thread(target=self._live, args=(each,), daemon=True) for each in crowd]

    def start(self, port: int) -> Fleet:
        """Let them send."""
        self._port = port
        for thread in self._threads:
            thread.start()
        return self

    def go_to(self, port: int | None) -> None:
        """The receiver is elsewhere now, or nowhere."""
        self._port = port

    def stop(self) -> None:
        """Let each come to the end of what it is doing."""
        self._ended.set()
        for thread in self._threads:
            thread.join(BOUND)

    def wait_for(self, more: int, seconds: float = 30.0) -> None:
        """Wait until *more* messages than now are acknowledged."""
        goal = len(self.acknowledged) + more
        until(lambda: len(self.acknowledged) >= goal, f"{more} more messages are acknowledged", seconds)

    def quantile(self, share: float) -> float:
        """Within how many seconds that share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _live(self, device: Device) -> None:
        while not self._ended.is_set():
            self._deliver(device, device.message())
            if self._pace:
                self._ended.wait(self._pace)
        device.hang_up()

    def _deliver(self, device: Device, message: Message) -> None:
        known, tries = digest(message.body), 0
        while not (self._ended.is_set() and tries):
            device.port, tries = self._port, tries + 1
            try:
                answer = device.send(message) if device.port is not None else None
            except OSError as error:
                self.failures[type(error).__name__] += 1
                answer = None
            if answer is not None:
                self.answers[answer.status] += 1
                self.seconds.append(answer.seconds)
                if answer.status == 200:
                    self.acknowledged.add(known)
                    self.repeats += tries - 1
                    return
            self._ended.wait(LOOK)


# -- plugins that write down what they were given ----------------------------------------

NOTES = '''
from hikrecv import Retry, hookimpl

def note(context, *words):
    """One line, on its way to the disk when this returns: the end of the process does not undo it."""
    line = " ".join(map(str, words)).encode() + b"\\n"
    with open(context.state_dir / "notes", "ab", buffering=0) as out:
        end = out.seek(0, 2)
        try:
            written = out.write(line)
        except OSError:
            written = 0
        if written < len(line):
            out.truncate(end)
            raise Retry("the disk is full")
'''

NOTING = (
    NOTES
    + """
@hookimpl
async def hikrecv_event(event, context):
    note(context, event.seq, event.key)
"""
)


class Noted(NamedTuple):
    """One line of a noting plugin."""

    seq: int
    key: str


def noted(receiver: Receiver, reaction: str) -> list[Noted]:
    """What a noting reaction was given, in the order in which it was."""
    path = receiver.state.plugins / reaction / "notes"
    if not path.exists():
        return []
    lines = (line.split(" ", 1) for line in path.read_text().splitlines())
    return [Noted(int(seq), key) for seq, key in lines]


def json_lines(text: str) -> list[dict[str, Any]]:
    """Each line of *text* as JSON."""
    return [msgspec.json.decode(line) for line in text.splitlines()]


# -- a journal with a past -----------------------------------------------------------------


def fill(state: State, events: int) -> None:
    """Give an empty state directory a journal of *events* alerts of 1 kB, as a receiver writes them."""
    now = datetime.now().astimezone()
    alert = bare(Identity(1), now, "linedetection", inside=REGION.format(target="human"))
    before, _, after = alert.body.partition(b"<activePostCount>1<")
    headers = ((b"Content-Type", alert.content_type.encode()),)
    peer = Peer("10.0.0.1", 40_000, "none")
    began = time.time_ns() - events * 1_000_000
    journal = Journal.open(
        state.root, JournalTable(), from_thread=_here, on_broken=_broken, threaded=False, store=_Unsynced()
    )
    for number in range(1, events + 1):
        body = b"%b<activePostCount>%d<%b" % (before, number, after)
        journal.append(Push(received=began + number * 1_000_000, peer=peer, headers=headers, body=body))
        if number % 256 == 0:
            journal.commit()
    journal.commit()
    journal.close()
    Ledger.open(state.ledger).close()


class _Unsynced(Store):
    """Nobody pulls the plug while the past is made."""

    def sync(self, fd: int) -> None: ...

    def sync_directory(self, directory: Path) -> None: ...


def _here(function: Callable[..., Any], *arguments: Any) -> None:
    function(*arguments)


def _broken(error: Exception) -> None:
    raise error

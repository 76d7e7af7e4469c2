"""Whatever firmware does to a request, with the real receiver: the rows of the table, and what breaks off."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from functional_harness import Receiver, until

from hikrecv.journal.reader import JournalReader
from hikrecv.push import Push
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.acusense import bare
from hikrecv.testing.profiles.deepinview import comparison
from hikrecv.testing.profiles.minmoe import verified
from hikrecv.testing.profiles.xml import REGION

pytestmark = pytest.mark.functional

WIRE = Path(__file__).resolve().parents[1] / "wire"
NOW = datetime.now(timezone.utc)
TABLES = """
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
mode = "strict"
[limits]
body_time = "3s"
header_time = "3s"
"""
MODES = ("lenient", "strict")


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"functional_wire_{name}", WIRE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rows, outcomes = load("rows"), load("outcomes")


class Heard(NamedTuple):
    """What a device got for a row, and from which port it had sent it."""

    statuses: list[int]
    closed: bool
    port: int


def play(port: int, row: Any, patience: float) -> Heard:
    """Send a row; it is over when the connection is closed, or when nothing comes any more."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as line:
        ours, answer, closed = line.getsockname()[1], b"", False
        try:
            for step in row.steps:
                line.sendall(step)
            if row.then == "half-close":
                line.shutdown(socket.SHUT_WR)
            while not closed:
                piece = line.recv(4096)
                answer, closed = answer + piece, not piece
        except TimeoutError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            closed = True
    statuses = [int(status) for status in re.findall(rb"(?m)^HTTP/1\.1 (\d{3}) ", answer)]
    return Heard([status for status in statuses if status != 100], closed, ours)


def pushes(receiver: Receiver) -> list[Push]:
    reader = JournalReader(receiver.state.root)
    return [entry.push for entry in reader.entries(reader.first)]


@pytest.mark.parametrize("mode", MODES)
def test_every_row_is_answered_kept_and_understood(new_receiver, mode: str) -> None:
    receiver: Receiver = new_receiver(TABLES).start()
    port = receiver.ports[MODES.index(mode)]

    with ThreadPoolExecutor(len(rows.ROWS)) as pool:
        heard = list(pool.map(lambda row: play(port, row, 6.0), rows.ROWS))
    receiver.stop()

    wrong = {
        row.id: (one.statuses, one.closed)
        for row, one in zip(rows.ROWS, heard, strict=True)
        if one.statuses != outcomes.statuses(row, mode) or one.closed != outcomes.closes(row, mode)
    }
    assert wrong == {}
    kept: dict[int, list[bytes]] = {}
    for push in pushes(receiver):
        kept.setdefault(push.peer.port, []).append(push.body)
    for row, one in zip(rows.ROWS, heard, strict=True):
        if row.asks:
            continue
        # Of what is no request ten a minute are kept: these come all at once from one address.
        acknowledged = [body for body, status in zip(row.bodies, one.statuses, strict=False) if status == 200]
        assert kept.get(one.port, [])[: len(acknowledged)] == acknowledged, row.id
    assert "Traceback" not in receiver.log
    assert not [event for event in receiver.events() if "decoder-failed" in event.anomalies]


# -- what breaks off -----------------------------------------------------------------


def cut(message: Any, share: float) -> bytes:
    """A terminal's request whose body ends early, whatever its Content-Length says."""
    data: bytes = message.request()
    head, _, body = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[: int(len(body) * share)]


ALERT = bare(Identity(1), NOW, "linedetection", inside=REGION.format(target="human"))
TERMINAL = verified(Identity(1), NOW, 4711)


@pytest.mark.parametrize("how", ["waits", "half-closes", "closes"])
def test_a_terminal_that_cuts_its_picture_is_acknowledged(new_receiver, how: str) -> None:
    receiver: Receiver = new_receiver(TABLES).start()

    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(cut(TERMINAL, 0.6))
        if how == "half-closes":
            line.shutdown(socket.SHUT_WR)
        if how != "closes":
            assert line.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
            assert line.recv(4096) == b""
    until(lambda: len(receiver.kept()) == 1, "it is kept")

    (event,) = receiver.events()
    assert (event.family, event.access.person, event.access.serial_no) == ("access", "Ada Lovelace", 4711)
    assert "truncated" in event.anomalies
    assert event.pictures[0].size > 1_000
    assert "a request was cut after" in receiver.log


def test_a_request_that_is_cut_in_its_document_is_kept_and_told_408(new_receiver) -> None:
    receiver: Receiver = new_receiver(TABLES).start()
    head, _, body = comparison(Identity(1), NOW, 1).request().partition(b"\r\n\r\n")

    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(head + b"\r\n\r\n" + body[:400])
        line.shutdown(socket.SHUT_WR)
        assert line.recv(4096).startswith(b"HTTP/1.1 408 ")

    (event,) = receiver.events()
    assert "truncated" in event.anomalies


def test_a_body_without_any_length_is_taken_until_it_is_whole(new_receiver) -> None:
    receiver: Receiver = new_receiver(TABLES).start()
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {TERMINAL.content_type}\r\n\r\n".encode()

    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(head + TERMINAL.body)
        assert line.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(head)
        assert line.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")

    assert [event.family for event in receiver.events()] == ["access", "test"]


LENGTHLESS = {
    "no header at all": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
    "an empty coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
    "a folded length": b"POST / HTTP/1.1\r\n Content-Length: 300\r\nHost: x\r\n\r\n",
    "no colon": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length 300\r\n\r\n",
    "a blank for the dash": b"POST / HTTP/1.1\r\nHost: x\r\nContent Length: 300\r\n\r\n",
    "HTTP/1.0": b"POST / HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("pause", [0.0, 1.5])
def test_an_event_that_says_nothing_of_its_length_is_that_event_and_no_test(new_receiver, pause) -> None:
    receiver: Receiver = new_receiver(TABLES).start()

    def send(head: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
            line.sendall(head + (b"" if pause else ALERT.body))
            if pause:
                time.sleep(pause)  # a device that makes its picture between head and body
                line.sendall(ALERT.body)
            answer = line.recv(4096)
            assert line.recv(4096) == b""
            return answer[:12]

    with ThreadPoolExecutor(len(LENGTHLESS)) as pool:
        told = dict(zip(LENGTHLESS, pool.map(send, LENGTHLESS.values()), strict=True))
    receiver.stop()

    assert told == dict.fromkeys(LENGTHLESS, b"HTTP/1.1 200")
    assert [push.body for push in pushes(receiver)] == [ALERT.body] * len(LENGTHLESS)
    assert {event.family for event in receiver.events()} == {"line-crossing"}
    assert all("no-length" in event.anomalies for event in receiver.events())


NOTE = Path(__file__).resolve().parents[3] / "shared" / "vendor-note.txt"


def as_printed() -> bytes:
    """A face event as the manufacturer's note prints it: LF, and an empty line behind every header."""
    head, _, body = comparison(Identity(1), NOW, 1).request().partition(b"\r\n\r\n")
    document = body[: body.index(b"\r\n--", 10)]
    lines = head.split(b"\r\n") + document.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return b"\n\n".join((*lines, document.partition(b"\r\n\r\n")[2])).replace(b"\r\n", b"\n")


def as_printed_by_the_manufacturer() -> bytes:
    if not NOTE.exists():
        pytest.skip("the manufacturer's note is not beside the checkout")
    note = NOTE.read_bytes()
    return note[note.index(b"POST / HTTP/1.1") :]


@pytest.mark.parametrize("printed", [as_printed, as_printed_by_the_manufacturer])
def test_a_request_as_the_manufacturers_note_prints_it_is_its_event(new_receiver, printed) -> None:
    receiver: Receiver = new_receiver(TABLES).start()
    request = printed()

    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(request)
        assert line.recv(4096).startswith(b"HTTP/1.1 ")

    (event,) = receiver.events()
    assert (event.family, event.wire_type) == ("face-match", "alarmResult")
    assert {"bare-lf", "no-length", "head-in-body"} <= set(event.anomalies)
    (push,) = pushes(receiver)
    assert push.body == request.partition(b"\n\n")[2]


def test_an_event_in_the_query_of_a_get_is_an_event(new_receiver) -> None:
    receiver: Receiver = new_receiver(TABLES).start()
    query = "eventType=linedetection&eventState=active&macAddress=ac:cb:51:00:00:09&channelID=2"

    for target in (f"/?{query}", "/", "/?a=b"):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
            line.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")

    (event,) = receiver.events()
    assert (event.family, event.device.mac) == ("line-crossing", "ac:cb:51:00:00:09")

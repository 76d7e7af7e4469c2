"""Devices whose names are attacks: every family, and every way in which somebody looks at it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import socket
import subprocess
import unicodedata
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from functional_harness import BIN, Receiver, json_lines, until

from hikrecv.isapi.multipart import split
from hikrecv.testing.events import WHO
from hikrecv.testing.message import Message
from hikrecv.testing.samples import FAMILIES, oddities, sample

pytestmark = pytest.mark.functional

NOON = datetime.now(timezone.utc)
HOSTILE = (
    "\x1b]0;owned\x07\x1b[31mred\x1b[2J",
    "\x9b31m\x84\x85\x8d",
    "[bold red]boom[/bold red][link=http://x]y[/link]",
    "=cmd|' /C calc'!A0",
    " +1+1",
    "@SUM(1)",
    "a\r\nb\nc\u2028d\u2029e\x0bf\x0cg",
    "../../../../etc/cron.d/x",
    "C:\\..\\..\\x\x00.jpg",
    "site/#/+/$SYS",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "\x00\x01\x7f",
    '", "admin": true, "x": "',
    "{0.__class__} %s %(x)s {log_failure}",
    "n" * 5_000,
)
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
KEPT = frozenset({"eventtype", "eventstate", "datetime", "macaddress", "time", "region"})
"""What a document has to say truly to be of its family."""


# -- what is sent ------------------------------------------------------------------------


def hostile(message: Message, number: int) -> Message:
    """The same message with every text in it, and every name of a part, an attack."""
    parts, _ = split(message.body, message.content_type.encode())
    if not message.content_type.startswith("multipart"):
        return Message(
            label=message.label, content_type=message.content_type, body=_spoilt(message.body, number)
        )
    pieces = []
    for part in parts:
        payload = message.body[part.start : part.end]
        name = _attack(number).replace("\r", "").replace("\n", "")
        label = f'form-data; name="{part.name}"; filename="../{name}"'
        if not payload.startswith(b"\xff\xd8"):
            payload, label = _spoilt(payload, number), f'form-data; name="{name}"'
        head = f"Content-Disposition: {label}\r\nContent-Type: {part.content_type}\r\n"
        pieces.append(b"--b\r\n" + head.encode("utf-8", "replace") + b"\r\n" + payload + b"\r\n")
    body = b"".join((*pieces, b"--b--\r\n"))
    return Message(label=message.label, content_type="multipart/form-data; boundary=b", body=body)


def _attack(number: int) -> str:
    return HOSTILE[number % len(HOSTILE)]


def _spoilt(text: bytes, number: int) -> bytes:
    try:
        return json.dumps(_values(json.loads(text), number), ensure_ascii=False).encode("utf-8", "replace")
    except ValueError:
        return re.sub(rb"<(\w+)>([^<>]*[A-Za-z][^<>]*)</\1>", lambda found: _element(found, number), text)


def _values(data: Any, number: int, name: str = "") -> Any:
    if isinstance(data, dict):
        return {key: _values(value, number + at, key) for at, (key, value) in enumerate(data.items())}
    if isinstance(data, list):
        return [_values(value, number + at, name) for at, value in enumerate(data)]
    return _attack(number) if isinstance(data, str) and name.lower() not in KEPT else data


def _element(found: re.Match[bytes], number: int) -> bytes:
    name = found[1].decode()
    if name.lower() in KEPT:
        return found[0]
    return f"<{name}>{escape(_attack(number + len(name)))}</{name}>".encode()


def malformed() -> list[bytes]:
    """What is refused, and written into the log."""
    attack = "\x1b[31m\u202e[red]\x9b2J".encode()
    return [
        b"POST /" + attack + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"\x1b[31mPOST / HTTP/1.1\r\n\r\n",
        attack + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: " + attack + b"\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/9.9" + attack + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\x1b[31m\r\n\r\n",
    ]


def send(port: int, message: Message) -> int:
    line = HTTPConnection("127.0.0.1", port, timeout=20)
    line.request("POST", "/", message.body, {"Content-Type": message.content_type})
    status = line.getresponse().status
    line.close()
    return status


def send_raw(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass


# -- what is looked at ---------------------------------------------------------------------


def raw(text: str, but: str = "\n") -> set[str]:
    """Characters that could steer a terminal or hide something."""
    return {each for each in text if unicodedata.category(each) in HIDDEN and each not in but}


def said(receiver: Receiver, *words: str) -> str:
    """What a command writes into a pipe, byte for byte."""
    line = [str(BIN / "hikrecv"), *words, "--config", str(receiver.config)]
    done = subprocess.run(line, capture_output=True, timeout=60, check=True, cwd=receiver.folder)
    return (done.stdout + done.stderr).decode()


def shown(receiver: Receiver, *words: str) -> str:
    """What a command writes on a terminal, without the terminal's own line ends and colours."""
    ours, theirs = pty.openpty()
    line = [str(BIN / "hikrecv"), *words, "--config", str(receiver.config)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert process.wait(60) == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One that has received all of it."""
    started = Receiver(tmp_path_factory.mktemp("hostile") / "receiver", "[log]\nformat = 'json'\n")
    try:
        started.start()
        messages = [sample(family, WHO, NOON) for family in FAMILIES]
        messages += oddities(WHO, NOON).values()
        for number, message in enumerate(messages * 2):
            assert send(started.port, hostile(message, number)) == 200
        for data in malformed():
            send_raw(started.port, data)
        until(lambda: started.tell("status")["index_behind"] == 0, "the index has everything")
        yield started
    finally:
        started.end()


def test_every_family_is_still_what_it_is(receiver) -> None:
    families = {event.family for event in receiver.events()}

    assert families >= set(FAMILIES) - {"test"}


def test_nothing_raw_is_in_the_table(receiver) -> None:
    for words in (("events", "--all"), ("events", "--since", "1"), ("devices",)):
        assert raw(said(receiver, *words)) == set()
        assert raw(shown(receiver, *words)) == set()


def test_markup_is_text(receiver) -> None:
    assert "[bold red]boom[/bold red]" in said(receiver, "events", "--since", "1")


def test_each_event_is_one_line_of_json_and_on_a_terminal_a_harmless_one(receiver) -> None:
    piped, seen = (
        said(receiver, "events", "--format", "jsonl"),
        shown(receiver, "events", "--format", "jsonl"),
    )

    assert piped.encode().splitlines() == [event.to_json() for event in receiver.events()]
    assert raw(seen) == set()
    assert json_lines(seen) == [event.to_dict() for event in receiver.events()]


def test_one_push_is_shown_without_anything_raw(receiver) -> None:
    for event in list(receiver.events())[::5]:
        assert raw(said(receiver, "show", event.id)) == set()


def test_what_devices_claims_as_json_is_harmless_too(receiver) -> None:
    text = said(receiver, "devices", "--format", "json")

    assert raw(text) == set()
    assert json.loads(text)["devices"]


def test_a_spreadsheet_computes_nothing_and_each_event_is_one_line(receiver, tmp_path: Path) -> None:
    said(receiver, "export", str(tmp_path / "out"), "--format", "csv")

    text = (tmp_path / "out" / "events.csv").read_text()
    rows = list(csv.reader(io.StringIO(text)))
    assert raw(text, but="\r\n") == set()
    assert len(rows) == len(text.splitlines()) == 1 + len(list(receiver.events()))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if cell.strip()[:1] in tuple("=+-@")]


def test_pictures_are_files_of_ours_in_the_folder_that_was_named(receiver, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    said(receiver, "export", str(folder))
    for event in receiver.events():
        if event.pictures and event.pictures[0].size:
            said(receiver, "show", event.id, "--pictures", str(folder / "shown"))
            break

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b"]
    names = [path.name for path in folder.iterdir() if path.name != "shown"]
    assert len(names) > 10
    assert [
        name for name in names if not re.fullmatch(r"events\.jsonl|\w+-\d+-\d+-\d+-[a-z-]+\.\w+", name)
    ] == []
    assert all(path.is_file() for path in (folder / "shown").iterdir())


def test_the_log_is_lines_of_json_with_nothing_raw(receiver) -> None:
    text = receiver.log

    assert raw(text) == set()
    lines = json_lines(text)
    assert [line for line in lines if "trace" in line] == []
    assert [line for line in lines if "it sent: " in line["text"]]


def test_the_log_as_text_has_nothing_raw_either(new_receiver) -> None:
    other = new_receiver().start()

    for data in malformed():
        send_raw(other.port, data)
    other.stop()

    assert raw(other.log, but="\n\t") == set()
    assert "Traceback" not in other.log


def test_what_is_followed_is_as_harmless(receiver) -> None:
    line = [str(BIN / "hikrecv"), "events", "--follow", "--config", str(receiver.config)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=receiver.folder)
    seen = bytearray()
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

        def more() -> bytes:
            seen.extend(process.stdout.read() or b"")
            return bytes(seen)

        until(more, "the table of what was before")
        before = len(seen)
        number = HOSTILE.index("\x9b31m\x84\x85\x8d")
        for turn in range(len(HOSTILE)):
            send(receiver.port, hostile(sample("access", WHO, NOON), number + turn))
        until(lambda: len(more()[before:].splitlines()) >= len(HOSTILE), "what came since")
    finally:
        process.kill()
        process.communicate()

    assert raw(seen.decode()) == set()

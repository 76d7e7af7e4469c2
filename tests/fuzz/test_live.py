"""
Every byte that a real listener is given is kept, refused, or named: the first of what `make fuzz` tries.

Bounded by count, and the same every time; what fails prints the command that does it again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fuzz_accounting import Facts, Unaccounted, audit

from hikrecv.push import Anomaly, Peer, Push

ROOT = Path(__file__).parents[2]
CONNECTIONS = 2_500
XML = b"<EventNotificationAlert><eventType>VMD</eventType></EventNotificationAlert>"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"
ODD = (Anomaly("no-length", ""),)


@pytest.mark.functional
@pytest.mark.timeout(400)
@pytest.mark.parametrize("start", [0, CONNECTIONS, 2 * CONNECTIONS])
def test_every_byte_over_real_sockets_is_accounted_for(start: int) -> None:
    words = ["--connections", str(CONNECTIONS), "--from", str(start), "--seed", "1"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.live", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


def push(body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ((b"Host", b"x"),)) -> Push:
    peer = Peer("127.0.0.1", 1, "none")
    return Push(received=0, peer=peer, target=b"/", headers=headers, body=body, anomalies=ODD)


def facts(received: bytes, *pushes: Push, told: tuple[int, ...] = (200,), discarded: int = 0) -> Facts:
    return Facts(received, pushes, told, (), discarded, gone=False)


def test_the_auditor_agrees_when_all_is_kept_refused_or_named() -> None:
    audit(facts(HEAD + XML, push(XML)))
    audit(facts(HEAD + XML, told=(503,)))
    audit(facts(HEAD + XML + b"more", push(XML), discarded=4))
    audit(facts(b"GET / HTTP/1.1\r\n\r\n" * 2, told=(200, 200)))


@pytest.mark.parametrize(
    "lie",
    [
        facts(HEAD + XML, push(b"")),  # what was answered 200 as a test, the body being nowhere
        facts(HEAD + XML, push(b""), msgspec.structs.replace(push(XML), method="")),  # nor as noise beside it
        facts(HEAD + XML, push(XML[:-1])),
        facts(HEAD + XML, push(XML.replace(b"VMD", b"***"))),
        facts(HEAD + XML),
        facts(HEAD + XML, push(XML), push(XML)),
        facts(HEAD + XML, push(XML), told=(200, 200)),
        facts(HEAD + XML, push(XML, headers=())),
        facts(HEAD.replace(b"Host", b"GARBAGE\r\nHost") + XML, push(XML)),
        facts(HEAD + XML + b"more", push(XML), discarded=3),
        facts(b"GET / HTTP/1.1\r\n\r\nmore"),
    ],
)
def test_the_auditor_finds_what_is_nowhere(lie: Facts) -> None:
    with pytest.raises(Unaccounted):
        audit(lie)

"""Plugins as their authors write them: called, retried, and going on where they were."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import msgspec
import pytest
from functional_harness import Device, noted, until

pytestmark = pytest.mark.functional

TEN_LINES = """
from hikrecv import hookimpl

@hookimpl
def hikrecv_event(event, context):
    with open(context.state_dir / "notes", "a") as out:
        out.write(f"{event.seq} {event.key}\\n")
"""

FORWARD = """
from hikrecv import Event, hookimpl

@hookimpl
async def hikrecv_event(event: Event, context) -> None:
    await context.http.post("http://127.0.0.1:{port}/hook", json=event.to_dict())
"""


def test_a_plugin_file_is_called_and_goes_on_after_kill_9_where_it_was(new_receiver) -> None:
    receiver = new_receiver('[reactions.hq]\nplugin = "mine"\n', plugins={"mine": TEN_LINES}).start()

    for _ in range(3):
        with Device(receiver.port) as device:
            assert {device.send().status for _ in range(30)} == {200}
        receiver.kill()
        receiver.start()
    receiver.wait_until_idle()
    seqs = [note.seq for note in noted(receiver, "hq")]

    # Nothing is missing and nothing overtakes; what a crash undid in the book is told again, in order.
    assert list(dict.fromkeys(seqs)) == list(range(1, 91))
    assert "installed and not used" in receiver.log


class Hook(BaseHTTPRequestHandler):
    """Somebody's endpoint, which is not well for a while."""

    protocol_version = "HTTP/1.1"
    troubles: ClassVar[list[int]] = []
    taken: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.troubles.pop() if self.troubles else 200
        if status == 200:
            self.taken.append(msgspec.json.decode(body)["id"])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(params=["HTTP/1.1"])
def hook(request: pytest.FixtureRequest) -> Iterator[int]:
    Hook.troubles.clear()
    Hook.taken.clear()
    kind = type("Spoken", (Hook,), {"protocol_version": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_ten_line_example_loses_nothing_against_a_server_that_answers_500(
    new_receiver, hook: int
) -> None:
    Hook.troubles[:] = [500] * 3
    plugin = FORWARD.replace("{port}", str(hook))
    receiver = new_receiver('[reactions.hq]\nplugin = "forward10"\n', plugins={"forward10": plugin}).start()

    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(20)} == {200}
    until(lambda: receiver.reaction("hq")["state"] == "retrying", "it is in trouble")
    row = receiver.reaction("hq")
    receiver.kill()
    Hook.troubles[:] = [500] * 2
    receiver.start()
    receiver.wait_until_idle()
    ids = [event.id for event in receiver.events()]

    assert "500" in row["last_error"]
    assert list(dict.fromkeys(Hook.taken)) == ids
    assert len(ids) == 20


@pytest.mark.parametrize("hook", ["HTTP/1.0"], indirect=True)
def test_a_server_of_http_1_0_fails_no_attempt(new_receiver, hook: int) -> None:
    plugin = FORWARD.replace("{port}", str(hook))
    tables = '[reactions.again]\nplugin = "hq"\n[reactions.once]\nplugin = "hq"\ndelivery = "at-most-once"\n'
    receiver = new_receiver(tables, plugins={"hq": plugin}).start()

    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(50)} == {200}
    until(lambda: len(Hook.taken) >= 100, "all have arrived")
    receiver.wait_until_idle()
    rows = [receiver.reaction(name) for name in ("again", "once")]

    assert [(row["done"], row.get("dead", 0), row.get("last_error", "")) for row in rows] == [(50, 0, "")] * 2
    assert len(Hook.taken) == 100

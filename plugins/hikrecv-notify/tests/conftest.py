"""A web server in a thread, on a port that the system chooses: what apprise talks to blocks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


class Desk:
    """Takes what apprise's ``json://`` sends; see `hikrecv.testing.contract.Trouble`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.done: list[dict[str, Any]] = []
        self.troubles: deque[int | None] = deque()
        desk = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                desk.asked.append(said | {"path": self.path})
                status = desk.troubles.popleft() if desk.troubles else 200
                if status == 200:
                    desk.done.append(said | {"path": self.path})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """As apprise takes it; the path holds a secret."""
        return f"json://127.0.0.1:{self.server.server_port}/s3cret-t0ken"

    def fail(self, times: int = 1) -> None:
        self.troubles.extend([500] * times)

    def refuse(self, times: int = 1) -> None:
        self.troubles.extend([401] * times)

    def slow(self, seconds: float, times: int = 1) -> None:
        """Who waits in vain gives up, and that is all that can be seen of it here."""
        self.troubles.extend([503] * times)

    def recover(self) -> None:
        self.troubles.clear()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()

"""A process whose open files a plugin has taken, all of them and for a while: trouble that passes."""

from __future__ import annotations

import http.client
from contextlib import closing
from pathlib import Path

from .harness import BIN, until

TAKES_ALL = """
import os, time
from pathlib import Path

from hikrecv import hookimpl

HERE = Path(__file__).parent


@hookimpl
def hikrecv_event(event, context):
    taken = []
    while not (HERE / "enough").exists():
        try:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            if not (HERE / "all").exists():
                os.mkdir(HERE / "all")
            time.sleep(0.01)
    for descriptor in taken:
        os.close(descriptor)
"""
TABLES = """
[journal]
segment = "100kB"
max = "2MB"

[reactions.greedy]
plugin = "greedy"
"""


def test_a_plugin_that_takes_every_descriptor_costs_503_and_not_the_receiver(new_receiver) -> None:
    receiver = new_receiver(TABLES, plugins={"greedy": TAKES_ALL})
    plugins: Path = receiver.folder / "plugins"
    receiver.start("/bin/sh", "-c", f'ulimit -n 80; exec "{BIN}/hikrecv" run --config "{receiver.config}"')

    with closing(http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)) as device:

        def send(n: int) -> int:
            body = b'{"eventType":"VMD","n":%d,"pad":"%s"}' % (n, b"x" * 30_000)
            device.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = device.getresponse()
            answer.read()
            return answer.status

        assert send(0) == 200
        until((plugins / "all").exists, "no descriptor is left")
        # Long enough for several looks at the files, and for more than the segments that were prepared.
        told: list[int] = []
        until(lambda: told.append(send(len(told))) or len(told) > 60, "sixty more events were answered")

        assert set(told) <= {200, 503}
        (plugins / "enough").touch()
        until(lambda: send(99) == 200, "events are kept again")
    kept = list(receiver.pushes())
    assert len(kept) >= 1 + told.count(200)
    assert "cannot be kept" not in receiver.log
    assert receiver.stop() == 0
    assert "Traceback" not in receiver.log

"""Told to stop, the whole process is gone within fifteen seconds, whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from functional_harness import Device, fill, until

pytestmark = pytest.mark.functional

BOUND = 15.0

HANGS = """
import time
from hikrecv import hookimpl

@hookimpl
{how}def hikrecv_event(event, context):
    open(context.state_dir / "called", "w").close()
    time.sleep(300)
"""


def seconds_to_stop(receiver) -> tuple[float, int]:
    began = time.monotonic()
    code = receiver.stop(BOUND + 5)
    return time.monotonic() - began, code


def test_sigterm_ends_the_making_of_an_index_and_the_next_start_goes_on_with_it(new_receiver) -> None:
    receiver = new_receiver()
    fill(receiver.state, 40_000)
    receiver.start()
    behind = until(lambda: receiver.tell("status")["index_behind"], "the index is being made")

    seconds, code = seconds_to_stop(receiver)
    receiver.start()
    left = receiver.tell("status")["index_behind"]
    until(lambda: not receiver.tell("status")["index_behind"], "the index is made", 50)

    assert behind > 10_000
    assert code == 0
    assert seconds < BOUND
    assert 0 < left <= behind
    assert receiver.command("events").count("line-crossing") == 50
    assert "failed" not in receiver.log


@pytest.mark.parametrize("how", ["", "async "])
def test_sigterm_ends_a_receiver_whose_hook_hangs(new_receiver, how: str) -> None:
    receiver = new_receiver('[reactions.hq]\nplugin = "hangs"\n', plugins={"hangs": HANGS.format(how=how)})
    receiver.start()
    with Device(receiver.port, large_every=0) as device:
        device.send()
    until((receiver.state.plugins / "hq" / "called").exists, "the hook hangs")

    seconds, code = seconds_to_stop(receiver)

    assert seconds < BOUND
    if how:
        # It keeps the reactor: nobody is left to stop anything but the last resort.
        assert code == 1
        assert "not stopped within 15 s (waiting for the reactor, which is blocked)" in receiver.log
    else:
        assert code == 0
    assert list(receiver.kept()) == [1]


BLOCKED = """
import os, signal, threading
from hikrecv.deadline import Deadline

deadline = Deadline(lambda: "a lock", seconds=1.2)
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"told\\n"))
deadline.watch()
if {thread}:
    threading.Thread(target=threading.Event().wait).start()
    os.kill(os.getpid(), signal.SIGTERM)
else:
    print("blocked", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("thread", [False, True])
def test_neither_a_blocked_main_thread_nor_one_that_never_ends_outlives_the_deadline(thread: bool) -> None:
    script = BLOCKED.format(thread=thread)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not thread:
            assert process.stdout.readline() == "blocked\n"
            process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
        code = process.wait(20)

    assert code == 1
    assert said == "told\n"


TOLD_TWICE = """
import os, signal
from twisted.internet import reactor
from hikrecv.deadline import Deadline

reactor.callWhenRunning(Deadline(lambda: "nothing").watch)
for name in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
    reactor.callWhenRunning(os.kill, os.getpid(), name)
reactor.run()
"""


def test_two_signals_before_the_first_is_dealt_with_stop_it_without_a_traceback() -> None:
    ran = subprocess.run([sys.executable, "-c", TOLD_TWICE], capture_output=True, text=True, timeout=20)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")

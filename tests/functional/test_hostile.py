"""The most telling attacks of `make hostile`, small, on a real receiver: judged by what it keeps and says."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from functools import partial
from urllib.request import urlopen

import pytest
from functional_harness import BIN, Device

from tests.hostile.attacks import heads_first, nothing_is_gone, pushed_out, strangers_kept
from tests.hostile.senders import KNOWN, TABLES, connect, push, request, say, stranger, together

pytestmark = pytest.mark.functional


def known(receiver, times: int = 1, *, large_every: int = 0) -> list[int]:
    """What the known device is told for so many events over one connection."""
    device = Device(receiver.port, large_every=large_every, source=KNOWN)
    try:
        return [device.send().status for _ in range(times)]
    finally:
        device.hang_up()


def test_heads_first_and_bodies_later_keep_no_more_than_the_hour_gives(new_receiver) -> None:
    receiver = new_receiver(f"{TABLES}[limits]\nbytes_per_hour = '20MB'\n").start()

    heads_first(receiver, connections=40, size=100_000)

    assert strangers_kept(receiver) == 1_900_000  # and their heads


def test_strangers_push_no_event_of_a_known_device_out_of_the_journal(new_receiver) -> None:
    metrics = "[metrics]\nlisten = 'tcp:0:interface=127.0.0.1'\n"
    receiver = new_receiver(f"{TABLES}{metrics}[journal]\nmax = '20MB'\n").start()
    assert known(receiver, 10, large_every=2) == [200] * 10

    pushed_out(receiver, senders=60, size=500_000)

    assert known(receiver) == [200]
    assert strangers_kept(receiver) == 1_500_000  # and their heads
    assert nothing_is_gone(receiver) == ""
    with urlopen(f"http://{receiver.tell('status')['metrics']}/metrics", timeout=10) as page:
        figures = page.read().decode()
    assert 'hikrecv_share_bytes{senders="strangers"} 2e+06' in figures
    assert 'hikrecv_share_used_bytes{senders="strangers"} 1.50' in figures


def test_what_strangers_have_added_is_counted_on_after_a_restart(new_receiver) -> None:
    receiver = new_receiver(f"{TABLES}[journal]\nmax = '20MB'\n").start()
    pushed_out(receiver, senders=3, size=500_000)
    receiver.stop()
    assert receiver.state.shares.stat().st_mode & 0o777 == 0o600

    receiver.start()
    again = push(receiver.port, request(b"x" * 500_000), stranger(9))[0]
    receiver.stop()
    receiver.state.shares.write_bytes(b"not what was written")
    receiver.start()

    assert again == 503
    assert push(receiver.port, request(b"x" * 500_000), stranger(9))[0] == 200
    assert "is counted anew" in receiver.log


def test_silent_large_bodies_do_not_keep_others_out(new_receiver) -> None:
    receiver = new_receiver("[limits]\nin_flight = '8MB'\nbody = '2MB'\nanswer_time = '3s'\n").start()
    silent = request(b"x" * 1_999_990, length=2_000_000)

    with ExitStack() as stack:
        lines = [stack.enter_context(connect(receiver.port, stranger(n))) for n in range(8)]
        for line in lines:
            line.settimeout(0.5)
            say(line, silent)
        statuses, _ = together(
            partial(push, receiver.port, request(b"x" * 100_000), stranger(99)) for _ in range(20)
        )

    assert statuses == {200: 20}


def test_known_devices_get_in_though_strangers_hold_every_connection(new_receiver) -> None:
    receiver = new_receiver(f"{TABLES}[limits]\nconnections = 20\n").start()

    with ExitStack() as stack:
        for n in range(60):
            with suppress(OSError):
                stack.enter_context(connect(receiver.port, stranger(n)))
        devices = [Device(receiver.port, large_every=0, source=KNOWN) for _ in range(20)]
        statuses = [device.send().status for device in devices]
        assert statuses == [200] * 20
        assert receiver.log.count("limits.connections is reached") == 1
        for device in devices:
            device.hang_up()


def test_one_host_s_connections_and_empty_pushes_cost_only_itself(new_receiver) -> None:
    receiver = new_receiver(
        f"{TABLES}[limits]\npushes_per_hour = 500\nconnections_per_address = 20\n"
    ).start()
    port = receiver.port

    with ExitStack() as stack:
        for _ in range(30):
            with suppress(OSError):
                stack.enter_context(connect(port, stranger(1)))
        statuses = [push(port, request(b""), stranger(2))[0] for _ in range(51)]
        assert statuses == [200] * 50 + [503]
        assert push(port, request(b""), stranger(3))[0] == 200
        assert known(receiver) == [200]


def test_without_open_files_little_is_said_and_known_devices_are_answered(new_receiver) -> None:
    receiver = new_receiver(TABLES)
    receiver.start("/bin/sh", "-c", f'ulimit -n 80; exec "{BIN}/hikrecv" run --config "{receiver.config}"')

    with ExitStack() as stack:
        for n in range(300):
            with suppress(OSError):
                stack.enter_context(connect(receiver.port, stranger(n)))
        statuses = [known(receiver) for _ in range(5)]
        lines = receiver.log.count("\n")
        busy = receiver.busy

    assert statuses == [[200]] * 5
    assert receiver.log.count("the number of open files (LimitNOFILE) is reached") == 1
    assert "EMFILE" not in receiver.log
    assert lines < 40
    assert busy < 20

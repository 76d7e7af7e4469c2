"""Sender classes: what each may take where others are better known, and who goes first."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from hikrecv.config import JournalTable, Limits, parse
from hikrecv.push import OK, Peer
from hikrecv.senders import SenderClass, bound_devices, class_of, classes_of
from hikrecv.wire.admission import Admission, Sender
from hikrecv.wire.shares import Shares

STRANGER, ADMITTED, KNOWN = SenderClass
HOUR = 3600.0
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def post(size: int, sent: int = -1) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % size
    return head + b"x" * (size if sent < 0 else sent)


def chunks(*sizes: int) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes)


@pytest.fixture
def gate(port):
    """A port on which 10.0.0.1 is a known device, and everybody else a stranger."""

    def make(journal: JournalTable | None = None, receive=None, **limits):
        desk = port(Limits(**limits), Admission(known=["10.0.0.1", "2001:db8::1"]), receive, journal=journal)
        desk.budget.divide(frozenset((STRANGER, KNOWN)))
        return desk

    return make


# -- whose class ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("", {STRANGER}),
        ('[devices.a]\nmac = "ac:cb:51:19:f5:08"', {STRANGER}),
        ('[devices.a]\naddress = "gate.local"', {STRANGER}),
        ('[devices.a]\naddress = "10.0.0.5"', {STRANGER, KNOWN}),
        ('[[listen]]\nproxies = ["10.0.0.5"]\n[devices.a]\naddress = "10.0.0.5"', {STRANGER}),
        ('[[listen]]\nallow = ["10.0.0.0/8"]', {STRANGER, ADMITTED}),
        ('[[listen]]\ntoken = "t"\n[devices.a]\naddress = "10.0.0.5"', {STRANGER, ADMITTED, KNOWN}),
        (
            '[[listen]]\nlogin = "basic"\n[devices.a]\npush_login = { user = "a", password = "p" }',
            {STRANGER, ADMITTED, KNOWN},
        ),
    ],
)
def test_the_configuration_says_which_classes_there_are(text, classes):
    assert classes_of(parse(text)) == classes


def test_the_class_of_a_kept_push_is_read_from_its_peer():
    config = parse(
        '[[listen]]\nlogin = "basic"\nproxies = ["10.0.0.9"]\n'
        '[devices.a]\npush_login = { user = "a", password = "p" }\n'
        '[devices.b]\naddress = "10.0.0.5"\n[devices.c]\naddress = "10.0.0.9"\n'
    )
    bound = bound_devices(config)

    assert class_of(Peer("10.0.0.5", 1, "address"), bound) is KNOWN
    assert class_of(Peer("10.0.0.6", 1, "login", "a"), bound) is KNOWN
    assert class_of(Peer("10.0.0.6", 1, "login"), bound) is ADMITTED
    assert class_of(Peer("10.0.0.9", 1, "token"), bound) is ADMITTED
    assert class_of(Peer("10.0.0.5", 1, "none"), bound) is STRANGER


# -- connections ------------------------------------------------------------------------


def test_known_devices_get_in_though_strangers_hold_all_connections(gate):
    desk = gate(connections=20)
    strangers = [desk.connect(f"10.9.0.{n}") for n in range(20)]

    devices = [desk.connect("10.0.0.1").send(POST) for _ in range(20)]

    assert [device.told for device in devices] == [[200]] * 20
    assert [device.closed for device in devices] == [False] * 20
    assert all(one.closed for one in strangers)
    assert desk.budget.connections.open == 20


def test_strangers_have_half_of_the_connections_where_devices_are_known(gate):
    desk = gate(connections=20)

    strangers = [desk.connect(f"10.9.0.{n}") for n in range(20)]

    assert sum(one.closed for one in strangers) == 10


def test_without_known_devices_strangers_have_all_connections(port):
    desk = port(Limits(connections=20))

    assert not any(desk.connect(f"10.9.0.{n}").closed for n in range(20))


def test_a_stranger_that_sends_goes_after_those_that_rest_and_what_came_is_kept(gate):
    desk = gate(connections=2)
    desk.budget.connections.bounds = frozenset()
    sending = desk.connect("10.9.0.1").send(post(100, sent=50))
    resting = desk.connect("10.9.0.2").send(POST)

    desk.connect("10.0.0.1")
    assert (sending.wire.disconnecting, resting.wire.disconnecting) == (False, True)

    desk.connect("10.0.0.1")
    assert sending.closed
    assert sending.told == [408]
    assert [len(push.body) for push in desk.pushes] == [2, 50]
    assert desk.budget.connections.open == 2


def test_what_is_just_being_kept_is_never_closed_for_another(gate):
    kept: Deferred = Deferred()
    desk = gate(connections=1, receive=lambda push: kept)
    desk.budget.connections.bounds = frozenset()
    stranger = desk.connect("10.9.0.1").send(POST)

    assert desk.connect("10.0.0.1").closed
    kept.callback(OK)

    assert stranger.told == [200]


def test_among_equals_only_who_has_rested_for_a_while_makes_way(port):
    desk = port(Limits(connections=2))
    first, second = desk.connect("10.9.0.1"), desk.connect("10.9.0.2")
    assert desk.connect("10.9.0.3").closed

    desk.advance(6)
    second.send(POST)
    third = desk.connect("10.9.0.3")

    assert (first.closed, second.closed, third.closed) == (True, False, False)
    assert desk.connect("10.9.0.4").closed


def test_a_device_that_is_known_by_its_login_gets_in_past_silent_strangers(port):
    desk = port(Limits(connections=20))
    desk.budget.divide(frozenset(SenderClass))
    for n in range(20):
        desk.connect(f"10.9.0.{n}")

    desk.advance(6)

    assert not desk.connect("10.9.1.1").closed


def test_a_connection_is_of_the_class_that_its_request_proved(port):
    desk = port(Limits(connections=4), Admission(token="t"))
    desk.budget.divide(frozenset((STRANGER, ADMITTED)))
    good = POST.replace(b"POST /", b"POST /t")

    admitted = [desk.connect(f"10.9.0.{n}").send(good) for n in range(4)]
    strangers = [desk.connect(f"10.9.1.{n}") for n in range(2)]

    assert [one.told for one in admitted] == [[200]] * 4
    assert all(one.closed for one in strangers)
    for one in admitted:
        one.lose()
    assert desk.budget.connections.open == 0


def test_idle_connections_of_an_ipv6_host_do_not_lock_out_its_network(gate):
    desk = gate(connections_per_address=8)
    for _ in range(8):
        desk.connect("2001:db8::66")

    assert desk.connect("2001:db8::66").closed
    assert desk.connect("2001:db8::1").send(POST).told == [200]
    assert desk.connect("2001:db8::2").send(POST).told == [200]
    for n in range(100):  # it has as many addresses as it likes
        desk.connect(f"2001:db8::dead:{n:x}")
    assert desk.connect("2001:db8::bad").closed
    assert desk.connect("2001:db8::1").send(POST).told == [200]


def test_empty_pushes_of_an_ipv6_host_do_not_lock_out_its_network(gate):
    desk = gate(pushes_per_hour=100)
    host = desk.connect("2001:db8::66").send(POST * 20)

    assert host.told == [200] * 10 + [503]
    assert desk.connect("2001:db8::2").send(POST).told == [200]
    assert desk.connect("2001:db8::1").send(POST * 50).told == [200] * 50


def test_a_flood_of_connections_is_one_line_a_minute(port, logged):
    desk = port(Limits(connections=10))
    for n in range(500):
        desk.connect(f"10.{n % 250}.0.{n // 250}")

    assert len(logged) == 1
    assert "limits.connections is reached" in logged[0]
    desk.advance(60)
    for n in range(30):
        desk.connect(f"10.{n}.0.9")
    said = [line for line in logged[1:] if "limits.connections is reached" in line]
    assert len(said) == 1
    assert "489 more like this" in said[0]


# -- bytes in flight ----------------------------------------------------------------------


def test_large_bodies_that_do_not_end_do_not_keep_others_out(port):
    desk = port()
    for n in range(5):
        desk.connect(f"10.9.0.{n}").send(post(32_000_000, sent=31_999_990), 262_144)

    assert desk.connect("10.0.0.7").send(post(290_000)).told == [200]
    assert desk.connect("127.0.0.1").send(post(290_000)).told == [200]
    desk.advance(31)
    assert desk.budget.total.held == 0


def test_an_ipv6_host_with_many_addresses_holds_what_one_sender_may(port):
    desk = port(receive=lambda push: Deferred())
    hosts = [desk.connect(f"2001:db8::{n:x}").send(post(8_000_000), 262_144) for n in range(1, 9)]

    assert sum(host.reading for host in hosts) <= 5
    assert desk.connect("2001:db8:1::1").send(post(8_000_000), 262_144).reading


def test_strangers_fill_their_own_room_only(gate):
    desk = gate(receive=lambda push: Deferred())
    for n in range(300):
        desk.connect(f"10.9.{n}.1").send(post(400_000), 262_144)
    assert desk.connect("10.9.0.9").send(POST).told == [503]

    device = desk.connect("10.0.0.1").send(post(10_000_000), 262_144)

    assert device.reading
    assert device.told == []
    assert len(desk.pushes[-1].body) == 10_000_000


# -- an hour, and the disk ------------------------------------------------------------------


def test_heads_first_and_bodies_later_keep_no_more_than_the_hour_gives(port):
    desk = port(Limits(bytes_per_hour=200_000, body=8_000, in_flight=8_000_000))
    devices = [desk.connect() for _ in range(120)]
    for device in devices:
        device.send(post(8_000, sent=0))
    for device in devices:
        device.send(b"x" * 8_000)

    # A head counts, too: 24 bodies fit.
    assert sum(len(push.body) for push in desk.pushes) == 192_000
    assert sorted(status for device in devices for status in device.told) == [200] * 24 + [503] * 96


def test_bodies_without_a_length_keep_no_more_than_the_hour_gives(port):
    desk = port(Limits(bytes_per_hour=10_000 + 8 * 300, body=8_000, in_flight=8_000_000))
    devices = [desk.connect().send(chunks(1000)) for _ in range(8)]
    for device in devices:
        device.send(b"3e8\r\n%s\r\n0\r\n\r\n" % (b"x" * 1000))

    # What one that is refused had taken for nothing is there for the next.
    assert [device.told[0] for device in devices][:4] == [200, 200, 503, 200]
    assert [len(push.body) for push in desk.pushes] == [2000] * 5
    assert desk.budget.total.held == 0
    assert desk.connect().send(post(2_000)).told == [503]


def test_what_was_announced_and_did_not_come_costs_nothing(port):
    desk = port(Limits(bytes_per_hour=12_000, body=8_000))
    for _ in range(9):
        desk.connect().send(post(8_000, sent=10)).lose()

    assert [len(push.body) for push in desk.pushes] == [10] * 9
    assert desk.connect().send(post(8_000)).told == [200]
    assert desk.connect().send(post(8_000)).told == [503]


def test_long_heads_cost_what_they_take(gate):
    desk = gate(JournalTable(max=1_000_000), headers=16_384)
    head = POST.replace(b"Host: a", b"Host: a\r\nX-Long: " + b"x" * 16_000)

    told = [desk.connect(f"10.9.0.{n}").send(head).told for n in range(20)]

    assert told == [[200]] * 6 + [[503]] * 14
    assert desk.connect("10.9.0.99").send(POST).told == [200]


def test_strangers_together_add_a_tenth_of_the_journal_and_known_devices_what_they_like(gate):
    desk = gate(JournalTable(max=1_000_000), body=8_000, in_flight=8_000_000)

    for n in range(100):
        desk.connect(f"10.9.0.{n}").send(post(8_000))
    kept = sum(len(push.body) for push in desk.pushes)
    for _ in range(100):
        assert desk.connect("10.0.0.1").send(post(8_000)).told == [200]

    assert kept == 96_000
    assert desk.watch.counts["alarm"] == 1
    desk.advance(HOUR)
    assert desk.connect("10.9.0.200").send(post(8_000)).told == [503]


def test_this_machine_and_proxies_have_no_hour_but_are_of_a_class(gate):
    desk = gate(JournalTable(max=1_000_000), body=8_000, in_flight=8_000_000)

    told = [desk.connect("127.0.0.1").send(post(8_000)).told for _ in range(20)]

    assert told == [[200]] * 12 + [[503]] * 8


def test_the_last_of_the_journal_is_for_known_devices(gate):
    desk = gate()
    desk.budget.nearly_full = lambda: True

    assert desk.connect("10.9.0.1").send(POST).told == [503]
    assert desk.connect("10.0.0.1").send(POST).told == [200]


def shares(clock: Clock, **journal) -> Shares:
    made = Shares(JournalTable(max=1_000_000, **journal), clock.seconds)
    made.bounds = frozenset((STRANGER, ADMITTED))
    return made


def test_a_share_is_that_of_a_day():
    clock = Clock()
    day = shares(clock)

    assert day.take(STRANGER, 60_000) == 0
    clock.advance(6 * HOUR)
    assert day.take(STRANGER, 40_000) == 0
    assert day.take(ADMITTED, 500_000) == 0
    assert day.take(STRANGER, 1) == pytest.approx(18 * HOUR, abs=HOUR)
    assert day.take(ADMITTED, 1) == pytest.approx(24 * HOUR, abs=HOUR)
    clock.advance(18 * HOUR)
    assert day.take(STRANGER, 60_000) == 0
    assert day.take(STRANGER, 1) > 0
    assert day.take(KNOWN, 10**9) == 0


def test_a_share_is_that_of_keep_when_that_is_shorter():
    clock = Clock()
    day = shares(clock, keep=240.0)
    day.take(STRANGER, 100_000)

    clock.advance(230)
    assert day.take(STRANGER, 1) == pytest.approx(10, abs=2)
    clock.advance(10)
    assert day.take(STRANGER, 1) == 0


def test_a_share_is_counted_on_after_a_restart():
    clock = Clock()
    before = shares(clock)
    before.take(STRANGER, 60_000)
    clock.advance(6 * HOUR)
    before.take(STRANGER, 40_000)
    after = shares(Clock())

    after.load(before.dump(1_000_000.0), 1_000_000.0 + 2 * HOUR)

    assert after.total(STRANGER) == 100_000
    assert after.take(STRANGER, 1) == pytest.approx(16 * HOUR, abs=HOUR)


def test_a_clock_that_went_back_over_the_restart_frees_nothing():
    before = shares(Clock())
    before.take(STRANGER, 100_000)
    after = shares(Clock())

    after.load(before.dump(1_000_000.0), 0.0)

    assert after.take(STRANGER, 1) > 0


def test_another_keep_after_the_restart_leaves_the_times_as_they_were():
    before = shares(Clock())
    before.take(STRANGER, 100_000)
    raw = before.dump(0.0)
    after, later = shares(Clock(), keep=2 * HOUR), shares(Clock(), keep=2 * HOUR)

    after.load(raw, HOUR)
    later.load(raw, 2 * HOUR)

    assert (after.total(STRANGER), later.total(STRANGER)) == (100_000, 0)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"{}\n0", b'{"version":2}\n', b"\xff" * 100, b"[" * 100_000, b'{"version":1}\nabc\n']
)
def test_counts_that_are_damaged_are_known_as_such(raw):
    day = shares(Clock())

    with pytest.raises(ValueError, match=r"checksum|version|JSON"):
        day.load(raw, 0.0)
    assert day.total(STRANGER) == 0


def test_a_changed_bit_is_seen():
    raw = bytearray(shares(Clock()).dump(5.0))

    for at in range(len(raw) - 1):
        raw[at] ^= 1
        with pytest.raises(ValueError, match="checksum"):
            shares(Clock()).load(bytes(raw), 5.0)
        raw[at] ^= 1


def test_two_devices_behind_one_login_are_nobody_in_particular():
    config = parse(
        '[[listen]]\nlogin = "basic"\nuser = "u"\npassword = "p"\n'
        '[devices.a]\npush_login = { user = "u", password = "p" }\n'
        '[devices.b]\npush_login = { user = "b", password = "b" }\n'
    )
    admission = Admission.from_config(config.listen[0], config.devices)

    assert dict(admission._logins.names) == {b"u": "", b"b": "b"}
    assert admission.at_the_door("10.0.0.5") == Sender("none", STRANGER, "10.0.0.5")

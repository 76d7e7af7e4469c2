"""Rates, quotas, deadlines and room: each bounded, each with a clock."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from hikrecv.config import Limits
from hikrecv.senders import SenderClass
from hikrecv.wire.addresses import plain, subnet
from hikrecv.wire.admission import Sender
from hikrecv.wire.deadlines import Wheel
from hikrecv.wire.inflight import InFlight, Share
from hikrecv.wire.quota import Quota
from hikrecv.wire.rate import Rate
from hikrecv.wire.watch import Tally, visible


class Waiter:
    def __init__(self, wheel: Wheel, after: float) -> None:
        self.wheel, self.slot, self.late = wheel, 0, []
        self.move(after)

    def move(self, after: float) -> None:
        self.deadline = self.wheel.now() + after
        self.wheel.watch(self)

    def overdue(self, now: float) -> None:
        self.late.append(now)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(100)
    return clock


@pytest.fixture
def wheel(clock) -> Wheel:
    return Wheel(clock, clock.seconds)


def test_a_deadline_passes_once_and_hardly_late(clock, wheel):
    waiter = Waiter(wheel, 10)

    clock.advance(9.9)
    assert waiter.late == []
    clock.pump([0.2] * 50)

    assert len(waiter.late) == 1
    assert 110 <= waiter.late[0] <= 110.5


def test_a_deadline_moves_to_later_and_to_earlier(clock, wheel):
    later, earlier = Waiter(wheel, 5), Waiter(wheel, 500)

    later.move(20)
    earlier.move(2)
    clock.pump([0.25] * 60)

    assert later.late == []
    assert len(earlier.late) == 1
    clock.pump([0.25] * 30)
    assert len(later.late) == 1


def test_who_is_forgotten_is_not_woken(clock, wheel):
    first, second = Waiter(wheel, 5), Waiter(wheel, 5)
    first.overdue = second.overdue = lambda now: (
        called.append(now),
        wheel.forget(first),
        wheel.forget(second),
    )
    called: list[float] = []

    clock.pump([1] * 10)

    assert len(called) == 1


def test_one_that_fails_costs_the_others_nothing(clock, wheel, logged):
    first, second = Waiter(wheel, 5), Waiter(wheel, 5)
    calls: list[float] = []

    def fail_once(now: float) -> None:
        calls.append(now)
        raise ZeroDivisionError

    first.overdue = second.overdue = fail_once
    clock.pump([1] * 10)

    assert len(calls) == 2
    assert len(logged) == 2


def test_thousands_of_deadlines_are_one_timer(clock, wheel):
    waiters = [Waiter(wheel, 10 + n / 100) for n in range(1000)]

    assert len(clock.getDelayedCalls()) == 1
    clock.pump([0.25] * 120)

    assert all(len(waiter.late) == 1 for waiter in waiters)
    assert clock.getDelayedCalls() == []


def test_a_rate_lets_so_many_through_and_counts_the_others(clock):
    rate = Rate(2, 60, clock.seconds)

    assert [rate.take("a") for _ in range(5)] == [0, 0, None, None, None]
    assert rate.take("b") == 0
    clock.advance(60)
    assert rate.take("a") == 3


def test_a_rate_remembers_so_many_keys(clock):
    rate = Rate(1, 60, clock.seconds, keys=2)

    assert [rate.take(key) for key in "abca"] == [0, 0, 0, 0]


def stranger(ip: str) -> Sender:
    return Sender("none", SenderClass.STRANGER, ip, subnet(ip) if ":" in ip else "")


def admitted(ip: str) -> Sender:
    return Sender("token", SenderClass.ADMITTED, ip)


def test_a_quota_counts_bytes_and_pushes_for_an_hour(clock):
    quota = Quota(Limits(bytes_per_hour=1000, pushes_per_hour=5), clock.seconds)
    device = admitted("10.0.0.5")

    assert [quota.take(device, 200) for _ in range(4)] == [0] * 4
    clock.advance(600)
    assert quota.take(device, 201) == 3001
    assert quota.take(device, 200) == 0
    assert quota.take(device, 0) == 3001
    assert quota.take(admitted("10.0.0.6"), 200) == 0

    clock.advance(3000)
    assert quota.take(device, 1000) == 0


def test_what_is_announced_at_once_is_taken_at_once_and_what_did_not_come_is_given_back(clock):
    quota = Quota(Limits(bytes_per_hour=1000), clock.seconds)
    device = admitted("10.0.0.5")

    assert [quota.take(device, 400) > 0 for _ in range(5)] == [False, False, True, True, True]
    quota.give_back(device, 390)
    assert quota.take(device, 400) == 0
    assert quota.take(device, 400) > 0


def test_a_stranger_has_a_tenth_where_others_are_better_known(clock):
    quota = Quota(Limits(bytes_per_hour=1000), clock.seconds)
    assert quota.take(stranger("10.0.0.5"), 1000) == 0

    quota.part = 10

    assert quota.take(stranger("10.0.0.6"), 101) > 0
    assert quota.take(stranger("10.0.0.6"), 100) == 0
    assert quota.take(admitted("10.0.0.7"), 1000) == 0


def test_an_ipv6_host_takes_nothing_from_its_neighbours_but_strangers_have_a_ceiling_together(clock):
    quota = Quota(Limits(pushes_per_hour=10), clock.seconds)

    assert [quota.take(stranger("2001:db8::1"), 1) > 0 for _ in range(11)] == [False] * 10 + [True]
    assert quota.take(stranger("2001:db8::2"), 1) == 0
    for host in range(3, 40):
        quota.take(stranger(f"2001:db8::{host}"), 1)
    assert quota.take(stranger("2001:db8::ffff"), 1) > 0

    assert quota.take(Sender("address", SenderClass.KNOWN, "2001:db8::99"), 1) == 0
    assert quota.take(stranger("2001:db8:0:1::2"), 1) == 0


def test_a_quota_remembers_so_many_addresses(clock):
    quota = Quota(Limits(pushes_per_hour=1), clock.seconds, keys=2)

    for n in range(3):
        quota.take(admitted(f"10.0.0.{n}"), 1)

    assert [quota.take(admitted(f"10.0.0.{n}"), 1) > 0 for n in (2, 1, 0)] == [True, True, False]


class Body:
    def __init__(self, room: InFlight, key: str = "") -> None:
        self.share = Share(room, self.ready, key)
        self.woken = 0

    def ready(self) -> None:
        self.woken += 1


def test_up_to_a_quarter_of_the_room_nobody_waits():
    room = InFlight(2000)

    assert all(Body(room).share.add(100, 10**6) for _ in range(5))


def test_above_a_quarter_only_what_fits_reads_on_and_the_others_in_their_order():
    room = InFlight(1000, body=1000)
    first, second, third = Body(room), Body(room), Body(room)

    assert first.share.add(501, 400)
    assert not second.share.add(10, 300)
    assert not third.share.add(10, 100)
    assert Body(room).share.add(10, 50)
    assert (second.woken, third.woken) == (0, 0)

    first.share.release()
    assert (second.woken, third.woken) == (1, 1)
    second.share.release()
    third.share.release()
    assert (room.held, room.promised) == (10, 50)


def test_what_was_promised_is_used_up_as_it_comes():
    room = InFlight(1000, body=1000)
    body = Body(room)
    assert body.share.add(600, 300)
    assert (room.held, room.promised) == (600, 300)

    assert body.share.add(100, 200)
    assert body.share.add(200, 0)

    assert (room.held, room.promised) == (900, 0)


def test_who_gives_up_waiting_leaves_its_place():
    room = InFlight(1000, body=1000)
    first, second, third = Body(room), Body(room), Body(room)
    first.share.add(600, 0)
    assert not second.share.add(10, 800)
    assert not third.share.add(10, 390)

    second.share.release()

    assert (second.woken, third.woken) == (0, 1)


def test_large_bodies_leave_room_for_small_ones():
    room = InFlight(6400)
    large = [Body(room) for _ in range(9)]
    for each in large:
        each.share.add(990, 10)

    assert room.held + room.promised > 6400
    assert not Body(room).share.add(50, 51)
    assert not room.full or room.held > 6400
    room = InFlight(6400)
    assert [Body(room).share.add(10, 1200) for _ in range(5)] == [True] * 5
    for _ in range(4):
        Body(room).share.add(1000, 200)
    assert not Body(room).share.add(10, 200)
    assert Body(room).share.add(10, 90)


def test_one_sender_holds_a_part_of_the_room_and_no_more():
    room = InFlight(1000, body=200)
    first, second, third = (Body(room, "10.0.0.5") for _ in range(3))
    other = Body(room, "10.0.0.6")
    assert other.share.add(251, 0)

    assert first.share.add(100, 100)
    assert not second.share.add(10, 100)
    assert not third.share.add(10, 50)
    assert Body(room, "10.0.0.7").share.add(10, 100)

    first.share.release()
    assert (second.woken, third.woken) == (1, 1)
    for each in (second, third, other):
        each.share.release()
    assert set(room._of) == {"10.0.0.7"}


def test_the_room_is_full_at_its_limit():
    room = InFlight(1000)
    Share(room, lambda: None).add(1000, 0)

    assert room.full


def test_the_last_refusals_are_remembered_per_address():
    tally = Tally(lambda: 5, most=2)

    tally.refused("10.0.0.1", 403, "a")
    tally.refused("10.0.0.2", 403, "b")
    tally.refused("10.0.0.1", 413, "c")
    tally.foreign("10.0.0.3", "sdk", "d")

    rows = [(row.ip, row.status, row.reason, row.count) for row in tally.turned_away()]
    assert rows == [("10.0.0.1", 413, "c", 2), ("10.0.0.3", 0, "d", 1)]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("FE80:0::1%eth0", "fe80::1"),
        ("[fe80::1]", "fe80::1"),
        ("gate.local", "gate.local"),
        ("a:b", "a:b"),
    ],
)
def test_an_address_has_one_spelling(text, spelled):
    assert plain(text) == spelled


def test_strange_addresses_share_with_nobody():
    assert subnet("x:y") == "x:y"


def test_what_a_device_sent_is_made_visible():
    assert visible(b"a\x1b[31m\r\n'\xff") == "a\\x1b[31m\\r\\n'\\xff"
    assert visible(b"x" * 300).endswith("x ...")

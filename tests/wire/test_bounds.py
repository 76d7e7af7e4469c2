"""Rates, quotas, deadlines and room: each bounded, each with a clock."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from hikrecv.config import Limits
from hikrecv.wire.addresses import plain, subnet
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


def test_a_quota_counts_bytes_and_pushes_for_an_hour(clock):
    quota = Quota(Limits(bytes_per_hour=1000, pushes_per_hour=5), clock.seconds)

    for _ in range(4):
        quota.charge("10.0.0.5", 200)
    assert quota.wait("10.0.0.5", "address") == 0
    assert quota.wait("10.0.0.5", "none") == 3601
    quota.charge("10.0.0.5", 200)
    clock.advance(600)
    assert quota.wait("10.0.0.5", "login") == 3001
    assert quota.wait("10.0.0.6", "none") == 0

    clock.advance(3000)
    assert quota.wait("10.0.0.5", "none") == 0
    quota.charge("10.0.0.5", 1)
    assert quota.wait("10.0.0.5", "address") == 0


def test_a_quota_of_an_ipv6_host_is_that_of_its_network(clock):
    quota = Quota(Limits(pushes_per_hour=10), clock.seconds)

    quota.charge("2001:db8::1", 1)

    assert quota.wait("2001:db8::2", "none") > 0
    assert quota.wait("2001:db8:0:1::2", "none") == 0


def test_a_quota_remembers_so_many_addresses(clock):
    quota = Quota(Limits(pushes_per_hour=1), clock.seconds, keys=2)

    for n in range(3):
        quota.charge(f"10.0.0.{n}", 1)

    assert [quota.wait(f"10.0.0.{n}", "login") > 0 for n in range(3)] == [False, True, True]


class Body:
    def __init__(self, room: InFlight) -> None:
        self.share = Share(room, self.ready)
        self.woken = 0

    def ready(self) -> None:
        self.woken += 1


def test_up_to_a_quarter_of_the_room_nobody_waits():
    room = InFlight(2000)

    assert all(Body(room).share.add(100, 10**6) for _ in range(5))


def test_above_a_quarter_only_what_fits_reads_on_and_the_others_in_their_order():
    room = InFlight(1000)
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
    room = InFlight(1000)
    body = Body(room)
    assert body.share.add(600, 300)
    assert (room.held, room.promised) == (600, 300)

    assert body.share.add(100, 200)
    assert body.share.add(200, 0)

    assert (room.held, room.promised) == (900, 0)


def test_who_gives_up_waiting_leaves_its_place():
    room = InFlight(1000)
    first, second, third = Body(room), Body(room), Body(room)
    first.share.add(600, 0)
    assert not second.share.add(10, 800)
    assert not third.share.add(10, 390)

    second.share.release()

    assert (second.woken, third.woken) == (0, 1)


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

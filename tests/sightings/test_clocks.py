"""How far a device's clock is believed when something acts."""

import itertools
import math
import random

import pytest
from msgspec.structs import replace

from hikrecv.isapi.event import Device
from hikrecv.journal.fact import attach, fact_of
from hikrecv.push import Peer
from hikrecv.senders import Bound
from hikrecv.sightings.clocks import HISTORY, SECOND, Trusted, TrustedClocks

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86400.0, 365 * 86400.0
MAX_AGE = 10.0


class Door:
    """A reaction that acts on events not older than ten seconds, told of one device's events."""

    def __init__(self, says, *learned):
        self.clocks = TrustedClocks(learned)
        self._fact = fact_of(says(1))
        peer = Peer("10.0.0.4", 4000, "address")
        self._event, self._beat = says(1, peer=peer), says(1, peer=peer, family="heartbeat")

    def event(self, at, lag, *, resent=False):
        """An event that is received *at* and lags by *lag* seconds; does the door open?"""
        event = self._said(self._event, at, lag, resent=resent)
        return not resent and self.clocks.lateness(event, MAX_AGE).seconds <= MAX_AGE

    def beat(self, at, lag):
        self._said(self._beat, at, lag)

    def _said(self, event, at, lag, *, resent=False):
        received = self._fact.received + int(at * SECOND)
        fact = replace(
            self._fact,
            received=received,
            occurred=received - int(lag * SECOND),
            freshness="resent" if resent else "live",
        )
        attach(event, fact)
        self.clocks.publish(1, (event,))
        return event


def written(clocks):
    """What there is to be written, which is then written."""
    changes = clocks.changes()
    clocks.kept(changes)
    return changes


@pytest.fixture
def door(says):
    return Door(says)


@pytest.fixture
def learning(says):
    return Door(says, "gate")


def every(door, seconds, start, stop, lag):
    """Whether the door opened, for an event each so many seconds."""
    opened, at = [], start
    while at < stop:
        opened.append(door.event(at, lag))
        at += seconds
    return opened


# -- what is believed without a sign -----------------------------------------------


def test_the_first_event_of_a_right_clock_opens(door):
    assert door.event(0, 0.7)


def test_a_history_at_the_pace_at_which_it_was_made_never_opens(door):
    assert not any(every(door, 3.5, 0, 12 * HOUR, 90 * DAY))


def test_a_clock_two_hours_behind_opens_nothing_without_a_sign(door):
    assert not any(every(door, 30, 0, DAY, 2 * HOUR))


def test_a_clock_two_hours_ahead_opens_nothing_without_a_sign(door):
    assert not any(every(door, 30, 0, DAY, -2 * HOUR))


@pytest.mark.parametrize("step", [1, 3, 12, 20, 30, 59, 61, HOUR, 90 * DAY, 8 * YEAR])
def test_a_clock_that_was_ahead_and_was_set_right_opens_within_five_minutes(door, step):
    every(door, 20, 0, HOUR, -step)

    opened = every(door, 20, HOUR, 2 * HOUR, 0.3)

    assert all(opened[15:])


@pytest.mark.parametrize("step", [12, 20, 30, 59, 61, HOUR, 90 * DAY, 56 * YEAR])
def test_a_clock_that_was_behind_and_was_set_right_opens_within_five_minutes(door, step):
    every(door, 20, 0, HOUR, step)

    opened = every(door, 20, HOUR, 2 * HOUR, 0.3)

    assert all(opened[15:])


def test_a_clock_set_back_by_less_than_max_age_opens_within_five_minutes(door):
    every(door, 20, 0, HOUR, 0.2)

    assert all(every(door, 20, HOUR, 2 * HOUR, 8.0)[15:])


def test_an_offset_that_is_learned_without_a_sign_is_no_excuse_for_more_than_max_age(door):
    """Thirty seconds behind, or half a minute late: nobody can tell."""
    assert not any(every(door, 20, 0, 3 * HOUR, 30.0))


def test_events_half_a_minute_late_do_not_open_at_a_clock_known_to_be_right(door):
    assert door.event(0, 0.3)

    assert not any(every(door, 5, 60, HOUR, 35.0))


def test_slow_events_between_others_do_not_keep_an_offset_from_being_learned(door):
    every(door, 20, 0, HOUR, -30.0)
    rest = [door.event(HOUR + 20 * n, 40.0 if n % 4 == 3 else 0.4) for n in range(60)]

    assert all(opened for n, opened in enumerate(rest) if n >= 15 and n % 4 != 3)


def test_an_offset_changed_twice_in_a_row_is_learned(door):
    every(door, 20, 0, HOUR, -59.0)
    every(door, 20, HOUR, HOUR + 100, -30.0)

    assert all(every(door, 20, HOUR + 100, 2 * HOUR, 0.0)[15:])


def test_one_event_years_ahead_shuts_the_door_for_five_minutes_at_most(door):
    every(door, 20, 0, HOUR, 0.2)
    door.event(HOUR, -8 * YEAR)

    assert all(every(door, 20, HOUR + 20, 2 * HOUR, 0.2)[15:])


def test_a_queue_behind_a_clock_an_hour_ahead_does_not_open_where_it_looks_like_now(door):
    """Never heard before: its events of an hour ago look like now for a while."""
    opened = [door.event(3.5 * n, 5 * HOUR - 3.5 * n - HOUR) for n in range(int(5 * HOUR / 3.5))]

    assert not any(opened)


def test_what_was_received_before_an_offset_rose_is_judged_by_what_was_known_then(door, says):
    every(door, 20, 0, HOUR, 0.2)
    old = says(7, at=HOUR + 1, lag=2 * HOUR, peer=Peer("10.0.0.4", 4000, "address"))
    for n in range(10):
        door.beat(HOUR + 10 + 30 * n, 2 * HOUR)

    assert door.clocks.lateness(old, 9e9).seconds > 7000
    assert door.event(HOUR + 400, 2 * HOUR + 0.4)


# -- signs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offset", [-8 * YEAR, -2 * HOUR, -59, -12, 0, 12, 30, 59, 2 * HOUR, 90 * DAY, 56 * YEAR]
)
def test_a_heartbeat_is_a_sign_by_which_any_clock_opens(door, offset):
    opened = []
    for n in range(240):
        door.beat(30 * n, offset + 0.2)
        opened.append(door.event(30 * n + 7, offset + 0.5))

    assert all(opened[3:])


@pytest.mark.parametrize("says_time", [False, True])
def test_heartbeats_in_another_zone_than_the_events_never_open_for_what_is_as_old(door, says_time):
    """Eight hours behind by its heartbeats, and right by its events; then a queue of eight hours ago."""
    for n in range(240):
        door.beat(30 * n, 8 * HOUR + 0.2)
        if says_time and n % 40 == 0:
            door.clocks.measured("gate", 0, door._fact.received + int(30 * n * SECOND))
        assert n % 20 or door.event(30 * n + 5, 0.3) or n == 0

    opened = [door.event(2 * HOUR + 60 + n / 10, 9 * HOUR - 10 * n) for n in range(720)]
    assert not any(opened)
    assert not any(every(door, 3.5, 3 * HOUR, 4 * HOUR, 8 * HOUR))
    assert all(every(door, 20, 4 * HOUR, 5 * HOUR, 0.3))


def test_a_device_that_tells_another_time_than_its_events_is_not_believed_beyond_them(door):
    for n in range(60):
        door.clocks.measured("gate", int(5 * HOUR * SECOND), door._fact.received + int(60 * n * SECOND))
        assert door.event(60 * n + 1, 0.3)
        assert not door.event(60 * n + 2, 5 * HOUR)


def test_a_clock_that_is_wrong_again_by_as_much_is_believed_again(door):
    for offset in (2 * HOUR, 0.0, 2 * HOUR):
        start, opened = next(_hours), []
        for n in range(60):
            opened.append(door.event(start + 30 * n, offset))
            door.beat(start + 30 * n + 3, offset)

        assert all(opened[9:]), offset


def test_one_heartbeat_is_not_enough(door):
    door.event(0, 0.3)
    door.beat(10, 2 * HOUR)

    assert not door.event(20, 2 * HOUR)


def test_heartbeats_of_a_line_that_was_stuck_are_no_sign(door):
    """Ninety seconds of a heartbeat every 300 ms arrive at once."""
    door.event(0, 0.3)
    for n in range(300):
        door.beat(90 + n / 100, 90 - 0.3 * n + n / 100)

    assert not door.event(93.1, 89.0)


def test_a_history_beside_heartbeats_never_opens(door):
    opened = []
    for n in range(3000):
        if n % 10 == 0:
            door.beat(3.5 * n, 0.2)
        opened.append(door.event(3.5 * n + 1, 90 * DAY))

    assert not any(opened)


def test_a_clock_that_is_set_while_it_sends_heartbeats_opens_within_five_minutes(door):
    for offset in (2 * HOUR, 0.0, -12.0, 0.0, 59.0, 0.0, 3.0, -3 * HOUR, 0.0):
        opened = []
        start = fresh = next(_hours)
        while fresh < start + 1200:
            door.beat(fresh, offset)
            opened.append(door.event(fresh + 3, offset))
            fresh += 30

        assert all(opened[9:]), offset


_hours = itertools.count(0, int(HOUR))


def test_what_the_device_says_itself_is_believed_at_once(door):
    door.event(0, 2 * HOUR)
    door.clocks.measured("gate", int(2 * HOUR * SECOND), door._fact.received + SECOND)

    assert door.event(2, 2 * HOUR + 0.3)
    assert not door.event(3, 3 * HOUR)


def test_a_clock_set_right_after_a_sign_opens_at_once_and_not_for_what_the_sign_said(door):
    door.clocks.measured("gate", int(2 * HOUR * SECOND), door._fact.received)

    assert door.event(60, 0.3)
    assert not door.event(70, 2 * HOUR)


def test_a_sign_that_is_followed_by_other_lags_is_not_believed_beyond_them(door):
    door.clocks.measured("gate", int(2 * HOUR * SECOND), door._fact.received)

    assert not any(every(door, 20, 60, HOUR, HOUR))


# -- what the operator lets it learn ----------------------------------------------------


@pytest.mark.parametrize("offset", [-8 * YEAR, -2 * HOUR, -30, 30, 2 * HOUR, 90 * DAY])
def test_a_wrong_clock_opens_when_the_operator_says_learned(learning, offset):
    assert all(every(learning, 20, 0, HOUR, offset)[15:])


def test_a_channel_of_a_recorder_learns_when_the_recorder_may(says):
    clocks = TrustedClocks(["nvr"])
    peer, device = Peer("10.0.0.4", 4000, "login"), Device(id="nvr/3")
    for n in range(20):
        event = says(n + 1, at=20.0 * n, lag=2 * HOUR, peer=peer, device=device)
        clocks.publish(1, (event,))

    assert clocks.lateness(event, MAX_AGE).seconds <= 1


def test_signs_speak_louder_than_what_a_clock_may_learn(learning):
    opened = []
    for n in range(3000):
        if n % 10 == 0:
            learning.beat(3.5 * n, 0.2)
        opened.append(learning.event(3.5 * n + 1, 90 * DAY))

    assert not any(opened[30:])


def test_the_devices_own_word_speaks_louder_than_what_a_clock_may_learn(learning):
    opened = []
    for hour in range(4):
        learning.clocks.measured("gate", 0, learning._fact.received + int(hour * HOUR / 2 * SECOND))
        opened += every(learning, 3.5, hour * HOUR / 2, (hour + 1) * HOUR / 2, 90 * DAY)

    assert not any(opened)


def test_a_history_as_old_as_a_clock_was_wrong_before_it_was_set_right_never_opens(door):
    door.clocks.measured("gate", int(2 * HOUR * SECOND), door._fact.received)
    assert door.event(60, 0.3)

    assert not any(every(door, 3.5, 120, 2 * HOUR, 2 * HOUR))


# -- who teaches, and what is kept ----------------------------------------------------


def test_a_sender_without_trust_teaches_nothing(says):
    clocks = TrustedClocks(["gate"])
    for n in range(100):
        clocks.publish(1, (says(n + 1, at=20.0 * n, lag=-HOUR),))

    assert clocks.offset("gate") is None
    assert not written(clocks)


@pytest.mark.parametrize(
    ("bound", "peer", "device"),
    [
        (Bound({}, frozenset(["gate"])), Peer("10.0.0.9", 1, "login", "camera"), "gate"),
        (Bound({}, frozenset(["gate"])), Peer("10.0.0.9", 1, "token"), "gate/33"),
        (Bound({"10.0.0.4": "gate"}), Peer("10.0.0.9", 1, "address"), "gate"),
    ],
)
def test_whoever_only_says_to_be_a_device_with_a_login_or_address_of_its_own_teaches_it_nothing(
    says, bound, peer, device
):
    """Its MAC in another camera's heartbeats, 90 days old, would open the door for its history."""
    clocks = TrustedClocks(bound=bound)
    for n in range(20):
        said = says(n + 1, at=30.0 * n, lag=90 * DAY, family="heartbeat", peer=peer, device=Device(id=device))
        clocks.publish(1, (said,))

    assert clocks.offset(device) is None


def test_a_device_with_a_login_of_its_own_teaches_its_clock_by_it(says):
    clocks = TrustedClocks(bound=Bound({}, frozenset(["gate"])))
    clocks.publish(1, (says(1, lag=0.4, peer=Peer("10.0.0.9", 1, "login", "gate")),))

    assert clocks.offset("gate").offset == int(0.4 * SECOND)


def test_repeats_and_what_is_called_resent_teach_nothing(door, says):
    for n in range(100):
        door.event(20.0 * n, 2 * HOUR, resent=True)
        again = says(n, at=20.0 * n, lag=-HOUR, duplicate_of="word-1-0", peer=Peer("10.0.0.4", 1, "login"))
        door.clocks.publish(1, (again,))

    assert door.clocks.offset("gate") is None


def test_an_event_without_a_time_has_no_age(says):
    assert TrustedClocks().lateness(says(1, lag=None), MAX_AGE).reason == "no time"


def test_what_is_kept_is_known_again_with_its_evidence(door):
    for n in range(10):
        door.beat(30 * n, 2 * HOUR)
    kept = dict(written(door.clocks))
    door.clocks = TrustedClocks()
    door.clocks.restore(kept)

    known = door.clocks.offset("gate")
    assert (known.sign, known.offset, known.base) == ("heartbeat", 2 * HOUR * SECOND, 2 * HOUR * SECOND)
    assert door.event(400, 2 * HOUR)
    assert not written(TrustedClocks())


def test_only_what_changed_is_written_again(door):
    every(door, 20, 0, HOUR, 0.4)

    assert len(written(door.clocks)) == 1
    every(door, 20, HOUR, 2 * HOUR, 0.6)
    assert not written(door.clocks)


def test_what_was_learned_while_our_own_clock_was_wrong_is_given_up(door):
    every(door, 20, 0, HOUR, 0.4)
    written(door.clocks)
    every(door, 20, HOUR, 2 * HOUR, -20 * YEAR)

    door.clocks.our_clock_was_set()

    assert door.event(2 * HOUR, 0.5)


def test_a_clock_that_is_forgotten_is_learned_from_the_next_event(door):
    every(door, 20, 0, HOUR, -30.0)
    written(door.clocks)
    assert not door.event(HOUR, 0.2)

    assert door.clocks.forget("gate")

    assert written(door.clocks) == [("gate", None)]
    assert door.event(HOUR + 20, 0.2)
    assert not door.clocks.forget("nobody")


def test_whoever_invents_names_pushes_out_only_the_longest_silent_clock(says):
    clocks = TrustedClocks(most=3)
    for n in range(10):
        clocks.publish(
            1, (says(n + 1, at=n, peer=Peer("10.0.0.4", 1, "address"), device=Device(id=f"d{n}")),)
        )

    assert [clocks.offset(f"d{n}") is None for n in range(10)] == [True] * 7 + [False] * 3
    assert sorted(name for name, kept in written(clocks) if kept) == ["d7", "d8", "d9"]


def test_the_error_is_what_was_learned_without_a_sign():
    def error(**known):
        return Trusted(**{name: int(value * SECOND) for name, value in known.items()}).error / SECOND

    assert error() == 0
    assert error(offset=8) == 8
    assert error(offset=-40) == 0
    assert math.isinf(error(offset=-61))
    assert math.isinf(error(offset=90))
    assert error(offset=7205, base=7200) == 5
    assert error(offset=0, base=-7200) == 0
    assert math.isinf(error(offset=-120, base=-7200))
    assert HISTORY == DAY * SECOND


# -- ten thousand hours ---------------------------------------------------------------

PACES = (0.5, 0.9, 0.98, 0.99, 1.0, 1.001, 1.01, 1.05, 1.25, 2.0, 20.0, 400.0)
CLOCKS = (0.0, 8.0, 45.0, -12.0, -59.0, 2 * HOUR, -HOUR, 90 * DAY, -70 * DAY, 56 * YEAR, -8 * YEAR)
HISTORIES = (90 * DAY, 3 * HOUR)
HOURS = 10


def lived(door, chance, pace, clock, oldest, *, flagged, beats, known):
    """
    Ten hours of a terminal: an hour of people when it is *known*, then what it has stored, then people again.

    :returns: real ages of the events for which the door opened; how many people there were, and how
        many of them it let in, in the last hours.
    """
    opened, people, let_in = [], 0, 0
    at, beat, age = (0.0, 0.0, 0.0) if known else (HOUR, HOUR, oldest)
    flushing = not known
    while at < HOURS * HOUR:
        gap = chance.uniform(2, 5) if HOUR <= at < 1.4 * HOUR else chance.uniform(20, 130)
        at += gap
        while beats and beat < at:
            door.beat(beat, clock + chance.random())
            beat += 30
        if known and not flushing and age == 0 and HOUR < at < HOUR + 10:
            flushing, age = True, oldest
        if flushing:
            age = max(age + gap * (1 - pace), 0.0)
            flushing = age > 0
        lag = clock + age + chance.random()
        if door.event(at, lag, resent=flagged and flushing):
            opened.append(age)
            let_in += not flushing and at > (HOURS - 3) * HOUR
        people += not flushing and at > (HOURS - 3) * HOUR
    return opened, people, let_in


CASES = tuple(itertools.product(CLOCKS, HISTORIES, (False, True), (False, True), (False, True)))


def test_the_terminals_live_for_ten_thousand_hours():
    assert len(PACES) == 12
    assert len(PACES) * len(CASES) * HOURS >= 10_000


@pytest.mark.parametrize("may_learn", [False, True], ids=["", "learned"])
@pytest.mark.parametrize("pace", PACES)
def test_in_ten_thousand_hours_no_history_opens_a_door_and_honest_devices_do(says, pace, may_learn):
    openings = 0
    for number, (clock, oldest, flagged, beats, known) in enumerate(CASES):
        # What the operator lets be learned from events alone, a history at its own pace teaches as well.
        if may_learn and not beats and not flagged:
            continue
        door = Door(says, *(["gate"] if may_learn else []))
        how = {"flagged": flagged, "beats": beats, "known": known}
        opened, people, let_in = lived(door, random.Random(number), pace, clock, oldest, **how)
        openings += len(opened)

        assert all(age <= MAX_AGE for age in opened), (clock, oldest, how)
        if people > 50 and (beats or may_learn or -MINUTE < clock <= MAX_AGE):
            assert let_in > 0.98 * people, (clock, oldest, how)
        elif not (beats or may_learn or abs(clock) < MINUTE):
            assert not opened, (clock, oldest, how)

    assert openings > 1_000

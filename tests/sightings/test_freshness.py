from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hikrecv.isapi.event import Device
from hikrecv.journal.fact import Clock, fact_of
from hikrecv.sightings.freshness import QUICK, SLOW, Clocks, _drifted, _weighed, behind
from hikrecv.sightings.sightings import Sightings

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86400.0, 365 * 86400.0


def fed(says, *seen, sightings=None, start=1, **others):
    """The freshness of events given as (at, lag)."""
    sightings = sightings or Sightings()
    events = [says(seq, at, lag, **others) for seq, (at, lag) in zip(count(start), seen, strict=False)]
    return [event.freshness for event in sightings.see(events)]


def test_an_event_of_a_right_clock_is_live(says):
    assert fed(says, (0, 0.2), (10, 59.0)) == ["live", "live"]


def test_more_than_a_minute_behind_is_late(says):
    assert fed(says, (0, 0.2), (10, 61.0)) == ["live", "late"]


def test_what_the_device_calls_resent_is_resent_however_fresh_it_looks(says):
    assert fed(says, (0, 0.1), freshness="resent") == ["resent"]


def test_an_event_without_a_time_is_live(says):
    assert fed(says, (0, None)) == ["live"]


def test_a_camera_at_1970_is_late_at_first_and_live_after_a_few_events(says):
    lag = 56 * YEAR

    assert fed(says, *((second, lag) for second in range(5))) == ["late", "late", "live", "live", "live"]


def test_a_camera_in_2034_is_live_and_its_late_events_are_found(says):
    sightings = Sightings()

    assert fed(says, *((second, -8 * YEAR) for second in range(5)), sightings=sightings) == ["live"] * 5
    assert fed(says, (600, -8 * YEAR + HOUR), sightings=sightings, start=9) == ["late"]


def test_one_event_from_the_future_does_not_make_the_others_late(says):
    assert fed(says, (0, 1), (5, -8 * YEAR), (10, 1), (15, 1)) == ["live"] * 4


def test_a_clock_an_hour_behind_is_learned_when_it_is_steady_for_five_minutes(says):
    heard = fed(says, *((minute * MINUTE, HOUR + minute % 3) for minute in range(14)))

    assert heard == ["late"] * 4 + ["live"] * 10


@pytest.mark.parametrize("step", [3, 12, 20, 30, 59])
def test_a_clock_put_right_by_little_is_learned_within_five_minutes(says, step):
    sightings = Sightings()
    fed(says, *((20 * n, -float(step)) for n in range(30)), sightings=sightings)
    events = [says(100 + n, 600 + 20 * n, 0.2) for n in range(30)]

    heard = sightings.see(events)

    assert {event.freshness for event in heard} == {"live"}
    assert [round(behind(event)) for event in heard[15:]] == [0] * 15


def test_it_takes_more_than_two_events_to_learn_a_clock_however_far_apart_they_are(says):
    assert fed(says, *((day * DAY, HOUR) for day in range(SLOW))) == ["late"] * (SLOW - 1) + ["live"]


def test_an_offline_queue_is_late_to_its_end(says):
    """33 events of three hours, flushed in order within two minutes, after a day of heartbeats."""
    sightings = Sightings()
    fed(says, *((30 * beat, 0.4) for beat in range(2880)), sightings=sightings)
    queue = [(DAY + 3 * HOUR + 3.6 * n, 3 * HOUR - 327 * n + 3.6 * n) for n in range(33)]

    assert fed(says, *queue, sightings=sightings, start=5000) == ["late"] * 33


def test_the_offline_queue_of_a_device_never_heard_before_is_late(says):
    queue = [(3.6 * n, 3 * HOUR - 327 * n) for n in range(33)]

    assert fed(says, *queue) == ["late"] * 33


def test_a_queue_that_was_written_as_fast_as_it_is_read_is_late(says):
    assert set(fed(says, *((second, 3 * HOUR) for second in range(240)))) == {"late"}


def test_a_queue_of_a_year_ago_is_late_though_it_is_steady(says):
    assert set(fed(says, *((second, YEAR) for second in range(240)))) == {"late"}


def test_live_events_between_those_of_a_queue_keep_the_offset(says):
    heard = fed(says, *((10.0 * n, 2 * HOUR if n % 2 else 0.5) for n in range(200)))

    assert heard == ["live", "late"] * 100


def test_a_clock_that_is_put_right_is_believed_at_once(says):
    sightings = Sightings()
    fed(says, *((minute * MINUTE, HOUR) for minute in range(14)), sightings=sightings)

    assert fed(says, (HOUR, 0.5), (HOUR + 1, 0.5), sightings=sightings, start=20) == ["live", "live"]


def test_what_lies_between_an_old_offset_and_a_right_clock_is_late(says):
    """The clock was an hour behind and is right now; what comes is a queue of half an hour."""
    sightings = Sightings()
    fed(says, *((minute * MINUTE, HOUR) for minute in range(14)), sightings=sightings)
    queue = [(HOUR + n, HOUR / 2 - 10 * n) for n in range(20)]

    assert set(fed(says, *queue, sightings=sightings, start=20)) == {"late"}


def test_a_clock_that_was_years_ahead_is_believed_soon_when_it_is_right(says):
    sightings = Sightings()
    fed(says, *((n, -8 * YEAR) for n in range(5)), sightings=sightings)

    after = fed(says, *((60 + n, 0.5) for n in range(5)), sightings=sightings, start=20)

    assert after == ["late", "late", "live", "live", "live"]


def test_a_queue_after_months_of_silence_is_late(says):
    assert fed(says, (0, 0.5), (90 * DAY, 300)) == ["live", "late"]


def test_a_clock_put_back_is_learned_again(says):
    sightings = Sightings()
    fed(says, *((minute * MINUTE, -HOUR) for minute in range(14)), sightings=sightings)
    after = fed(says, *((HOUR + minute * MINUTE, 0.5) for minute in range(14)), sightings=sightings, start=20)

    assert after == ["late"] * 4 + ["live"] * 10


def test_a_queue_that_grows_slowly_does_not_pull_the_offset_along(says):
    heard = fed(says, *((second, second / 4) for second in range(0, 1200, 5)))

    assert heard[:48] == ["live"] * 48
    assert set(heard[50:]) == {"late"}


def test_a_clock_that_drifts_five_seconds_a_day_stays_live(says):
    heard = fed(says, *((hour * HOUR, 5.0 * hour / 24) for hour in range(24 * 60)))

    assert set(heard) == {"live"}


def test_the_repeated_sending_of_one_event_teaches_nothing(says):
    sightings = Sightings()
    tries = [says(n, n * 120.0, n * 120.0, key="the same") for n in range(20)]

    assert [event.freshness for event in sightings.see(tries)] == ["live"] + ["late"] * 19


def test_devices_do_not_share_a_clock(says):
    sightings = Sightings()
    fed(says, *((second, 56 * YEAR) for second in range(QUICK)), sightings=sightings)

    assert fed(says, (60, 56 * YEAR), sightings=sightings, start=9, device=Device(id="other")) == ["late"]


def test_the_device_silent_the_longest_is_forgotten_first(says):
    sightings = Sightings(devices=2)
    reset = [(n, 56 * YEAR) for n in range(QUICK)]
    for start, name in ((1, "a"), (11, "b"), (21, "c")):
        fed(says, *reset, sightings=sightings, start=start, device=Device(id=name))

    assert fed(says, reset[0], sightings=sightings, start=31, device=Device(id="c")) == ["live"]
    assert fed(says, reset[0], sightings=sightings, start=32, device=Device(id="a")) == ["late"]


def test_behind_tells_how_long_an_event_was_under_way(says):
    sightings = Sightings()
    (first,) = sightings.see([says(1, 0, 2.0)])
    (late,) = sightings.see([says(2, 10, 602.0)])

    assert behind(first) == 0.0
    assert 599 < behind(late) <= 600
    assert behind(says(3, 0, None)) == 0.0


@settings(max_examples=100, deadline=None)
@given(offset=st.floats(-10 * YEAR, 11 * YEAR), lags=st.lists(st.floats(0, 20), min_size=40, max_size=60))
def test_no_steady_clock_is_late_for_ever(says, offset, lags):
    heard = fed(says, *((30.0 * n, offset + lag) for n, lag in enumerate(lags)))

    assert set(heard[30:]) == {"live"}


moments = st.integers(-3 * 10**9, 3 * 10**9) | st.integers(-2 * 10**15, 2 * 10**15)
maybe = st.none() | moments


@settings(max_examples=300)
@given(
    gap=st.integers(-(10**8), 10**10),
    lag=maybe,
    freshness=st.sampled_from(["live", "late", "resent"]),
    duplicate=st.sampled_from([None, None, "word-1-0"]),
    clock=st.builds(Clock, maybe, maybe, st.integers(0, 9), st.none() | st.integers(0, 10**16)),
)
def test_the_short_way_for_a_clock_that_agrees_says_what_the_long_way_says(
    says, gap, lag, freshness, duplicate, clock
):
    known = replace(
        fact_of(says(1)),
        clock_offset=clock.offset,
        clock_trial=clock.trial,
        clock_steady=clock.steady,
        clock_since=clock.since,
    )
    received = known.received + gap
    occurred = None if lag is None else received - lag
    fact = replace(known, received=received, occurred=occurred, freshness=freshness, duplicate_of=duplicate)
    clocks = Clocks()
    clocks.recall(known)

    assert clocks.judge(fact) == _weighed(fact, _drifted(clock, gap))

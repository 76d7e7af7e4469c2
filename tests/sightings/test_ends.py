from datetime import timedelta

from hikrecv.isapi.event import Event, Picture
from hikrecv.sightings.ends import Ends
from hikrecv.sightings.sightings import Sightings


def story(events, ends=None):
    """The ids in the order in which a reaction is called."""
    ends = ends or Ends()
    calls = []
    for event in Sightings().see(events):
        before, after = ends.see(event)
        calls += [each.id for each in (*before, event, *after)]
    return calls


def test_an_alarm_that_falls_silent_ends_before_whatever_comes_later(says):
    calls = story([says(1, 0), says(2, 1), says(3, 7, family="plate")])

    assert calls == ["word-1-0", "word-2-0", "word-1-0-end", "word-3-0"]


def test_an_alarm_that_the_device_ends_ends_after_that(says):
    calls = story([says(1, 0), says(2, 1, state="inactive"), says(3, 20)])

    assert calls == ["word-1-0", "word-2-0", "word-1-0-end", "word-3-0"]


def test_a_new_alarm_after_silence_has_an_end_of_its_own(says):
    calls = story([says(1, 0), says(2, 6), says(3, 12)])

    assert calls == ["word-1-0", "word-1-0-end", "word-2-0", "word-2-0-end", "word-3-0"]


def test_when_nothing_more_comes_the_clock_tells(says):
    ends = Ends()
    first, second = Sightings().see([says(1, 0), says(2, 1)])
    ends.see(first)
    ends.see(second)

    assert ends.next == second.received + timedelta(seconds=5)
    assert ends.due(ends.next) == ()
    (end,) = ends.due(ends.next + timedelta(milliseconds=1))
    assert (end.id, end.received) == ("word-1-0-end", second.received + timedelta(seconds=5))
    assert ends.next is None
    assert ends.due(end.received + timedelta(days=1)) == ()


def test_an_end_is_an_inactive_event_with_a_stable_key_and_the_episode(says):
    ends = Ends()
    for event in Sightings().see([says(1, 0), says(2, 1, pictures=(Picture(n=0, role="background"),))]):
        event.__dict__["_data"] = dict
        ends.see(event)

    (end,) = ends.due(event.received + timedelta(seconds=6))

    assert (end.key, end.state, end.episode.id, end.episode.count) == (end.id, "inactive", "word-1-0", 1)
    assert (end.device, end.channel, end.type, end.seq) == (event.device, event.channel, event.type, 2)
    assert end.pictures == ()
    assert end.__dict__ == {}
    assert Event.from_json(end.to_json()) == end


def test_an_alarm_of_one_event_ends_too(says):
    ends = Ends()
    ends.see(says(1, 0))

    (end,) = ends.due(says(2, 6).received)

    assert (end.id, end.episode.id, end.episode.count) == ("word-1-0-end", "word-1-0", 0)


def test_a_reader_that_starts_in_the_middle_tells_the_same_ends(says):
    events = Sightings().see([says(1, 0), says(2, 1), says(3, 1.5, type="other"), says(4, 8), says(5, 20)])
    whole, later = Ends(), Ends()
    all_ends = [[end for half in whole.see(event) for end in half] for event in events]

    for event in events[:2]:
        later.see(event)

    assert [[end for half in later.see(event) for end in half] for event in events[2:]] == all_ends[2:]


def test_a_clock_set_back_ends_what_lasted(says):
    assert story([says(1, 3600), says(2, 0, family="plate")]) == ["word-1-0", "word-1-0-end", "word-2-0"]


def test_more_alarms_than_fit_end_the_one_silent_the_longest(says):
    calls = story([says(n, 0, type=f"type {n}") for n in (1, 2, 3)], Ends(most=2))

    assert calls == ["word-1-0", "word-2-0", "word-1-0-end", "word-3-0"]

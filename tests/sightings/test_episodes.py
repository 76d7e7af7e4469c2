from hikrecv.isapi.event import Channel, Device, Io, Panel
from hikrecv.sightings.episodes import REGIONS
from hikrecv.sightings.sightings import Sightings


def told(sightings, events):
    """(id, count) of each event's episode, or None."""
    seen = sightings.see(events)
    return [event.episode and (event.episode.id, event.episode.count) for event in seen]


def test_repeats_within_five_seconds_are_one_episode(says):
    events = [says(1, 0), says(2, 1), says(3, 6), says(4, 11.5)]

    assert told(Sightings(), events) == [None, ("word-1-0", 1), ("word-1-0", 2), None]


def test_an_episode_says_when_it_began(says):
    first, repeat = Sightings().see([says(1, 0), says(2, 1)])

    assert repeat.episode.first == first.received


def test_it_lasts_as_long_as_it_is_said_again(says):
    assert told(Sightings(window=10), [says(n, n) for n in range(1, 500)])[-1] == ("word-1-0", 498)


def test_devices_channels_types_and_regions_are_told_apart(says):
    others = [
        says(2, 1, device=Device(id="other")),
        says(3, 1, channel=Channel(id="2")),
        says(4, 1, type="fielddetection", family="intrusion"),
        says(5, 1, region="2"),
        says(6, 1, region="3"),
    ]

    assert told(Sightings(), [says(1, 0, region="1"), *others]) == [None] * 6


def test_an_alarm_without_a_region_refreshes_the_latest(says):
    events = [says(1, 0, region="1"), says(2, 1, region="2"), says(3, 2), says(4, 6.5, region="2")]

    assert told(Sightings(), events) == [None, None, ("word-2-0", 1), ("word-2-0", 2)]


def test_the_end_belongs_to_the_episode_and_what_follows_does_not(says):
    events = [says(1, 0), says(2, 1), says(3, 2, state="inactive"), says(4, 3)]

    assert told(Sightings(), events) == [None, ("word-1-0", 1), ("word-1-0", 1), None]


def test_an_end_without_a_region_ends_all(says):
    events = [says(1, 0, region="1"), says(2, 0, region="2"), says(3, 1, state="inactive")]

    assert told(Sightings(), [*events, says(4, 2, region="1"), says(5, 2, region="2")])[2:] == [
        ("word-2-0", 0),
        None,
        None,
    ]


def test_an_end_with_a_region_ends_that_one(says):
    events = [says(1, 0, region="1"), says(2, 0, region="2"), says(3, 1, region="1", state="inactive")]

    assert told(Sightings(), [*events, says(4, 2, region="1"), says(5, 2, region="2")])[2:] == [
        ("word-1-0", 0),
        None,
        ("word-2-0", 1),
    ]


def test_an_end_of_nothing_has_no_episode(says):
    assert told(Sightings(), [says(1, 0, state="inactive"), says(2, 1)]) == [None, None]


def test_people_and_plates_are_one_event_each(says):
    faces = [says(n, n / 10, family="face-match", type="alarmResult") for n in range(4)]

    assert told(Sightings(), faces) == [None] * 4


def test_a_duplicate_is_no_repeat(says):
    events = [says(1, 0), says(2, 1, key="key 1"), says(3, 2)]

    assert told(Sightings(), events) == [None, None, ("word-1-0", 1)]


def test_alarms_of_hours_that_come_in_seconds_are_not_one(says):
    queue = [says(n, n, 7200 - 600 * n) for n in range(6)]

    assert told(Sightings(), queue) == [None] * 6


def test_what_is_caught_up_with_is_no_part_of_what_goes_on(says):
    events = [says(1, 0), says(2, 1, 20, freshness="resent"), says(3, 2), says(4, 2, 19, freshness="resent")]

    assert told(Sightings(), events) == [None, None, ("word-1-0", 1), ("word-2-0", 1)]


def test_inputs_and_zones_are_told_apart_and_a_restore_ends_its_alarm(says):
    inputs = [says(n, 0, family="io", io=Io(port=str(n))) for n in (1, 2)]
    assert told(Sightings(), inputs) == [None, None]

    alarm, other = Panel(code=1130, zone=3), Panel(code=1130, zone=4)
    events = [says(n, 0, family="panel", panel=panel) for n, panel in ((1, alarm), (2, other))]
    end = says(3, 1, family="panel", panel=Panel(code=3130, zone=3), state="inactive")
    assert told(Sightings(), [*events, end]) == [None, None, ("word-1-0", 0)]


def test_a_clock_set_back_or_forth_begins_a_new_episode(says):
    assert told(Sightings(), [says(1, 0), says(2, 3600), says(3, 1)]) == [None, None, None]


def test_regions_without_end_stay_bounded(says):
    sightings = Sightings()

    told(sightings, [says(n, n / 1000, region=str(n)) for n in range(3 * REGIONS)])

    (chains,) = sightings._episodes._alarms.values()
    assert len(chains) == REGIONS


def test_alarms_without_end_stay_bounded(says):
    sightings = Sightings(window=50)

    told(sightings, [says(n, n / 1000, type=f"type {n}") for n in range(500)])

    assert len(sightings._episodes._alarms) == 50

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from hikrecv.isapi.event import Device
from hikrecv.journal.fact import fact_of
from hikrecv.sightings.sightings import Sightings

YEAR = 365 * 86400.0

steps = st.lists(
    st.fixed_dictionaries(
        {
            "gap": st.sampled_from([-3600.0, -2.0, 0.0, 0.3, 1.0, 2.0, 4.9, 5.1, 70.0, 300.0]),
            "lag": st.sampled_from([None, 0.0, 1.0, 30.0, 59.0, 65.0, 1800.0, 3600.0, -3600.0, 56 * YEAR]),
            "device": st.sampled_from(["a", "b", "c", "d"]),
            "region": st.sampled_from([None, None, "1", "2"]),
            "state": st.sampled_from(["active", "active", "active", "inactive"]),
            "family": st.sampled_from(["motion", "motion", "io", "plate", "heartbeat"]),
            "freshness": st.sampled_from(["live", "live", "live", "resent"]),
            "key": st.sampled_from([None, None, None, "k", "l"]),
        }
    ),
    max_size=60,
)


def story(says, steps):
    at, events = 0.0, []
    for seq, step in enumerate(steps, 1):
        step = dict(step)
        at += step.pop("gap")
        step["key"] = step["key"] or f"key {seq}"
        step["device"] = Device(id=step["device"])
        events.append(says(seq, at, step.pop("lag"), type=step["family"], **step))
    return events


def lately(facts, window, devices):
    """What the index gives: the latest facts, and the last of each device before them."""
    latest, earlier = facts[-window:], facts[:-window]
    heard = {fact.device for fact in latest}
    last = {fact.device: fact for fact in earlier if fact.device not in heard}
    return [*sorted(last.values(), key=lambda fact: fact.seq), *latest]


@settings(max_examples=400, deadline=None)
@given(steps=steps, cut=st.integers(0, 60), window=st.integers(1, 12), devices=st.integers(1, 5))
def test_what_was_restored_goes_on_as_if_it_had_seen_everything(says, steps, cut, window, devices):
    events = story(says, steps)
    whole, restored = Sightings(window, devices), Sightings(window, devices)
    before = whole.see(events[:cut])

    restored.restore(lately([fact_of(event) for event in before], window, devices))

    after = whole.see(events[cut:])
    again = restored.see(events[cut:])
    assert [event.to_json() for event in again] == [event.to_json() for event in after]
    assert [fact_of(event) for event in again] == [fact_of(event) for event in after]


@settings(max_examples=100, deadline=None)
@given(steps=steps, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_it_is_the_same_however_the_events_are_handed_over(says, steps, cuts):
    events = story(says, steps)
    whole, slices = Sightings(), Sightings()
    bounds = [0, *sorted(cuts), len(events)]

    seen = [event for a, b in pairwise(bounds) for event in slices.see(events[a:b])]

    assert seen == list(whole.see(events))


def test_events_that_somebody_else_has_seen_are_judged_anew(says):
    events = [says(1, 0, key="a"), says(2, 1, key="a"), says(3, 2), says(4, 500, 499)]
    seen = Sightings().see(events)

    assert Sightings().see(seen) == seen
    assert Sightings().see(seen[1:2])[0].duplicate_of is None
    assert Sightings().see(seen[2:3])[0].episode is None


def test_what_an_event_was_decoded_from_stays_attached(says):
    event = says(2, 1)
    event.__dict__["_data"] = dict

    _, seen = Sightings().see([says(1, 0), event])

    assert seen.episode is not None
    assert seen.data() == {}


def test_absurdly_long_names_are_remembered_by_their_digest(says):
    long = "x" * 1_000_000
    sightings = Sightings()

    first, again = sightings.see([says(1, 0, key=long, type=long), says(2, 1, key=long, type=long)])

    assert again.duplicate_of == first.id
    assert max(len(part) for part in astuple(fact_of(first)) if isinstance(part, str)) < 100
    assert first.key == long

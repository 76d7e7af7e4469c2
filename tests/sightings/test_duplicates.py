from hikrecv.sightings.sightings import Sightings


def firsts(sightings, events):
    return [event.duplicate_of for event in sightings.see(events)]


def test_the_same_key_again_is_a_duplicate_of_the_first(says):
    events = [says(1, key="a"), says(2, key="b"), says(3, 40, key="a"), says(4, 80, key="a")]

    assert firsts(Sightings(), events) == [None, None, "word-1-0", "word-1-0"]


def test_a_duplicate_is_the_same_event_in_all_else(says):
    first, again = says(1, key="a"), says(2, 1, 1, key="a")

    _, seen = Sightings().see([first, again])

    assert seen == again.replace(duplicate_of="word-1-0")


def test_a_key_counts_for_the_window_since_it_was_last_seen(says):
    sightings = Sightings(window=4)
    events = [says(1, key="a"), says(2), says(3), says(4), says(5, key="a"), says(6), says(7), says(8)]

    assert firsts(sightings, events)[4] == "word-1-0"
    assert firsts(sightings, [says(9, key="a")]) == ["word-1-0"]
    assert firsts(sightings, [says(seq) for seq in range(10, 14)]) == [None] * 4
    assert firsts(sightings, [says(14, key="a")]) == [None]


def test_a_uuid_sent_again_hours_later_is_a_duplicate(says):
    events = [says(1, 0, 0, key="uuid"), says(2, 9000, 9000, key="uuid")]

    assert firsts(Sightings(), events) == [None, "word-1-0"]
    assert firsts(Sightings(), [event.replace(occurred=None) for event in events]) == [None, "word-1-0"]


def test_heartbeats_are_never_duplicates(says):
    beats = [says(n, n, None, key="beat", family="heartbeat", state="inactive") for n in range(5)]

    assert firsts(Sightings(), beats) == [None] * 5


def test_two_documents_of_one_push_can_be_one_event(says):
    events = [says(1, key="a"), says(1, key="a", n=1, id="word-1-1")]

    assert firsts(Sightings(), events) == [None, "word-1-0"]

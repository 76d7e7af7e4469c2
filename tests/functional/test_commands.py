"""The commands that change something or read much, on a running receiver and on a stopped one."""

from __future__ import annotations

from pathlib import Path

import pytest
from functional_harness import NOTES, Device, Receiver, noted, post, until

from hikrecv.testing.message import Message
from hikrecv.testing.profiles.deepinview import vendor_note

pytestmark = pytest.mark.functional

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "examples"
PICKY = (
    NOTES
    + """
from hikrecv import Reject

@hookimpl
async def hikrecv_event(event, context):
    if (context.state_dir / "refuse").exists():
        raise Reject("not today")
    note(context, event.seq, event.key)
"""
)
TABLES = """
[reactions.hq]
plugin = "picky"
[reactions.once]
plugin = "picky"
delivery = "at-most-once"
max_age = "1h"
[reactions.idle]
plugin = "picky"
enabled = false
families = ["face-match"]
"""


class Operator:
    """Runs commands while the receiver runs, or in a pause of it."""

    def __init__(self, receiver: Receiver, running: bool) -> None:
        self._receiver, self._running, self._paused = receiver, running, False

    def __call__(self, *words: str, code: int = 0) -> str:
        if not self._running and not self._paused:
            self._receiver.stop()
            self._paused = True
        return self._receiver.command(*words, code=code)

    def back(self) -> None:
        """The receiver runs again."""
        if self._paused:
            self._receiver.start()
            self._paused = False


@pytest.fixture(params=["running", "stopped"])
def operator(request: pytest.FixtureRequest, receiver: Receiver) -> Operator:
    return Operator(receiver, request.param == "running")


@pytest.fixture
def receiver(new_receiver) -> Receiver:
    """One that has had three events."""
    receiver = new_receiver(TABLES, plugins={"picky": PICKY}).start()
    push(receiver, 3)
    receiver.wait_until_idle()
    return receiver


def push(receiver: Receiver, count: int) -> None:
    with Device(receiver.port) as device:
        assert {device.send().status for _ in range(count)} == {200}


def seqs(receiver: Receiver, name: str = "hq") -> list[int]:
    return [note.seq for note in noted(receiver, name)]


def test_a_paused_reaction_gets_nothing_until_it_is_resumed(receiver: Receiver, operator: Operator) -> None:
    operator("reactions", "pause", "hq")
    operator.back()
    push(receiver, 2)
    receiver.wait_until_idle(but="hq")
    paused, before = receiver.reaction("hq"), seqs(receiver)
    operator("reactions", "resume", "hq")
    operator.back()
    receiver.wait_until_idle()

    assert (paused["state"], paused["position"], paused["lag_events"]) == ("paused", 3, 2)
    assert before == [1, 2, 3]
    assert seqs(receiver) == [1, 2, 3, 4, 5]


def test_a_rewound_reaction_gets_its_events_again(receiver: Receiver, operator: Operator) -> None:
    said = operator("reactions", "rewind", "hq", "--to", "2")
    operator.back()
    until(lambda: len(seqs(receiver)) == 5, "it has had them again")

    assert "hq goes on after 1" in said
    assert seqs(receiver) == [1, 2, 3, 2, 3]


def test_a_removed_reaction_can_be_forgotten_and_begins_anew(receiver: Receiver) -> None:
    refused = receiver.command("reactions", "forget", "hq", "--yes", code=1)
    receiver.configure("")
    receiver.command("reload")
    receiver.command("reactions", "forget", "hq", "--yes")
    push(receiver, 2)
    receiver.configure(TABLES)
    receiver.command("reload")
    push(receiver, 1)
    receiver.wait_until_idle()

    assert "take it out first" in refused
    assert seqs(receiver) == [1, 2, 3, 6]
    assert seqs(receiver, "once") == [1, 2, 3, 4, 5, 6]


def test_a_dead_letter_is_listed_tried_again_and_dropped(receiver: Receiver, operator: Operator) -> None:
    refuse = receiver.state.plugins / "hq" / "refuse"
    refuse.touch()
    push(receiver, 2)
    receiver.wait_until_idle()
    first, second = receiver.dead_letters("hq")
    listed = receiver.command("dead-letters", "list", "hq")

    still = operator("dead-letters", "retry", str(first.id), code=1)
    refuse.unlink()
    done = operator("dead-letters", "retry", str(first.id))
    operator("dead-letters", "drop", str(second.id))

    assert listed.count("not today") == 2
    assert f"{first.event}: failed (not today)" in still
    assert f"{first.event}: done" in done
    assert receiver.command("dead-letters", "list") == "there are no dead letters\n"
    assert seqs(receiver) == [1, 2, 3, 4]
    assert receiver.command("dead-letters", "drop", "99", code=1) == "hikrecv: there is no dead letter 99\n"


def test_dead_letters_are_tried_again_and_dropped_in_bulk(receiver: Receiver, operator: Operator) -> None:
    refuse = receiver.state.plugins / "hq" / "refuse"
    refuse.touch()
    push(receiver, 4)
    receiver.wait_until_idle()
    ids = [str(letter.id) for letter in receiver.dead_letters("hq")]
    listed = receiver.command("dead-letters", "list", "hq")
    refuse.unlink()

    two = operator("dead-letters", "retry", *ids[:2])
    nothing = operator("dead-letters", "retry", "--reaction", "hq", "--since", "2100-01-01", code=1)
    rest = operator("dead-letters", "retry", "--reaction", "hq", "--since", "1h")
    operator.back()
    receiver.wait_until_idle()

    assert "hikrecv dead-letters retry --reaction hq" in listed
    assert two.endswith("2 done\n")
    assert "hq has no dead letters to choose from" in nothing
    assert rest.endswith("2 done\n")
    assert seqs(receiver) == [1, 2, 3, 4, 5, 6, 7]
    refuse.touch()
    push(receiver, 2)
    receiver.wait_until_idle()
    assert operator("dead-letters", "drop", "--reaction", "hq", "--all") == "2 dead letters are dropped\n"
    assert receiver.command("dead-letters", "list") == "there are no dead letters\n"
    unnamed = receiver.command("dead-letters", "drop", code=2)
    assert "by their IDs, or by --reaction NAME, --all and --since TIME" in unnamed


def test_history_is_replayed_and_nothing_else_moves(receiver: Receiver, operator: Operator) -> None:
    dry = operator("replay", "hq", "--from", "2", "--dry-run")
    before = seqs(receiver)
    said = operator("replay", "hq", "--from", "2", "--to", "2")
    operator.back()
    receiver.wait_until_idle()

    assert "2 would be handed over" in dry
    assert before == [1, 2, 3]
    assert "1 done" in said
    assert seqs(receiver) == [1, 2, 3, 2]
    assert receiver.reaction("hq")["position"] == 3
    assert seqs(receiver, "once") == [1, 2, 3]


def test_what_must_not_repeat_itself_is_replayed_only_with_act(
    receiver: Receiver, operator: Operator
) -> None:
    refused = operator("replay", "once", "--from", "2", code=1)
    said = operator("replay", "once", "--from", "3", "--act")
    operator.back()
    receiver.wait_until_idle()

    assert "say --act" in refused
    assert "1 done" in said
    assert seqs(receiver, "once") == [1, 2, 3, 3]


def test_what_was_replayed_with_act_while_it_waited_is_not_done_a_second_time(receiver: Receiver) -> None:
    receiver.command("reactions", "pause", "once")
    push(receiver, 1)
    receiver.stop()

    receiver.command("replay", "once", "--from", "4", "--act")
    receiver.start()
    receiver.command("reactions", "resume", "once")
    receiver.wait_until_idle()

    assert seqs(receiver, "once") == [1, 2, 3, 4]
    (letter,) = receiver.dead_letters("once")
    assert "perhaps done" in letter.reason


def test_a_rule_and_a_reaction_are_tried_before_they_are_enabled(receiver: Receiver) -> None:
    with Device(receiver.port) as device:
        device.send(vendor_note())

    by_rule = receiver.command("try", "--when", 'match.similarity > 0.9 or device.id == "nobody"')
    by_table = receiver.command("try", "--reaction", "idle")
    some = receiver.command("try", "--reaction", "hq", "--from", "2", "--to", "3")
    wrong = receiver.command("try", "--when", "match.colour == 1", code=3)

    assert "Yunus" in by_rule
    assert "1 of 4 events would be handed over" in by_rule
    assert "1 of 4 events would be handed over" in by_table
    assert "2 of 2 events would be handed over" in some
    assert "colour" in wrong
    assert seqs(receiver, "idle") == []


def test_everything_can_be_verified_exported_and_indexed_again(
    receiver: Receiver, operator: Operator, tmp_path: Path
) -> None:
    with Device(receiver.port) as device:
        device.send(vendor_note())

    verified = operator("verify")
    exported = operator("export", str(tmp_path / "out"), "--since", "3")
    indexed = operator("reindex")

    assert "all 4 records are good; numbers 1 to 4" in verified
    assert "2 events in" in exported
    assert len((tmp_path / "out" / "events.jsonl").read_bytes().splitlines()) == 2
    assert len(list((tmp_path / "out").glob("*-background.jpg"))) == 1
    assert "pushes" in indexed
    assert len(receiver.command("events").splitlines()) == 5
    assert "Yunus" in receiver.command("show", "4")


def test_what_is_damaged_is_found_reported_and_given_to_nobody(receiver: Receiver) -> None:
    receiver.stop()
    segment = next(path for path in sorted(receiver.state.journal.glob("*.seg")))
    whole = segment.read_bytes()
    place = whole.index(b"<activePostCount>2<")
    segment.write_bytes(whole[:place] + b"<activePostCount>9<" + whole[place + 19 :])

    said = receiver.command("verify", code=1)
    receiver.start()
    receiver.command("reactions", "rewind", "hq", "--to", "beginning")
    receiver.wait_until_idle()

    assert "(numbers 2 to 2)" in said
    assert "1 damaged places, 2 good records" in said
    assert "ALARM: numbers 2 to 2 were acknowledged and cannot be read" in receiver.log
    assert seqs(receiver) == [1, 2, 3, 1, 3]
    assert list(receiver.state.root.glob("quarantine/*"))


def test_what_a_decoder_reads_is_read_the_same_by_commands(new_receiver, tmp_path: Path) -> None:
    plugins = {"visitor": (DOCS / "visitor_decoder.py").read_text(), "picky": PICKY}
    receiver = new_receiver('[decode]\nplugins = ["visitor"]\n' + TABLES, plugins=plugins).start()
    visit = Message(label="", content_type="text/plain", body=b"VISITOR;2026-03-01T08:00+00:00;Maria;3")

    answer = post(receiver.port, visit)
    receiver.wait_until_idle()
    by_index = receiver.command("events")
    receiver.stop()
    receiver.command("reindex")
    receiver.command("export", str(tmp_path / "out"))

    assert answer.status == 200
    assert "desk-3" in by_index
    assert receiver.command("events") == by_index
    assert "visitor Maria" in receiver.command("show", "1")
    assert b'"desk-3"' in (tmp_path / "out" / "events.jsonl").read_bytes()
    assert "1 of 1 events" in receiver.command("try", "--when", 'device.id == "desk-3"')

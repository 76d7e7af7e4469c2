"""A reaction that is behind: it loses nothing with `hold = "always"`, and never silently with `"budget"`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from functional_harness import NOTES, Device, Receiver, digest, noted, until

pytestmark = pytest.mark.functional

GATED = (
    NOTES
    + """
import os

@hookimpl
async def hikrecv_event(event, context):
    if not os.path.exists(context.state_dir / "open"):
        raise Retry("the other side is away", after=0.2)
    note(context, event.seq, event.key)
"""
)
SMALL = """
[journal]
max = "12MB"
segment = "1MB"
ballast = 0
keep = "60s"
"""
METRICS = """
[metrics]
listen = "tcp:0:interface=127.0.0.1"
"""
HR = """
[reactions.hr]
plugin = "gated"
hold = "always"
"""
HQ = """
[reactions.hq]
plugin = "gated"
"""


def fetch(receiver: Receiver, page: str) -> tuple[int, str]:
    """A page of the receiver's own port."""
    try:
        with urlopen(f"http://{receiver.tell('status')['metrics']}/{page}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def send(receiver: Receiver, count: int) -> dict[int, list[str]]:
    """Events of 290 kB: the digests by the status that they were answered."""
    answers: dict[int, list[str]] = {}
    with Device(receiver.port, large_every=1) as device:
        for _ in range(count):
            message = device.message()
            answers.setdefault(device.send(message).status, []).append(digest(message.body))
    return answers


def open_gate(receiver: Receiver, name: str) -> None:
    """The other side is there again."""
    (receiver.state.plugins / name / "open").touch()


def had(receiver: Receiver, name: str) -> list[str]:
    """The digests of what a reaction has had."""
    kept = receiver.kept()
    return [kept[note.seq] for note in noted(receiver, name) if note.seq in kept]


def test_with_hold_always_pushes_are_refused_and_none_that_was_acknowledged_is_lost(new_receiver) -> None:
    receiver = new_receiver(SMALL + METRICS + HR, plugins={"gated": GATED}).start()

    answers = send(receiver, 60)
    receiver.wait_for_log("ALARM: hr holds back")
    receiver.wait_for_log('journal full: rejecting pushes with 503: hr (hold = "always") has not had')
    ready, delivery = fetch(receiver, "readyz"), fetch(receiver, "deliveryz")
    shown = receiver.command("reactions")
    kept = list(receiver.kept().values())
    receiver.kill()
    receiver.start()
    refused = send(receiver, 1)
    open_gate(receiver, "hr")
    receiver.wait_until_idle()
    given = [note.seq for note in noted(receiver, "hr")]
    until(lambda: send(receiver, 1).keys() == {200}, "pushes are accepted again")

    assert answers.keys() == {200, 503}
    assert kept == answers[200]
    assert refused.keys() == {503}
    assert sorted(set(given)) == list(range(1, len(answers[200]) + 1))
    assert ready[0] == 503
    assert "reactions release hr" in ready[1]
    # It has lost nothing: what is wrong is that nothing can be kept.
    assert delivery[0] == 200
    assert "reactions release hr" in delivery[1]
    assert "always" in shown
    assert "lost" not in receiver.log.replace("than one lost", "")


def test_within_the_budget_a_loss_is_announced_and_told_by_deliveryz_while_readyz_is_well(
    new_receiver,
) -> None:
    receiver = new_receiver(SMALL + METRICS + HQ, plugins={"gated": GATED}).start()

    before = fetch(receiver, "deliveryz")
    answers = send(receiver, 9)
    receiver.wait_for_log("ALARM: hq holds back")
    answers |= {status: found + answers.get(status, []) for status, found in send(receiver, 60).items()}
    receiver.wait_for_log("ALARM: hq lost the events 1 to ")
    ready, delivery = fetch(receiver, "readyz"), fetch(receiver, "deliveryz")
    row = receiver.reaction("hq")
    open_gate(receiver, "hq")
    receiver.wait_until_idle()
    until(lambda: fetch(receiver, "deliveryz")[0] == 200, "it loses nothing any more", 20)
    seqs = {note.seq for note in noted(receiver, "hq")}

    assert before == (200, "ok\n")
    assert answers.keys() == {200}
    assert ready[0] == 200
    assert ready[1].startswith("ok\nhq is losing: it loses the oldest events: ")
    assert delivery[0] == 503
    assert "raise [journal] hold_max" in delivery[1]
    assert row["state"] == "losing"
    # Every event was handed over or told as lost; the first was in hand when it went.
    assert seqs - {1} == set(range(row["lost"] + 1, 70))


def test_a_release_lets_go_until_the_reaction_has_caught_up(new_receiver) -> None:
    receiver = new_receiver(SMALL + HR, plugins={"gated": GATED}).start()

    assert send(receiver, 60).keys() == {200, 503}
    said = receiver.command("reactions", "release", "hr")
    until(lambda: send(receiver, 1).keys() == {200}, "pushes are accepted again")
    released = send(receiver, 40)
    shown = receiver.reaction("hr")["hold"]
    receiver.wait_for_log("hr was released: the events 1 to ")
    open_gate(receiver, "hr")
    receiver.wait_until_idle()
    until(lambda: receiver.reaction("hr")["hold"] == "always", "it holds again")

    assert re.match(r"hr is released: \d+(\.\d+)? MB may be deleted before it has had them", said)
    assert released.keys() == {200}
    assert shown == "released"
    assert receiver.reaction("hr")["lost"] > 0


def test_a_stopped_receiver_can_be_told_to_let_go_and_to_hold_no_more_for_who_is_removed(
    new_receiver,
) -> None:
    receiver = new_receiver(SMALL + HR, plugins={"gated": GATED}).start()
    assert send(receiver, 60).keys() == {200, 503}
    assert receiver.stop() == 0

    unknown = receiver.command("reactions", "release", "hq", code=1)
    receiver.command("reactions", "release", "hr")
    shown = receiver.command("reactions")
    receiver.start()
    until(lambda: send(receiver, 1).keys() == {200}, "pushes are accepted again")
    receiver.stop()
    receiver.configure(SMALL)
    receiver.start()
    without = send(receiver, 40)

    assert "there is no reaction hq; there are: hr" in unknown
    assert "released" in shown
    assert without.keys() == {200}


DISK = """
[journal]
segment = "4MB"
"""


@pytest.mark.parametrize("hold", ["always", "budget"])
def test_on_a_full_disk_nothing_acknowledged_is_lost_in_silence(small_disk: Path, hold: str) -> None:
    table = HQ + f'hold = "{hold}"\n'
    receiver = Receiver(small_disk / "receiver", DISK + METRICS + table, plugins={"gated": GATED})
    (small_disk / "filler").write_bytes(bytes(10_000_000))

    try:
        receiver.start()
        answers = send(receiver, 250)
        receiver.wait_for_log("ALARM: hq holds back")
        if hold == "budget":
            receiver.wait_for_log("ALARM: hq lost the events 1 to ")
        ready, delivery = fetch(receiver, "readyz"), fetch(receiver, "deliveryz")
        lost = receiver.reaction("hq")["lost"]
        kept = list(receiver.kept().values())
        (small_disk / "filler").unlink()
        open_gate(receiver, "hq")
        receiver.wait_until_idle()
        given, log = {note.seq for note in noted(receiver, "hq")}, receiver.log
    finally:
        receiver.end()

    assert "free some space: the disk gives no more, whatever hold_max and max say" in log
    assert "raise [journal]" not in log
    assert set(range(1, lost + 1)) | given == set(range(1, len(answers[200]) + 1))
    if hold == "always":
        assert answers.keys() == {200, 503}
        assert (lost, kept) == (0, answers[200])
        assert (ready[0], delivery[0]) == (503, 200)
    else:
        assert answers.keys() == {200}
        assert lost > 0
        assert (ready[0], delivery[0]) == (200, 503)


def test_one_that_has_lost_its_place_still_holds_and_deliveryz_says_so(new_receiver) -> None:
    receiver = new_receiver(SMALL + METRICS + HR, plugins={"gated": GATED}).start()
    send(receiver, 3)
    assert receiver.stop() == 0
    receiver.state.ledger.unlink()

    receiver.start()
    answers = send(receiver, 60)
    delivery, shown = fetch(receiver, "deliveryz"), receiver.reaction("hr")
    open_gate(receiver, "hr")
    receiver.command("reactions", "rewind", "hr", "--to", "beginning")
    receiver.wait_until_idle()

    assert delivery[0] == 503
    assert "hr is unplaced: the ledger" in delivery[1]
    assert "it has had what came before 1" in shown["reason"]
    assert answers.keys() == {200, 503}
    assert {note.seq for note in noted(receiver, "hr")} == set(range(1, 4 + len(answers[200])))


REFUSED = """
from hikrecv import Hold, hookimpl

@hookimpl
async def hikrecv_event(event, context):
    raise Hold("the password is wrong")
"""


def test_a_reaction_that_holds_is_told_by_deliveryz_and_no_reason_to_send_elsewhere(new_receiver) -> None:
    table = '[reactions.mail]\nplugin = "refused"\n'
    receiver = new_receiver(METRICS + table, plugins={"refused": REFUSED}).start()

    send(receiver, 1)
    until(lambda: receiver.reaction("mail")["state"] == "holding", "it holds")

    assert fetch(receiver, "deliveryz") == (503, "mail is holding: the password is wrong\n")
    assert fetch(receiver, "readyz") == (200, "ok\nmail is holding: the password is wrong\n")

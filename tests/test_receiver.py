"""The one way in: nothing leaves before the push is on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed

from hikrecv.config import JournalTable, Privacy
from hikrecv.errors import JournalError
from hikrecv.history import Interpreter
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.journal.journal import Journal
from hikrecv.metrics import Metrics
from hikrecv.push import OK, Answer, Peer, Push
from hikrecv.receiver import Receiver
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.deepinview import vendor_note
from hikrecv.testing.profiles.minmoe import verified

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def push(message: Message) -> Push:
    return Push(
        received=1_772_366_400_000_000_000,
        peer=Peer("192.0.2.1", 40000, "none"),
        headers=((b"Content-Type", message.content_type.encode()),),
        body=message.body,
    )


class Desk:
    """A receiver on a journal that writes when it is told to."""

    def __init__(self, folder: Path, privacy: Privacy | None = None) -> None:
        def at_once(function: Callable[..., object], *arguments: object) -> object:
            return function(*arguments)

        self.journal = Journal.open(
            folder, JournalTable(), from_thread=at_once, on_broken=print, threaded=False
        )
        self.published: list[tuple[int, tuple[Event, ...], int]] = []
        self.receiver = Receiver(
            self.journal,
            Interpreter(Decoder(self.journal.word)),
            [lambda *told: self.published.append(told)],
            privacy=privacy or Privacy(),
            metrics=Metrics(),
        )
        self.answers: list[Answer] = []

    def receive(self, message: Message) -> Deferred[None]:
        return self.receiver.receive(push(message)).addCallback(self.answers.append)


def test_nothing_is_answered_or_published_before_the_sync(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    desk.receive(vendor_note())
    before = (list(desk.answers), list(desk.published))
    desk.journal.commit()

    assert before == ([], [])
    assert desk.answers == [OK]
    assert desk.published[0][1][0].match is not None


def test_pushes_are_published_in_journal_order_with_their_numbers(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    for serial in range(3):
        desk.receive(verified(Identity(), NOON, serial))
    desk.journal.commit()

    assert [seq for seq, _, _ in desk.published] == [1, 2, 3]
    assert [events[0].id for _, events, _ in desk.published] == [
        f"{desk.journal.word}-{n}-0" for n in (1, 2, 3)
    ]


def test_a_push_that_cannot_be_kept_is_not_published(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.journal.close()

    failures: list[object] = []
    desk.receive(vendor_note()).addErrback(lambda failure: failures.append(failure.value))

    assert isinstance(failures[0], JournalError)
    assert desk.published == []


def test_what_privacy_masks_is_masked_on_disk(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Privacy(mask=("names", "certificates")))

    desk.receive(vendor_note())
    desk.journal.commit()

    kept = desk.journal.read(1).push
    assert b"Yunus" not in kept.body
    assert len(kept.body) == len(vendor_note().body)
    assert "masked" in desk.published[0][1][0].anomalies


def test_while_a_long_push_is_masked_others_have_their_turn(tmp_path: Path) -> None:
    desk, waiting = Desk(tmp_path, Privacy(mask=("names",))), deque[Callable[[], object]]()
    desk.receiver = Receiver(
        desk.journal,
        Interpreter(Decoder(desk.journal.word)),
        [lambda *told: desk.published.append(told)],
        privacy=Privacy(mask=("names",)),
        metrics=Metrics(),
        later=lambda call, *arguments: waiting.append(partial(call, *arguments)),
    )
    body = b"[" + b'{"name":"Ada"},' * 20_000 + b"{}]"
    long = Message(label="long", body=body, content_type="application/json")

    desk.receive(long)
    assert waiting
    desk.receive(vendor_note())
    while waiting:
        waiting.popleft()()
    desk.journal.commit()

    assert [len(desk.journal.read(seq).push.body) for seq in (1, 2)] == [
        len(vendor_note().body),
        len(long.body),
    ]
    assert b"Ada" not in desk.journal.read(2).push.body
    assert desk.answers == [OK, OK]


class Says:
    """Decides without asking anybody."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer

    def asked(self, event: Event) -> bool:
        return True

    def __call__(self, event: Event) -> Deferred[bool]:
        return succeed(self.answer)


@pytest.mark.parametrize(("allowed", "word"), [(True, b"success"), (False, b"failed")])
def test_a_terminal_that_waits_gets_the_decision_and_its_number(
    tmp_path: Path, allowed: bool, word: bytes
) -> None:
    desk = Desk(tmp_path)
    desk.receiver.decides = Says(allowed)

    desk.receive(verified(Identity(), NOON, 4711, remote_check=True))
    desk.journal.commit()

    assert desk.answers[0].body == b'{"RemoteCheck":{"serialNo":4711,"checkResult":"%s"}}' % word


def test_without_anybody_who_decides_a_terminal_that_waits_gets_a_bare_200(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    desk.receive(verified(Identity(), NOON, 4711, remote_check=True))
    desk.journal.commit()

    assert desk.answers == [OK]

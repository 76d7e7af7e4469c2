"""A state directory as a stopped receiver leaves it, and the command to look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hikrecv.archive import Archive
from hikrecv.cli.main import command
from hikrecv.config import Config, JournalTable
from hikrecv.journal.index import Index
from hikrecv.journal.journal import Journal
from hikrecv.journal.ledger import Ledger
from hikrecv.push import Peer, Push
from hikrecv.state import State
from hikrecv.testing.message import Message

DEFAULT = JournalTable()
Keep = Callable[..., State]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keep messages in a new state directory, indexed as far as *indexed* says."""

    def kept(
        *messages: Message,
        indexed: bool = True,
        table: JournalTable = DEFAULT,
        received: Sequence[int] = (),
    ) -> State:
        state = State(tmp_path / "state")
        state.prepare()
        journal = Journal.open(
            state.root,
            table,
            from_thread=lambda function, *arguments: function(*arguments),
            on_broken=print,
            threaded=False,
        )
        for message, moment in zip_longest(messages, received):
            headers = ((b"Content-Type", message.content_type.encode()),)
            peer = Peer("192.0.2.9", 40000, "none")
            journal.append(
                Push(received=moment or time.time_ns(), peer=peer, headers=headers, body=message.body)
            )
        journal.commit()
        journal.close()
        Ledger.open(state.ledger).close()
        if indexed:
            index = Index.open(state.index)
            index.rebuild(Archive(state, Config()).events(1))
            index.close()
        return state

    return kept


@pytest.fixture
def run() -> Callable[..., Result]:
    """Call `hikrecv` with arguments."""
    return lambda *arguments: CliRunner().invoke(command, [str(each) for each in arguments])

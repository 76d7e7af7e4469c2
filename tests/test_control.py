"""Commands to a running receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from hikrecv import control
from hikrecv.errors import StateError


def asked(commands: dict[str, Any], line: bytes) -> tuple[list[dict[str, Any]], StringTransport]:
    protocol = control.ControlFactory(commands).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(line + b"\n")
    return [msgspec.json.decode(text) for text in transport.value().splitlines()], transport


def test_a_command_is_called_with_its_arguments_and_answered() -> None:
    answers, transport = asked({"add": lambda a, b: a + b}, b'{"do": "add", "a": 1, "b": 2}')

    assert answers == [{"done": 3}]
    assert transport.disconnecting


def test_a_command_may_take_its_time() -> None:
    later: Deferred[str] = Deferred()
    protocol = control.ControlFactory({"wait": lambda: later}).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(b'{"do": "wait"}\n')
    before = transport.value()

    later.callback("now")

    assert before == b""
    assert transport.value() == b'{"done":"now"}\n'


def test_a_stream_gives_its_items_and_then_ends() -> None:
    async def count() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    answers, _ = asked({"count": count}, b'{"do": "count"}')

    assert answers == [{"item": 0}, {"item": 1}, {"item": 2}, {"done": None}]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"do": "nothing"}', "knows no command 'nothing'"),
        (b"not json", "not understood"),
        (b'{"do": "add", "a": 1, "c": 2}', "not understood"),
        (b'{"do": "refuse"}', "it is not so"),
    ],
)
def test_what_goes_wrong_is_one_sentence(line: bytes, sentence: str) -> None:
    def refuse() -> None:
        raise StateError("it is not so")

    answers, _ = asked({"add": lambda a, b: a + b, "refuse": refuse}, line)

    assert sentence in answers[0]["error"]
    assert answers[0]["exit"] in (1, 2, 3)


def test_without_a_receiver_it_is_said_where_none_runs(tmp_path: Path) -> None:
    with pytest.raises(control.NotRunning, match=f"no receiver is running on {tmp_path}"):
        control.call(tmp_path / "control.sock", "status")

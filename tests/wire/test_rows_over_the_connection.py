"""Every row of the table of malformed requests, over the whole connection, with a clock."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

BESIDE = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"wire_{name}", BESIDE / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rows, outcomes = load("rows"), load("outcomes")

each_row = pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.id)
each_mode = pytest.mark.parametrize("mode", ["lenient", "strict"])


def play(port, row, mode, size=None):
    desk = port(mode=mode)
    device = desk.connect()
    for step in row.steps:
        device.send(step, size)
    if row.then == "half-close" and not device.wire.disconnecting:
        device.half_close()
    elif row.then == "wait":
        desk.advance(40)
    return desk, device


@each_mode
@each_row
def test_a_row_is_answered_and_kept_as_wanted(port, row, mode):
    desk, device = play(port, row, mode)

    assert [status for status in device.told if status != 100] == outcomes.statuses(row, mode)
    assert len(desk.pushes) == outcomes.kept(row, mode)
    assert device.closed == outcomes.closes(row, mode)
    if mode == "lenient":
        read = [push.body for push in desk.pushes if push.method]
        assert read == list(row.bodies)[: len(read)]


@each_mode
@each_row
def test_a_row_ends_the_same_byte_by_byte(port, row, mode):
    whole, device_whole = play(port, row, mode)

    size = 1 if len(row.data) <= 4096 else len(row.data) // 300
    cut, device_cut = play(port, row, mode, size)

    assert [s for s in device_cut.told if s != 100] == [s for s in device_whole.told if s != 100]
    assert device_cut.closed == device_whole.closed
    read = [(push.method, push.body, push.anomalies) for push in whole.pushes if push.method]
    assert [(push.method, push.body, push.anomalies) for push in cut.pushes if push.method] == read
    assert len(cut.pushes) == len(whole.pushes)


@each_mode
@each_row
def test_an_answer_is_one_write_that_echoes_nothing(port, row, mode):
    _, device = play(port, row, mode)

    finals = [answer for answer in device.wire.writes if not answer.startswith(b"HTTP/1.1 100 ")]
    assert len(finals) == len(device.told) - device.told.count(100)
    for answer in finals:
        lines = answer.split(b"\r\n")
        assert lines[1] == b"Content-Length: 0"
        assert answer.endswith(b"\r\n\r\n")
        assert len(answer) < 120


@each_row
def test_a_row_whose_sender_vanishes_is_kept_all_the_same(port, row):
    desk = port(receive=None)
    device = desk.connect()
    for step in row.steps:
        device.send(step)
    before = len(desk.pushes)

    if not device.wire.disconnecting:
        device.lose()

    cut = row.outcome("lenient").split("; ")[-1].split()[0] == "cut" or row.id in ("32", "N19")
    assert len(desk.pushes) == before + (1 if cut else 0)
    assert desk.budget.total.held == 0
    assert desk.budget.connections.open in (0, 1 if device.wire.disconnecting else 0)

"""Every row of the table of malformed requests, in both modes, whole and at every cut."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from hikrecv.wire.anomalies import INVALID
from hikrecv.wire.usual import Heads

BESIDE = Path(__file__).resolve().parent


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(f"wire_{name}", BESIDE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rows, reading = load("rows"), load("reading")

each_row = pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.id)
each_mode = pytest.mark.parametrize("mode", ["lenient", "strict"])


def read(row, mode, pieces, heads=None):
    return reading.read(pieces, mode, row.then, heads=heads)


@each_mode
@each_row
def test_a_row_is_read_as_wanted(row, mode):
    report = read(row, mode, row.steps)

    assert reading.outcome(report) == row.outcome(mode)
    came = reading.bodies(report)
    if mode == "lenient":
        assert came == row.bodies
    else:
        assert all(wanted.startswith(body) for wanted, body in zip(row.bodies, came, strict=False))


@each_mode
@each_row
def test_a_row_is_read_the_same_at_every_cut(row, mode):
    data, heads = row.data, Heads()
    whole = read(row, mode, [data], heads)

    for cut in cuts(data):
        assert read(row, mode, [data[:cut], data[cut:]]) == whole, cut
        assert read(row, mode, [data[:cut], data[cut:]], heads) == whole, cut


@each_mode
@each_row
def test_a_row_is_read_the_same_in_small_pieces(row, mode):
    data = row.data
    size = 1 if len(data) <= 4096 else len(data) // 300

    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert read(row, mode, pieces) == read(row, mode, [data])


@each_row
def test_a_lenient_connection_ends_after_whatever_leaves_a_doubt(row):
    if row.strict is not None and row.strict.startswith("4") and row.strict.split()[1] not in INVALID:
        assert row.lenient.split()[0] in ("close", "cut", "400")


def cuts(data: bytes) -> list[int]:
    """Every offset; of a large row every offset of its head and 1,000 of its body."""
    if len(data) <= 4096:
        return list(range(1, len(data)))
    head = data.index(b"\r\n\r\n") + 4
    return [*range(1, head), *range(head, len(data), max((len(data) - head) // 1000, 1))]


def test_the_rows_are_those_of_the_shared_table():
    table = BESIDE.parents[2] / "shared" / "http-quirks-inputs.json"
    if not table.exists():
        pytest.skip("the shared table is not beside the checkout")
    cases = json.loads(table.read_text(encoding="utf-8"))["cases"]

    theirs = {case["id"]: (sent(case), half_closes(case)) for case in cases}

    assert {row.id: (row.data, row.then == "half-close") for row in rows.TABLE} == theirs


def sent(case) -> bytes:
    texts = (step.get("send") or step.get("repeat", "") * step.get("times", 1) for step in case["steps"])
    return "".join(texts).encode("latin-1")


def half_closes(case) -> bool:
    return any(step.get("shutdown_write") for step in case["steps"])

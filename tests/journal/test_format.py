"""The page on the segment format, put to the test: a parser that knows nothing but its tables."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from journal_kit import STATE, Desk, push
from journal_stores import MemoryStore
from xxhash import xxh3_64_intdigest as xxh3

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "segment-format.md").read_text(encoding="utf-8")
TYPES = {"u8": "B", "u32": "I", "u64": "Q", "i64": "q"}


def table(heading: str) -> dict[str, tuple[int, str]]:
    """The fields under a heading: name to offset and struct code."""
    part = PAGE.split(f"{heading}\n", 1)[1]
    rows = re.findall(r"^\| (\d+) \| (u8|u32|u64|i64|\d+ bytes) \| ([\w ]+) \|", part.split("\n## ")[0], re.M)
    fields: dict[str, tuple[int, str]] = {}
    for offset, kind, name in rows:
        if name in fields:
            break
        fields[name] = int(offset), TYPES.get(kind) or kind.split()[0] + "s"
    return fields


def parse(fields: dict[str, tuple[int, str]], data: bytes, start: int = 0) -> dict[str, Any]:
    return {
        name: struct.unpack_from("<" + code, data, start + offset)[0]
        for name, (offset, code) in fields.items()
    }


HEADER, RECORD, MARK = table("### The header"), table("## A record"), table("## The mark")


def records(data: bytes) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """Everything in a segment, as the page describes it."""
    header = parse(HEADER, data)
    salt, offset = header["salt"], header["records"]
    while data[offset : offset + 4] == b"hkrc":
        record = parse(RECORD, data, offset)
        assert record["generation"] == header["generation"]
        assert record["header sum"] == xxh3(data[offset : offset + 64], salt)
        head_at = offset + 72
        body_at = head_at + record["head length"]
        end = body_at + record["body length"]
        head, body = data[head_at:body_at], data[body_at:end]
        assert record["sum"] == xxh3(body, xxh3(data[offset : offset + 56] + head, salt))
        assert not any(data[end : end + -end % 8])
        yield record, head, body
        offset = end + -end % 8


def written() -> MemoryStore:
    store = MemoryStore()
    desk = Desk(store)
    desk.keep(*(b"<%02d>" % number + bytes(4000) for number in range(1, 9)))
    desk.journal.note("remote-check", {"key": "k", "allowed": True})
    desk.keep(b"<10>")
    return store


def test_the_tables_are_complete() -> None:
    assert (len(HEADER), len(RECORD), len(MARK)) == (14, 11, 5)
    for fields, size in ((HEADER, 112), (MARK, 40)):
        assert sum(struct.calcsize("<" + code) for _, code in fields.values()) == size
    assert sum(struct.calcsize("<" + code) for _, code in RECORD.values()) == 72 - 3


def test_a_journal_can_be_read_with_nothing_but_the_page() -> None:
    store = written()
    files = {path.name: bytes(inode.data) for path, inode in store.files.items() if path.suffix == ".seg"}
    used = sorted((h["first"], name) for name, data in files.items() if (h := parse(HEADER, data))["first"])

    found = [record for _, name in used for record in records(files[name])]

    kinds = {1: "push", 2: "note", 3: "index"}
    assert [kinds[record["kind"]] for record, _, _ in found].count("push") == 9
    chain = [record for record, _, _ in found if record["kind"] != 3]
    assert [record["seq"] for record in chain] == list(range(1, 11))
    assert [record["previous"] for record in chain] == list(range(10))
    assert all(record["durable"] < record["seq"] for record in chain)
    heads = [msgspec.msgpack.decode(head) for record, head, _ in found if record["kind"] == 1]
    assert heads[0] == [
        "10.0.0.9",
        4711,
        "token",
        "POST",
        b"/-/gate?x=1",
        "1.1",
        [[b"Content-Type", b"application/json"], [b"X-Odd", b"\xff"]],
        [["truncated", "at byte 7"]],
    ]
    assert found[0][0]["at"] == push().received
    (note,) = [(head, body) for record, head, body in found if record["kind"] == 2]
    assert [msgspec.msgpack.decode(part) for part in note] == ["remote-check", {"key": "k", "allowed": True}]


def test_headers_are_as_the_page_says() -> None:
    store = written()

    for path, inode in store.files.items():
        if path.suffix == ".seg":
            data = bytes(inode.data)
            header = parse(HEADER, data)
            assert data[:2048] == data[2048:4096]
            assert (header["magic"], header["version"], header["records"]) == (b"hikrecv\0", 1, 4096)
            assert path.name == f"{header['generation']:016x}.seg"
            assert header["size"] == len(data)
            assert header["sum"] == xxh3(data[:104])


def test_the_index_leads_to_the_records() -> None:
    store = written()
    data = next(
        bytes(inode.data)
        for path, inode in store.files.items()
        if path.suffix == ".seg" and parse(HEADER, bytes(inode.data))["end"]
    )
    header = parse(HEADER, data)

    *before, (index, _, body) = records(data)

    assert index["kind"] == 3
    assert before[-1][0]["seq"] == header["last"]
    assert header["newest"] == max(record["at"] for record, _, _ in before)
    for seq, offset in struct.iter_unpack("<QQ", body):
        assert parse(RECORD, data, offset)["seq"] == seq


def test_the_mark_and_the_format_file_are_as_the_page_says() -> None:
    store = written()
    data = bytes(store.files[STATE / "journal" / "durable"].data)
    mark = parse(MARK, data)

    assert (mark["magic"], mark["seq"], mark["sum"]) == (b"hikmark\x01", 10, xxh3(data[:32]))
    assert store.files[STATE / "format"].data == b"hikrecv 1\n"
    assert f"{mark['generation']:016x}.seg" in {path.name for path in store.files}

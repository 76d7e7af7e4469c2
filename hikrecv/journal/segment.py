"""A segment: one preallocated file of records, its header, and the walk over what it holds."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest as digest

from ..errors import StateTooNew
from .record import HEADER, MAGIC, SEAL, Header, Stamp, frame, intact, read_header, record_size
from .store import Store

# Theory of operation.  A segment is *prepared* (its header has a generation but no first number), then
# *used* (the header is written again, together with the first records), then *sealed* (again, with the
# place where the records end).  The header stands twice, in two sectors, so that one bad sector loses
# nothing.  Records carry the generation, and their sums are seeded with a salt that is drawn when the use
# begins: neither an older tail of a recycled file nor bytes that a device sends can be taken for a record.

VERSION = 1
PAGE = 4096
DATA = PAGE
"""Where the first record begins."""
STEP = 65_536
"""The sparse index has an entry for the first record and then one at least every so many bytes."""
GROUP_BYTES = 4_000_000
"""A group of records is closed when it has reached this, so every record of it begins before."""

_COPY = PAGE // 2
_HEADER = struct.Struct("<8sIIQQ16sQQQqQQq")
_SUM = struct.Struct("<Q")
_PAIR = struct.Struct("<QQ")
_MAGIC = b"hikrecv\0"
_CHUNK = 1 << 20
_BUFFER = 32_768

Index = Sequence[tuple[int, int]]
"""Pairs of a record's number and its offset, ascending."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a segment's header says.

    :param first: the number of its first record; 0 while it is only prepared.
    :param previous: the number before `first`, wherever that was written.
    :param end: where its records end and its index stands; 0 while it is not sealed.
    :param last: the last number before `end`, and *newest* the latest time received (ns); 0 before that.
    """

    generation: int
    size: int
    salt: int = 0
    word: str = ""
    first: int = 0
    previous: int = 0
    created: int = 0
    last: int = 0
    end: int = 0
    newest: int = 0

    @property
    def name(self) -> str:
        """The name of its file."""
        return segment_name(self.generation)

    @property
    def stamp(self) -> Stamp:
        """What its records are recognised by."""
        return Stamp(self.generation, self.salt)

    @property
    def capacity(self) -> int:
        """Where records must end, so that the index still fits behind them."""
        return self.size - seal_size(self.size)

    def pack(self) -> bytes:
        """The file's first page."""
        word = self.word.encode("ascii")
        numbers = self.size, self.first, self.previous, self.created, self.last, self.end, self.newest
        fields = _HEADER.pack(_MAGIC, VERSION, PAGE, self.generation, self.salt, word, *numbers)
        return (fields + _SUM.pack(digest(fields))).ljust(_COPY, b"\0") * 2


def segment_name(generation: int) -> str:
    """The name of the file of that generation."""
    return f"{generation:016x}.seg"


def seal_size(size: int) -> int:
    """Bytes that the index of a segment of *size* bytes can take at most."""
    return record_size(0, _PAIR.size * (size // STEP + 2))


def index_size(index: Index) -> int:
    """Bytes that this index takes behind the records."""
    return record_size(0, _PAIR.size * len(index))


def segment_size(payload: int) -> int:
    """The size of a segment that holds records of *payload* bytes, in whole pages."""
    size = DATA + payload
    while size - seal_size(size) < DATA + payload:
        size = (DATA + payload + seal_size(size) + PAGE - 1) // PAGE * PAGE
    return size


def unpack(page: bytes) -> Segment | None:
    """
    The header in a file's first page, or None when neither copy is good.

    The write of a header may have been cut between the copies: the one that is further on holds.

    :raises StateTooNew: when a newer hikrecv wrote it.
    """
    copies = [found for at in (0, _COPY) if (found := _unpack(page[at : at + _COPY]))]
    return max(copies, key=lambda found: (found.generation, found.first, found.end), default=None)


def good_copies(page: bytes) -> int:
    """How many of the two copies of the header are good."""
    return sum(_unpack(page[at : at + _COPY]) is not None for at in (0, _COPY))


def _unpack(data: bytes) -> Segment | None:
    if len(data) < _HEADER.size + _SUM.size or not data.startswith(_MAGIC):
        return None
    if digest(data[: _HEADER.size]) != _SUM.unpack_from(data, _HEADER.size)[0]:
        return None
    _, version, _, generation, salt, word, *numbers = _HEADER.unpack_from(data)
    if version > VERSION:
        raise StateTooNew(f"segment {segment_name(generation)} has format {version}; this is {VERSION}")
    size, first, previous, created, last, end, newest = numbers
    return Segment(
        generation=generation,
        size=size,
        salt=salt,
        word=word.rstrip(b"\0").decode("ascii"),
        first=first,
        previous=previous,
        created=created,
        last=last,
        end=end,
        newest=newest,
    )


def write_seal(store: Store, fd: int, segment: Segment, index: Index) -> None:
    """
    Write the index behind the records of *segment*, and its header as it is given; synced.

    When a power cut keeps the header and not the index, reading walks instead of looking up.
    """
    body = b"".join(_PAIR.pack(*pair) for pair in index)
    last = segment.last
    start = frame(SEAL, b"", body, segment.newest, last, last, last, segment.stamp)
    store.write(fd, [start, body, bytes(-(len(start) + len(body)) % 8)], segment.end)
    store.write(fd, [segment.pack()], 0)
    store.sync(fd)


class Record(NamedTuple):
    """An intact record and its place."""

    header: Header
    offset: int
    head: bytes
    body: bytes


class Hole(NamedTuple):
    """Bytes in which no intact record was found; *header* when at least the header of one is good."""

    start: int
    end: int
    header: Header | None = None


class Window:
    """Reads one open file through a small buffer; what is larger than the buffer is read at once."""

    def __init__(self, store: Store, fd: int) -> None:
        self._store, self._fd = store, fd
        self._start, self._data = 0, b""

    def at(self, offset: int, size: int) -> bytes:
        """Those bytes; fewer when the file ends before."""
        start = offset - self._start
        if start >= 0 and start + size <= len(self._data):
            return self._data[start : start + size]
        if size > _BUFFER // 2:
            return self._store.read(self._fd, size, offset)
        self._start, self._data = offset, self._store.read(self._fd, _BUFFER, offset)
        return self._data[:size]


def header_at(window: Window, offset: int, stamp: Stamp) -> Header | None:
    """The header of the record at that place, if there is a good one."""
    return read_header(window.at(offset, HEADER), 0, stamp)


def record_at(window: Window, offset: int, header: Header, stamp: Stamp) -> Record | None:
    """The whole record, or None when its head or body is not what was written."""
    head = window.at(offset + HEADER, header.head)
    body = window.at(offset + HEADER + header.head, header.body)
    return Record(header, offset, head, body) if intact(header, head, body, stamp) else None


def walk(
    window: Window, stamp: Stamp, offset: int, end: int, *, start: int = 0, known: int | None = None
) -> Iterator[Record | Hole]:
    """
    Every record from *offset*, which must be the place of one, to *end*; between them what is damaged.

    :param start: what has a lower number is passed over by its header.
    :param known: where the records are known to end, if they are: behind it no more than one group is
        looked through.
    """
    while offset < end:
        header = header_at(window, offset, stamp)
        if header is None:
            reach = end if known is None else min(end, max(known, offset + GROUP_BYTES))
            resume = find_header(window, stamp, offset + 8, reach)
            yield Hole(offset, resume)
            if resume == reach:
                return
            offset = resume
        elif header.seq < start:
            offset += header.size
        else:
            record = record_at(window, offset, header, stamp)
            yield record or Hole(offset, min(offset + header.size, end), header)
            offset += header.size


def find_header(window: Window, stamp: Stamp, start: int, end: int) -> int:
    """The place of the next good record header, or *end*."""
    for base in range(start, end, _CHUNK):
        chunk = window.at(base, min(_CHUNK, end - base))
        at = chunk.find(MAGIC)
        while at >= 0:
            if at % 8 == 0 and header_at(window, base + at, stamp) is not None:
                return base + at
            at = chunk.find(MAGIC, at + 1)
    return end


def read_index(window: Window, segment: Segment) -> Index | None:
    """The sparse index of a sealed segment; None when it is not sealed or its index is damaged."""
    header = header_at(window, segment.end, segment.stamp) if segment.end else None
    if header is None or header.kind != SEAL:
        return None
    record = record_at(window, segment.end, header, segment.stamp)
    return None if record is None else tuple(_PAIR.iter_unpack(record.body))


def locate(index: Index, seq: int) -> int:
    """Where to begin walking in order to meet the record *seq*."""
    place = bisect_right(index, seq, key=lambda pair: pair[0])
    return index[place - 1][1] if place else DATA

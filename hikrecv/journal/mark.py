"""The mark: how far the journal is on disk, in a file of its own beside the segments."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as digest

from .store import Store, contents

# The writer moves the mark after each sync and never syncs the mark itself, so that it costs one small
# write into the page cache.  Whatever version of it survives a power cut is true, if perhaps old.  It tells
# other processes what they may show (nothing leaves the receiver before it is on disk), and it is what the
# segments are held against at start: an acknowledged number that they do not have is an alarm.
#
# Behind it in the same file stands the begin: the number from which on everything should be there.  It moves
# when a segment is retired, and is synced before that is done: whatever is missing above it was lost.

# Behind that stand the numbers that were refused for want of room, so that they are not taken for lost ones.

BEGIN_AT = 64
REFUSED_AT = 128
_FIELDS = struct.Struct("<8sQQQ")
_SUM = struct.Struct("<Q")
_MAGIC = b"hikmark\1"
_REFUSED = struct.Struct("<8sQ")
_REFUSED_MAGIC = b"hikrefs\1"
_RANGE = struct.Struct("<QQ")
_BEGIN = struct.Struct("<8sQ")
_BEGIN_MAGIC = b"hikbegn\1"


class Mark(NamedTuple):
    """
    Everything up to number *seq* is on disk.

    :param generation: the segment that holds it; 0 before the first.
    :param end: where in that segment its record ends.
    """

    generation: int = 0
    end: int = 0
    seq: int = 0

    def pack(self) -> bytes:
        """The file's bytes."""
        fields = _FIELDS.pack(_MAGIC, *self)
        return fields + _SUM.pack(digest(fields))


def read_mark(store: Store, path: Path) -> Mark | None:
    """The mark, or None when the file is missing or torn."""
    data = contents(store, path) or b""
    if len(data) < _FIELDS.size + _SUM.size or not data.startswith(_MAGIC):
        return None
    if digest(data[: _FIELDS.size]) != _SUM.unpack_from(data, _FIELDS.size)[0]:
        return None
    return Mark(*_FIELDS.unpack_from(data)[1:])


def pack_begin(seq: int) -> bytes:
    """The bytes at `BEGIN_AT` that say where the journal begins."""
    fields = _BEGIN.pack(_BEGIN_MAGIC, seq)
    return fields + _SUM.pack(digest(fields))


def read_begin(store: Store, path: Path) -> int:
    """The number from which on everything should be there, or 0 when that is not known."""
    data = (contents(store, path) or b"")[BEGIN_AT:]
    if len(data) < _BEGIN.size + _SUM.size or not data.startswith(_BEGIN_MAGIC):
        return 0
    if digest(data[: _BEGIN.size]) != _SUM.unpack_from(data, _BEGIN.size)[0]:
        return 0
    return int(_BEGIN.unpack_from(data)[1])


def pack_refused(ranges: Sequence[tuple[int, int]]) -> bytes:
    """The bytes at `REFUSED_AT` that say which numbers were given and never kept."""
    fields = _REFUSED.pack(_REFUSED_MAGIC, len(ranges)) + b"".join(_RANGE.pack(*each) for each in ranges)
    return fields + _SUM.pack(digest(fields))


def read_refused(store: Store, path: Path) -> tuple[tuple[int, int], ...]:
    """Those numbers, as ranges; none when it is not known."""
    data = (contents(store, path) or b"")[REFUSED_AT:]
    if len(data) < _REFUSED.size or not data.startswith(_REFUSED_MAGIC):
        return ()
    end = _REFUSED.size + _RANGE.size * int(_REFUSED.unpack_from(data)[1])
    if len(data) < end + _SUM.size or digest(data[:end]) != _SUM.unpack_from(data, end)[0]:
        return ()
    return tuple(_RANGE.iter_unpack(data[_REFUSED.size : end]))

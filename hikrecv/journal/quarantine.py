"""Keeping a copy of bytes that make no sense, for whoever wants to look at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .record import Damaged
from .state import Layout
from .store import Store

MOST = 64_000_000
"""Bytes that all copies together may take; beyond that damage is only reported."""
_CHUNK = 1 << 20


def keep_copy(store: Store, layout: Layout, damaged: Damaged) -> Iterator[None]:
    """
    Copy the bytes into ``quarantine/<segment>-<offset>``, once, as the result is iterated.

    For want of room nothing is copied: the bytes stay in the segment until it is retired.
    """
    size = damaged.end - damaged.start
    name = f"{damaged.segment}-{damaged.start}"
    try:
        if 0 < size <= MOST - _taken(store, layout) and name not in store.names(layout.quarantine):
            yield from _copy(store, layout, damaged, layout.quarantine / name)
    except OSError:
        store.unlink(layout.quarantine / name)


def drop_copies(store: Store, layout: Layout, segment: str) -> None:
    """What was copied from a segment goes with it, or stays if that cannot be done just now."""
    with suppress(OSError):
        for name in store.names(layout.quarantine):
            if name.startswith(f"{segment}-"):
                store.unlink(layout.quarantine / name)


def _copy(store: Store, layout: Layout, damaged: Damaged, path: Path) -> Iterator[None]:
    source = store.open(layout.journal / damaged.segment)
    try:
        target = store.create(path, 0)
        try:
            for offset in range(damaged.start, damaged.end, _CHUNK):
                data = store.read(source, min(_CHUNK, damaged.end - offset), offset)
                store.write(target, [data], offset - damaged.start)
                yield
        finally:
            store.close(target)
    finally:
        store.close(source)


def _taken(store: Store, layout: Layout) -> int:
    taken = 0
    for name in store.names(layout.quarantine):
        fd = store.open(layout.quarantine / name)
        taken += store.size(fd)
        store.close(fd)
    return taken

"""Whether the disk can give what ``[journal]`` asks for."""

from __future__ import annotations

import os
from pathlib import Path

from ..config import JournalTable

SMALLEST = 1_000_000
"""Bytes below which a segment is not made smaller for the disk's sake."""


def fitting(size: int, disk: int) -> int:
    """The size of a segment so that the ring of four, below which nothing can be recycled, fits the disk."""
    while size // 2 >= SMALLEST and 4 * size > disk:
        size //= 2
    return size


def shortage(table: JournalTable, disk: int, state: Path) -> str:
    """
    A sentence when the disk is too small for the table, else "".

    :param disk: bytes that the journal has, and those that are free.
    """
    wanted = table.max + table.ballast
    if wanted <= disk:
        return ""
    return (
        f"[journal] may take {_megabytes(wanted)} (max and ballast) and the disk of {state} has "
        f"{_megabytes(disk)} for it: when it is full the oldest events go earlier; lower max, or free some space"
    )


def disk_of(state: Path) -> int:
    """Bytes that the journal of *state* has, and those that are free; the directory need not be there yet."""
    taken = sum(path.stat().st_size for path in (*state.glob("journal/*.seg"), *state.glob("ballast")))
    there = next(folder for folder in (state, *state.absolute().parents) if folder.is_dir())
    found = os.statvfs(there)
    return taken + found.f_bavail * found.f_frsize


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000:,} MB"

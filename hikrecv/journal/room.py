"""Whether the disk can give what ``[journal]`` asks for."""

from __future__ import annotations

from pathlib import Path

from ..config import JournalTable

SMALLEST = 1 << 20
"""Bytes: for the disk's sake no segment is made smaller than this."""


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
        f"{_megabytes(disk)} for it: once it is full the oldest events go; lower max, or free some space"
    )


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000:,} MB"

"""How commands show things to people: rich Text, never markup, and control characters made visible."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hikrecv.isapi.event import Event
from hikrecv.isapi.words import describe, visible

# What a person should notice first.
_COLORS = {"granted": "green", "denied": "red", "alarm": "bold red", "exception": "yellow"}


GAP = 2
"""Blanks between two columns."""
_NARROWEST = 4
_LONGEST_WORD = 40
"""A word that is longer ends with an ellipsis where the table must give way."""


class Column(NamedTuple):
    """
    A column, and how it gives way where the terminal is narrow.

    :param wraps: its cells are words: they may stand on several lines, but are never cut within a word.
    :param least: columns of the terminal that it wants at least when it wraps.
    :param drop: it is left out before those with a lower number; 0: never.
    """

    title: str
    wraps: bool = False
    least: int = 12
    drop: int = 0


class Sheet(NamedTuple):
    """A table before it is known how wide it may be."""

    columns: tuple[Column, ...]
    rows: list[tuple[Text, ...]]


def table(columns: Iterable[Column | str], rows: Iterable[Sequence[str | Text]]) -> Sheet:
    """A plain table; every cell is text that may come from a device."""
    return Sheet(
        tuple(each if isinstance(each, Column) else Column(each) for each in columns),
        [tuple(map(_safe, row)) for row in rows],
    )


def show(sheet: Sheet) -> None:
    """Print a table as the terminal is wide; as wide as it needs to be where nobody looks at it."""
    console = Console(highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        drawn, left_out = _drawn(sheet, console.width)
        console.print(drawn)
        if left_out:
            names = ", ".join(column.title for column in left_out)
            console.print(Text(f"no room for {names}: widen the terminal, or use --format", style="dim"))
        return
    console = Console(highlight=False, width=_ENDLESS)
    with console.capture() as capture:
        console.print(_drawn(sheet, _ENDLESS)[0])
    # The last column is filled up with blanks, which a file or a pipe has no use for.
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


_ENDLESS = 100_000


def _safe(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(visible(cell))


def _drawn(sheet: Sheet, width: int) -> tuple[Table, list[Column]]:
    """The table in *width*, and the columns for which there was no room."""
    shown = fit(sheet, width)
    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for place, wide in shown.items():
        column = sheet.columns[place]
        drawn.add_column(column.title, width=wide, no_wrap=True, overflow="ellipsis")
    for row in sheet.rows:
        drawn.add_row(
            *(_wrapped(row[p], wide) if sheet.columns[p].wraps else row[p] for p, wide in shown.items())
        )
    return drawn, [column for place, column in enumerate(sheet.columns) if place not in shown]


def _wrapped(cell: Text, wide: int) -> Text:
    """*cell* broken between words; by ourselves, since rich cuts the last word where letters are wide."""
    begin, breaks = 0, []
    for word in re.finditer(r"\S+", cell.plain):
        if word.start() > begin and cell_len(cell.plain[begin : word.end()]) > wide:
            begin = word.start()
            breaks.append(begin)
    lines = cell.divide(breaks)
    for each in lines:
        each.rstrip()
        each.truncate(wide, overflow="ellipsis")
    return Text("\n").join(lines)


def fit(sheet: Sheet, width: int) -> dict[int, int]:
    """
    Which columns are shown in *width*, by their places, and how wide each is.

    Columns are left out before a word is cut; what remains is shared by those that wrap.
    """
    cells = [
        [Text(column.title), *(row[place] for row in sheet.rows)]
        for place, column in enumerate(sheet.columns)
    ]
    whole = [max(each.cell_len for each in column) for column in cells]
    least = [
        max(min(whole[place], column.least), min(_longest_word(cells[place]), _LONGEST_WORD))
        if column.wraps
        else whole[place]
        for place, column in enumerate(sheet.columns)
    ]
    shown = list(range(len(sheet.columns)))
    goes_first = sorted(
        (place for place in shown if sheet.columns[place].drop), key=lambda p: -sheet.columns[p].drop
    )

    def room(wide: Sequence[int]) -> int:
        return width - sum(wide[place] for place in shown) - GAP * (len(shown) - 1)

    for place in goes_first:
        if room(least) >= 0:
            break
        shown.remove(place)
    wide = list(least)
    while room(wide) < 0 and max(wide[place] for place in shown) > _NARROWEST:
        wide[max(shown, key=lambda p: wide[p])] -= 1
    for _ in range(min(max(room(wide), 0), sum(whole))):
        # To the one that lacks most, blank by blank, so that none stays narrow beside a very wide one.
        lacking = min(shown, key=lambda p: (wide[p] >= whole[p], wide[p]))
        if wide[lacking] >= whole[lacking]:
            break
        wide[lacking] += 1
    return {place: wide[place] for place in shown}


def _longest_word(cells: Iterable[Text]) -> int:
    return max((cell_len(word) for cell in cells for word in cell.plain.split()), default=0)


def line(cells: Iterable[str | Text]) -> Text:
    """Cells behind one another, for rows that are printed as they come."""
    return Text("  ").join(cell for cell in map(_safe, cells) if cell.plain)


def print_line(console: Console, cells: Iterable[str | Text], style: str = "") -> None:
    """Print such a row: broken between words on a terminal, and never where a program reads it."""
    console.print(line(cells), style=style, soft_wrap=not console.is_terminal, highlight=False)


EVENT_COLUMNS = (
    Column("SEQ"),
    Column("TIME"),
    Column("DEVICE", wraps=True),
    Column("FAMILY", drop=2),
    Column("WHAT HAPPENED", wraps=True, least=20),
    Column("", wraps=True, drop=1),
)


def event_cells(event: Event) -> tuple[str | Text, ...]:
    """One event as a row: when, who, what in words, and what is unusual about it."""
    color = _COLORS.get(event.access.outcome, "") if event.access else ""
    return (
        f"{event.seq}" + (f".{event.n}" if event.n else ""),
        local(event.occurred or event.received),
        device_words(event.device.id, event.device.name),
        event.family,
        Text(describe(event), style=color),
        Text(", ".join(remarks(event)), style="dim"),
    )


def device_words(identifier: str, name: str | None) -> str:
    """A device for people: names that come from the factory are the same on every one, ids are not."""
    if name is None or name == identifier:
        return visible(identifier)
    return f"{visible(name[:40])} ({visible(identifier)})"


def remarks(event: Event) -> list[str]:
    """What a person should know beside the words."""
    said: list[str] = []
    if event.freshness != "live":
        said.append(event.freshness)
    if event.duplicate_of:
        said.append("duplicate")
    if event.episode and event.episode.count > 1:
        said.append(f"x{event.episode.count}")
    if event.pictures:
        said.append("1 picture" if len(event.pictures) == 1 else f"{len(event.pictures)} pictures")
    if event.anomalies:
        said.append("odd: " + visible(", ".join(event.anomalies[:3])))
    return said


def local(moment: datetime) -> str:
    """A moment in this machine's zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(seconds: float | None) -> str:
    """A span in the largest unit that says enough."""
    if seconds is None:
        return "-"
    # What lies ahead of a clock that was set back is said to be now.
    seconds = max(seconds, 0.0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""How commands show things to people: rich Text, never markup, and control characters made visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hikrecv.isapi.event import Event
from hikrecv.isapi.words import describe, visible

# What a person should notice first.
_COLORS = {"granted": "green", "denied": "red", "alarm": "bold red", "exception": "yellow"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A plain table; every cell is text that may come from a device."""
    built = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    return built


def show(built: Table) -> None:
    """Print a table; as wide as it needs to be where nobody looks at it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    console.print(built)


EVENT_COLUMNS = ("SEQ", "TIME", "DEVICE", "FAMILY", "WHAT HAPPENED", "")


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

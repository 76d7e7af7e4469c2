"""`hikrecv export`: events of a time range as files for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hikrecv.archive import Archive
from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.isapi.words import visible

from .files import belonging, picture_file
from .options import archive_of, existing_state, state_options
from .progress import along

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms, which some spreadsheets take for the narrow ones."""
COLUMNS = (
    "id",
    "received",
    "occurred",
    "device.id",
    "channel.id",
    "family",
    "type",
    "state",
    "freshness",
    "match.person",
    "match.similarity",
    "plate.text",
    "access.name",
    "access.outcome",
    "access.employee_no",
    "access.card_no",
    "access.door",
    "description",
)


@click.command()
@click.argument("folder", metavar="DIR")
@state_options
@click.option("--since", metavar="SEQ|TIME", help="From this number or moment (2026-03-01T08:00).")
@click.option("--until", metavar="SEQ|TIME", help="Up to and with this one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="Whole events, or the columns that people ask for.",
)
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="The pictures too, as files.")
def command(
    folder: str,
    state_dir: str | None,
    config_file: str | None,
    since: str | None,
    until: str | None,
    form: str,
    pictures: bool,
) -> None:
    """Write events into DIR: one events.jsonl or events.csv, and the pictures beside it."""
    state = existing_state(state_dir, config_file)
    archive = archive_of(state, config_file)
    begin, end = _bound(since), _bound(until)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = _write(archive, target, form, begin, end, pictures)
        belonging(target, state)
    except OSError as error:
        raise HikrecvError(f"cannot write to {target}: {error.strerror}") from None
    if not written:
        kept = f"it keeps {archive.journal.first} to {archive.journal.last}"
        raise HikrecvError(f"no events in {state.root} of this range; {kept}")
    click.echo(f"{written} events in {target}")


def _write(archive: Archive, target: Path, form: str, begin: Any, end: Any, pictures: bool) -> int:
    written = 0
    path = target / f"events.{form}"
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as out:
            if form == "csv":
                out.write(csv_line(COLUMNS))
            for event in along("exporting", _events(archive, begin, end), 1.0):
                out.write(csv_line(_cells(event)) if form == "csv" else event.to_json() + b"\n")
                written += 1
                if pictures:
                    _save(event, target)
        # An export of nothing leaves an earlier one alone.
        if written:
            partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _events(archive: Archive, begin: Any, end: Any) -> Iterator[tuple[float, Event]]:
    first, last = archive.journal.first, archive.journal.last
    start = begin if isinstance(begin, int) else first
    stop = end + 1 if isinstance(end, int) else None
    for seq, events in archive.events(start, stop):
        for event in events:
            if isinstance(begin, datetime) and event.received < begin:
                continue
            # Later numbers may be earlier: the clock was set back meanwhile.
            if isinstance(end, datetime) and event.received > end:
                continue
            yield (seq - first + 1) / max(last - first + 1, 1), event


def _bound(text: str | None) -> int | datetime | None:
    if text is None or text.isdigit():
        return None if text is None else int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a number nor a time such as 2026-03-01T08:00"
        ) from None
    return moment if moment.tzinfo else moment.astimezone()


def _cells(event: Event) -> tuple[Any, ...]:
    data = event.to_dict()

    def cell(name: str) -> Any:
        value: Any = data
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return "" if value is None else value

    return tuple(map(cell, COLUMNS))


def csv_line(cells: tuple[Any, ...]) -> bytes:
    """
    One line of CSV, and one line only.

    Spreadsheets are what it is for: what one would take for a formula is quoted, control
    characters are shown as their escapes.  Programs are better served by JSON lines.
    """
    out = io.StringIO()
    csv.writer(out).writerow([_harmless(str(cell)) for cell in cells])
    return out.getvalue().encode()


def _harmless(text: str) -> str:
    return visible(f"'{text}" if text.lstrip()[:1] in _FORMULA else text)


def _save(event: Event, target: Path) -> None:
    for picture in event.pictures:
        content = picture.content()
        if content is not None:
            (target / picture_file(event, picture, content)).write_bytes(content)

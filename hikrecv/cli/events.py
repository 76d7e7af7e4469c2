"""`hikrecv events`: what was received, for people and for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click
import msgspec

from hikrecv.archive import Archive
from hikrecv.isapi.event import Event
from hikrecv.isapi.words import visible_json

from .options import archive_of, existing_state, state_options

LATEST = 50
LOOK = 0.2
"""Seconds between two looks with --follow."""
QUIET = ("heartbeat",)


@click.command()
@state_options
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes in, until Ctrl-C.")
@click.option("--since", type=click.IntRange(0), metavar="SEQ", help="Begin with this number.")
@click.option("--all", "everything", is_flag=True, help="Heartbeats too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="For people or for programs.",
)
@click.option("--data", is_flag=True, help="With jsonl: each event with its whole document under `data`.")
def command(
    state_dir: str | None,
    config_file: str | None,
    follow: bool,
    since: int | None,
    everything: bool,
    form: str,
    data: bool,
) -> None:
    """
    Show events.

    The table has the last 50, without heartbeats.  --format jsonl gives one event a
    line, oldest first, from the beginning (or --since), heartbeats included.
    """
    state = existing_state(state_dir, config_file)
    archive = archive_of(state, config_file)
    if form == "jsonl":
        found = _lines(archive, since or 0, follow)
        empty = _print_lines(found, data)
    else:
        without = () if everything else QUIET
        empty = _print_table(archive, since, without, follow)
    if empty:
        kept = f"; it keeps {archive.journal.first} to {archive.journal.last}" if since else ""
        click.echo(
            f"no events in {state.root}" + (f" from number {since} on" if since else "") + kept, err=True
        )


def _lines(archive: Archive, since: int, follow: bool) -> Iterator[Event]:
    told = archive.follow(since, _pause) if follow else archive.events(since)
    for _, events in told:
        yield from events


def _print_lines(found: Iterator[Event], data: bool) -> bool:
    # Programs get exactly what the event is; on a terminal it must not be able to steer that.
    empty, on_screen = True, sys.stdout.isatty()
    for event in found:
        empty = False
        line = _line(event, data)
        if on_screen:
            line = visible_json(line.decode()).encode()
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
    return empty


def _line(event: Event, data: bool) -> bytes:
    if not data:
        return event.to_json()
    return msgspec.json.encode({**event.to_dict(), "data": event.data()})


def _print_table(archive: Archive, since: int | None, without: tuple[str, ...], follow: bool) -> bool:
    from rich.console import Console

    from .table import EVENT_COLUMNS, event_cells, print_line, show, table

    found = archive.latest(LATEST, without) if since is None else _since(archive, since, without)
    if found or not follow:
        if found:
            show(table(EVENT_COLUMNS, map(event_cells, found)))
        if not follow:
            return not found
    console = Console()
    for _, events in archive.follow(archive.journal.last + 1, _pause):
        for event in events:
            if event.family not in without:
                print_line(console, event_cells(event))
    return False


def _since(archive: Archive, since: int, without: tuple[str, ...]) -> list[Event]:
    return [event for _, events in archive.events(since) for event in events if event.family not in without]


def _pause() -> None:
    sys.stdout.flush()
    time.sleep(LOOK)

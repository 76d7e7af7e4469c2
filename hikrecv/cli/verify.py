"""`hikrecv verify`: check every record of the journal."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hikrecv.errors import HikrecvError
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.verify import Verdict, verify

from .options import existing_state, state_options
from .progress import along


@click.command()
@state_options
def command(state_dir: str | None, config_file: str | None) -> None:
    """Check the sum of every record; exits 1 when something is damaged, and says what."""
    state = existing_state(state_dir, config_file)
    reader = JournalReader(state.root)
    records = flaws = 0
    for verdict in along("verifying", _steps(reader), 1.0):
        if verdict.damaged is None:
            records += 1
            continue
        flaws += 1
        where = verdict.segment or "the journal"
        click.echo(f"{where}: {verdict.damaged.reason}{_numbers(verdict)}")
    if flaws:
        raise HikrecvError(f"{flaws} damaged places, {records} good records")
    if not records:
        click.echo(f"there are no records; the next number is {reader.last + 1}")
        return
    click.echo(f"all {records} records are good; numbers {reader.first} to {reader.last}")


def _steps(reader: JournalReader) -> Iterator[tuple[float, Verdict]]:
    for verdict in verify(reader.view):
        yield verdict.done / max(verdict.total, 1), verdict


def _numbers(verdict: Verdict) -> str:
    damaged = verdict.damaged
    if damaged is None or not damaged.last:
        return ""
    return f" (numbers {damaged.first} to {damaged.last})"

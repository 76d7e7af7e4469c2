"""`hikrecv replay`: hand history to one reaction once more."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from hikrecv import control
from hikrecv.archive import Archive
from hikrecv.errors import HikrecvError
from hikrecv.isapi.words import visible
from hikrecv.state import State

from .asking import locked
from .options import existing_state, read_config, state_options
from .work import hear_plugins, on_the_reactor


@click.command()
@click.argument("reaction", metavar="REACTION")
@state_options
@click.option("--from", "start", type=click.IntRange(1), required=True, metavar="SEQ", help="The first push.")
@click.option(
    "--to", "stop", type=click.IntRange(1), metavar="SEQ", help="The last push; the newest when missing."
)
@click.option("--dry-run", is_flag=True, help="Say what would be handed over, and hand over nothing.")
@click.option("--act", is_flag=True, help="Also for a reaction that opens or switches something.")
def command(
    reaction: str,
    state_dir: str | None,
    config_file: str | None,
    start: int,
    stop: int | None,
    dry_run: bool,
    act: bool,
) -> None:
    """
    Hand the events from --from to --to to REACTION, flagged as replayed.

    Its rules hold; its place in the journal does not move.  Where no receiver runs,
    REACTION is taken from --config and everything happens here.
    """
    state = existing_state(state_dir, config_file)
    journal = Archive(state, read_config(config_file)).journal
    if start > (last := min(stop or journal.last, journal.last)):
        raise click.BadParameter(
            f"nothing lies between {start} and {last}; the journal keeps {journal.first} to {journal.last}"
        )
    told = Told()
    request = {"name": reaction, "start": start, "stop": stop, "dry_run": dry_run, "act": act}
    try:
        for line in control.stream(state.control, "replay", **request):
            told.line(line["event"], line["end"], line.get("reason", ""))
    except control.NotRunning:
        hear_plugins()
        with locked(state):
            on_the_reactor(lambda reactor: _alone(reactor, state, config_file, request, told))
    told.sum()


async def _alone(
    reactor: Any, state: State, config_file: str | None, request: dict[str, Any], told: Told
) -> None:
    from hikrecv.offline import Offline

    offline = Offline(state, read_config(config_file), folder_of(config_file), reactor)
    async for line in offline.replay(**request):
        told.line(line.event, line.end, line.reason)


def folder_of(config_file: str | None) -> Path:
    """Where the configuration lies."""
    return Path(config_file).absolute().parent if config_file else Path()


class Told:
    """What became of the events, line by line and in all."""

    def __init__(self) -> None:
        self._ends: Counter[str] = Counter()

    def line(self, event: str, end: str, reason: str) -> None:
        """One event has come to its end."""
        self._ends[end] += 1
        click.echo(f"{event}: {end}" + (f" ({visible(reason)})" if reason else ""))

    def sum(self) -> None:
        """All have.  :raises HikrecvError: when some failed."""
        ends = ", ".join(f"{count} {end}" for end, count in self._ends.items())
        click.echo(ends or "no event is wanted by its rules")
        if self._ends["held"]:
            raise HikrecvError("the reaction holds, so nothing more was handed over; put right what it says")
        if self._ends["failed"]:
            failed = self._ends["failed"]
            raise HikrecvError(f"{failed} event{'s' * (failed > 1)} failed")

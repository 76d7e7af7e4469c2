"""`hikrecv replay`: hand history to one reaction once more."""

from __future__ import annotations

from collections import Counter

import click

from hikrecv import control
from hikrecv.errors import HikrecvError

from .options import existing_state, state_options


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

    Its rules hold; its place in the journal does not move.
    """
    state = existing_state(state_dir, config_file)
    request = {"name": reaction, "start": start, "stop": stop, "dry_run": dry_run, "act": act}
    ends: Counter[str] = Counter()
    for line in control.stream(state.control, "replay", **request):
        ends[line["end"]] += 1
        reason = line.get("reason", "")
        click.echo(f"{line['event']}: {line['end']}" + (f" ({reason})" if reason else ""))
    click.echo(
        ", ".join(f"{count} {end}" for end, count in ends.items()) or "no event is wanted by its rules"
    )
    if ends["failed"]:
        raise HikrecvError(f"{ends['failed']} events failed")

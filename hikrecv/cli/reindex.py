"""`hikrecv reindex`: make the index again from the journal."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hikrecv import control
from hikrecv.journal.index import Index
from hikrecv.state import State

from .asking import locked
from .options import archive_of, existing_state, state_options
from .progress import along


@click.command()
@state_options
def command(state_dir: str | None, config_file: str | None) -> None:
    """
    Make the index again, with today's decoders.

    A running receiver does it in the background; a stopped one's is made here.
    """
    state = existing_state(state_dir, config_file)
    try:
        for at, total in along("indexing", _running(state), 1.0):
            last = (at, total)
        click.echo(f"the index has all {last[1]} pushes")
    except control.NotRunning:
        with locked(state):
            archive = archive_of(state, config_file)
            index = Index.anew(state.index)
            first, last_seq = archive.journal.first, archive.journal.last
            story = (
                ((told[0] - first + 1) / max(last_seq - first + 1, 1), told) for told in archive.events(first)
            )
            index.rebuild(along("indexing", story, 1.0))
            index.add((), last_seq)
            index.close()
        click.echo(f"the index has the pushes {first} to {last_seq}")


def _running(state: State) -> Iterator[tuple[float, tuple[int, int]]]:
    for at, total in control.stream(state.control, "reindex"):
        yield at / max(total, 1), (at, total)

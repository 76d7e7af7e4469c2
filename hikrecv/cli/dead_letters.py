"""`hikrecv dead-letters`: what reactions gave up, and what shall become of it."""

from __future__ import annotations

import contextlib
from typing import Any

import click
import msgspec

from hikrecv import control
from hikrecv.errors import HikrecvError
from hikrecv.isapi.words import visible_json
from hikrecv.journal.ledger import Ledger
from hikrecv.journal.lock import Lock
from hikrecv.state import State

from .asking import ask, ledger_to_read
from .group import Group
from .options import Where, state_options, where_options
from .replay import Told, folder_of
from .work import hear_plugins, on_the_reactor

ID = click.IntRange(1, 2**63 - 1)
"""What SQLite takes for one."""


@click.group(cls=Group)
@state_options
def command(state_dir: str | None, config_file: str | None) -> None:
    """Look at what was refused for good, try it again, or drop it."""


@command.command("list")
@click.argument("name", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="For people or for programs.",
)
@where_options
def show_list(where: Where, name: str | None, form: str) -> None:
    """List the dead letters of the reaction NAME, or of all."""
    with contextlib.closing(ledger_to_read(where.state())) as ledger:
        letters = ledger.dead_letters(name)
        names = {*ledger.places(), *where.config().reactions}
    if name and not letters and name not in names:
        raise HikrecvError(f"there is no reaction {name}; there are: {', '.join(sorted(names)) or 'none'}")
    if form == "jsonl":
        for letter in letters:
            click.echo(visible_json(msgspec.json.encode(letter).decode()))
        return
    if not letters:
        click.echo(f"{name} has no dead letters" if name else "there are no dead letters")
        return
    from datetime import datetime, timezone

    from .table import Column, local, show, table

    rows = [
        (
            str(letter.id),
            letter.reaction,
            letter.event,
            local(datetime.fromtimestamp(letter.at, timezone.utc)),
            str(letter.attempts),
            letter.reason,
        )
        for letter in letters
    ]
    columns = (
        Column("ID"),
        Column("REACTION"),
        Column("EVENT", drop=1),
        Column("SINCE", drop=2),
        Column("ATTEMPTS", drop=3),
        Column("WHY", wraps=True, least=24),
    )
    show(table(columns, rows))


@command.command()
@click.argument("letter", type=ID, metavar="ID")
@click.option("--act", is_flag=True, help="Also for a reaction that must not repeat what it did (a door).")
@where_options
def retry(where: Where, letter: int, act: bool) -> None:
    """
    Hand the event of the dead letter ID to its reaction once more.

    Where no receiver runs, the reaction is taken from --config and everything happens here.
    """
    state, told = where.state(), Told()
    try:
        line = control.call(state.control, "dead_letters.retry", letter=letter, act=act)
        told.line(line["event"], line["end"], line.get("reason", ""))
    except control.NotRunning:
        hear_plugins()
        with Lock(state.root):
            on_the_reactor(lambda reactor: _alone(reactor, state, where, letter, act, told))
    told.sum()


async def _alone(reactor: Any, state: State, where: Where, letter: int, act: bool, told: Told) -> None:
    from hikrecv.offline import Offline

    offline = Offline(state, where.config(), folder_of(where.config_file), reactor)
    with contextlib.closing(ledger_to_read(state)) as ledger:
        found = next((each for each in ledger.dead_letters() if each.id == letter), None)
    if found is None:
        raise HikrecvError(f"there is no dead letter {letter}")
    line = await offline.retry(found, act=act)
    if line.end == "done":
        with contextlib.closing(Ledger.open(state.ledger, expected=True)) as ledger:
            ledger.drop(letter)
    told.line(line.event, line.end, line.reason)


@command.command()
@click.argument("letters", type=ID, nargs=-1, required=True, metavar="ID...")
@where_options
def drop(where: Where, letters: tuple[int, ...]) -> None:
    """Throw dead letters away; the events stay in the journal."""
    state = where.state()
    for letter in letters:

        def alone(ledger: Ledger, letter: int = letter) -> bool:
            return ledger.drop(letter)

        if not ask(state, "dead_letters.drop", alone, letter=letter):
            raise HikrecvError(f"there is no dead letter {letter}")
        click.echo(f"dead letter {letter} is dropped")

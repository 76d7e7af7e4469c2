"""`hikrecv dead-letters`: what reactions gave up, and what shall become of it."""

from __future__ import annotations

import click
import msgspec

from hikrecv import control
from hikrecv.errors import HikrecvError
from hikrecv.journal.ledger import Ledger
from hikrecv.state import State

from .asking import ask
from .options import existing_state, state_options


@click.group()
@state_options
@click.pass_context
def command(ctx: click.Context, state_dir: str | None, config_file: str | None) -> None:
    """Look at what was refused for good, try it again, or drop it."""
    ctx.obj = existing_state(state_dir, config_file)


@command.command("list")
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
@click.pass_obj
def show_list(state: State, name: str | None, form: str) -> None:
    """List the dead letters of the reaction NAME, or of all."""
    ledger = Ledger.read(state.ledger)
    try:
        letters = ledger.dead_letters(name)
    finally:
        ledger.close()
    if form == "jsonl":
        for letter in letters:
            click.echo(msgspec.json.encode(letter))
        return
    if not letters:
        click.echo("there are no dead letters")
        return
    from datetime import datetime, timezone

    from .table import local, show, table

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
    show(table(("ID", "REACTION", "EVENT", "SINCE", "ATTEMPTS", "WHY"), rows))


@command.command()
@click.argument("letter", type=int, metavar="ID")
@click.option("--act", is_flag=True, help="Also for a reaction that must not repeat what it did (a door).")
@click.pass_obj
def retry(state: State, letter: int, act: bool) -> None:
    """Hand the event of the dead letter ID to its reaction once more; needs a running receiver."""
    try:
        outcome = control.call(state.control, "dead_letters.retry", letter=letter, act=act)
    except control.NotRunning as error:
        raise HikrecvError(f"{error}; only a running receiver can hand an event over") from None
    click.echo(outcome)


@command.command()
@click.argument("letters", type=int, nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def drop(state: State, letters: tuple[int, ...]) -> None:
    """Throw dead letters away; the events stay in the journal."""
    for letter in letters:

        def alone(ledger: Ledger, letter: int = letter) -> bool:
            return ledger.drop(letter)

        if not ask(state, "dead_letters.drop", alone, letter=letter):
            raise HikrecvError(f"there is no dead letter {letter}")
        click.echo(f"dead letter {letter} is dropped")

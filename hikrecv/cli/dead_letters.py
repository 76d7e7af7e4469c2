"""`hikrecv dead-letters`: what reactions gave up, and what shall become of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import click
import msgspec

from hikrecv import control
from hikrecv.config import Seconds, convert
from hikrecv.errors import ConfigError, HikrecvError, WrongUse
from hikrecv.isapi.words import visible_json
from hikrecv.journal.ledger import DeadLetter, Ledger
from hikrecv.state import State

from .asking import ask, ledger_to_read, locked
from .group import Group
from .options import Where, state_options, where_options
from .replay import Told, folder_of
from .work import hear_plugins, on_the_reactor

ID = click.IntRange(1, 2**63 - 1)
"""What SQLite takes for one."""
AT_ONCE = 1_000
"""Dead letters that are dropped in one go."""


class Moment(click.ParamType[float]):
    """Seconds since 1970, of ``2h`` (ago) or a time in ISO 8601, in the system's zone unless it has one."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """See `click.ParamType`."""
        if isinstance(value, float):
            return value
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            pass
        try:
            return time.time() - convert(value, Seconds)
        except ConfigError:
            self.fail(
                f"{value!r} is neither a span such as 2h nor a time such as 2026-01-31T08:00", param, ctx
            )


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
    which = f"--reaction {name}" if name else "--reaction NAME"
    click.echo(f"when the cause is gone: hikrecv dead-letters retry {which}", err=True)


def chosen(function: Callable[..., None]) -> Callable[..., None]:
    """The arguments and options that say which dead letters are meant."""
    options = (
        click.argument("letters", type=ID, nargs=-1, metavar="[ID]..."),
        click.option("--reaction", metavar="NAME", help="All those of the reaction NAME."),
        click.option("--all", "everything", is_flag=True, help="All there are; with --reaction all of it."),
        click.option(
            "--since", type=Moment(), help="Of them those given up since then: 2h, 2026-01-31T08:00."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@chosen
@click.option("--act", is_flag=True, help="Also for a reaction that must not repeat what it did (a door).")
@where_options
def retry(
    where: Where,
    letters: tuple[int, ...],
    reaction: str | None,
    everything: bool,
    since: float | None,
    act: bool,
) -> None:
    """
    Hand the events of dead letters to their reactions once more, the oldest first.

    Name them by ID, or by --reaction, --all and --since.  What is done is a dead letter
    no more.  Where no receiver runs, the reactions are taken from --config and everything
    happens here.
    """
    state, told = where.state(), Told()
    found = _chosen(where, letters, reaction, everything, since)
    try:
        for letter in found:
            line = control.call(state.control, "dead_letters.retry", letter=letter.id, act=act)
            told.line(line["event"], line["end"], line.get("reason", ""))
            if line["end"] == "held":
                break
    except control.NotRunning:
        hear_plugins()
        with locked(state):
            on_the_reactor(lambda reactor: _alone(reactor, state, where, found, act, told))
    told.sum()


async def _alone(
    reactor: Any, state: State, where: Where, letters: Sequence[DeadLetter], act: bool, told: Told
) -> None:
    from hikrecv.offline import Offline

    offline = Offline(state, where.config(), folder_of(where.config_file), reactor)
    for name in dict.fromkeys(letter.reaction for letter in letters):
        mine = [letter for letter in letters if letter.reaction == name]
        done = []
        try:
            async for letter, line in offline.retry(name, mine, act=act):
                told.line(line.event, line.end, line.reason)
                if line.end == "done":
                    done.append(letter.id)
                elif line.end == "held":
                    break
        finally:
            with contextlib.closing(Ledger.open(state.ledger, expected=True)) as ledger:
                ledger.drop(*done)


@command.command()
@chosen
@where_options
def drop(
    where: Where, letters: tuple[int, ...], reaction: str | None, everything: bool, since: float | None
) -> None:
    """
    Throw dead letters away; the events stay in the journal.

    Name them by ID, or by --reaction, --all and --since.
    """
    state = where.state()
    ids = [letter.id for letter in _chosen(where, letters, reaction, everything, since)]
    dropped = 0
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]

        def alone(ledger: Ledger, some: Sequence[int] = some) -> int:
            return ledger.drop(*some)

        dropped += ask(state, "dead_letters.drop", alone, letters=some)
    which = f"dead letter {ids[0]} is" if len(ids) == 1 else f"{dropped} dead letters are"
    click.echo(f"{which} dropped")


def _chosen(
    where: Where, ids: tuple[int, ...], reaction: str | None, everything: bool, since: float | None
) -> list[DeadLetter]:
    """
    The dead letters that are meant, the oldest first.

    :raises WrongUse: when none is named, or they are named in two ways.
    :raises HikrecvError: when there is none of that kind.
    """
    if bool(ids) == bool(reaction or everything or since is not None):
        raise WrongUse("name the dead letters by their IDs, or by --reaction NAME, --all and --since TIME")
    with contextlib.closing(ledger_to_read(where.state())) as ledger:
        letters = ledger.dead_letters(reaction)
        names = {*ledger.places(), *where.config().reactions}
    if ids:
        if missing := sorted({*ids} - {letter.id for letter in letters}):
            raise HikrecvError(f"there is no dead letter {', '.join(map(str, missing))}")
        return [letter for letter in letters if letter.id in ids]
    if reaction and reaction not in names:
        raise HikrecvError(
            f"there is no reaction {reaction}; there are: {', '.join(sorted(names)) or 'none'}"
        )
    found = [letter for letter in letters if since is None or letter.at >= since]
    if not found:
        raise HikrecvError(
            f"{reaction or 'no reaction'} has {'no ' * bool(reaction)}dead letters to choose from"
        )
    return found

"""`hikrecv reactions`: where each reaction stands, and moving it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any

import click
import msgspec

from hikrecv import control
from hikrecv.archive import Archive
from hikrecv.errors import HikrecvError, JournalError, LedgerBusy, LedgerError
from hikrecv.isapi.words import visible
from hikrecv.journal.holds import Hold, held_bytes, read_holds, write_holds
from hikrecv.journal.ledger import Ledger, Place
from hikrecv.journal.reader import JournalReader
from hikrecv.journal.state import Layout
from hikrecv.journal.store import Store
from hikrecv.lagging import size
from hikrecv.reactions.status import Status
from hikrecv.state import State

from .asking import ask, ledger_to_read, locked
from .group import Group
from .options import Where, existing_state, read_config, state_options, where_options
from .watching import again


@click.group(cls=Group, invoke_without_command=True)
@state_options
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or for programs.",
)
@click.pass_context
def command(
    ctx: click.Context, state_dir: str | None, config_file: str | None, watch: bool, form: str
) -> None:
    """Show where each reaction stands: position, lag, last success and error, dead letters, state."""
    if ctx.invoked_subcommand is not None:
        return
    state = existing_state(state_dir, config_file)

    def look() -> None:
        rows = _rows(state, config_file)
        if form == "json":
            click.echo(msgspec.json.encode(rows))
        else:
            _print(rows)

    again(look, watch)


def _rows(state: State, config_file: str | None) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = control.call(state.control, "reactions")
    except control.NotRunning:
        return _stopped(state, config_file)
    return rows


def _stopped(state: State, config_file: str | None) -> list[dict[str, Any]]:
    config = read_config(config_file)
    archive = Archive(state, config)
    with contextlib.closing(ledger_to_read(state)) as ledger:
        dead, places = ledger.dead_counts(), ledger.places()
    found = read_holds(Store(), Layout(state.root))
    holds = found.reactions if found is not None else {}
    rows = []
    for name, place in sorted(places.items()):
        plugin = config.reactions.get(name, {}).get("plugin", "")
        standing = _standing(name, plugin, place, dead.get(name, 0), archive, holds.get(name))
        rows.append(msgspec.to_builtins(standing))
    return rows


def _standing(name: str, plugin: str, place: Place, dead: int, archive: Archive, hold: Hold | None) -> Status:
    """The same fields as a running receiver's, as far as they are written down."""
    behind = archive.journal.kept(place.cursor + 1, archive.journal.last) if place.placed else 0
    return Status(
        name=name,
        plugin=plugin,
        state="stopped" if place.state == "placed" else place.state,
        position=place.cursor,
        lag_events=behind,
        lag_seconds=_waited(archive, place.cursor + 1) if behind else 0.0,
        attempts=max((each.attempts for each in place.tries), default=0),
        last_success=place.last_success,
        last_error=place.last_error or "",
        last_error_at=place.last_error_at,
        dead=dead,
        hold="budget" if hold is None else "released" if hold.released else hold.hold,
        held_bytes=0 if hold is None else held_bytes(archive.journal.view.segments, place.cursor + 1),
    )


def _waited(archive: Archive, seq: int) -> float:
    try:
        received = archive.push(max(seq, archive.journal.first)).received
    except JournalError:
        return 0.0
    return max(time.time() - received / 1e9, 0.0)


def _print(rows: list[dict[str, Any]]) -> None:
    from .table import Column, ago, show, table

    if not rows:
        click.echo("no reaction is configured; see `hikrecv plugins`")
        return
    columns = (
        Column("REACTION"),
        Column("PLUGIN", drop=2),
        Column("STATE"),
        Column("POSITION", drop=4),
        Column("LAG", wraps=True, least=6),
        Column("HOLDS", wraps=True, drop=2),
        Column("LAST SUCCESS", wraps=True, drop=1),
        Column("ATTEMPTS", drop=3),
        Column("DEAD"),
        Column("LAST ERROR", wraps=True, least=24),
    )
    show(table(columns, map(_cells, rows)))
    for row in rows:
        failed_at = row.get("last_error_at") or 0.0
        if row.get("trace") and failed_at > (row.get("last_success") or 0.0):
            click.echo(f"\n{row['name']} failed {ago(time.time() - failed_at)} ago:")
            click.echo(visible(row["trace"].rstrip(), keep="\n"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from .table import ago

    lag = f"{row.get('lag_events', 0)}"
    if row.get("lag_seconds"):
        lag += f" ({ago(row['lag_seconds'])})"
    success = row.get("last_success")
    return (
        row["name"],
        row.get("plugin", ""),
        row["state"],
        f"{row.get('position', 0)}",
        lag,
        _holds(row),
        f"{ago(time.time() - success)} ago" if success else "-",
        f"{row.get('attempts', 0)}",
        f"{row.get('dead', 0)}",
        _trouble(row),
    )


def _holds(row: dict[str, Any]) -> str:
    word, held = row.get("hold", "budget"), row.get("held_bytes", 0)
    amount = f"{size(held)} of {size(row['held_most'])}" if held and row.get("held_most") else ""
    if not amount:
        amount = size(held) if held else "-"
    return amount if word == "budget" else f"{amount}, {word}"


def _trouble(row: dict[str, Any]) -> str:
    lost = f"lost {row['lost']} events" if row.get("lost") else ""
    old = row.get("left_out", {}).get("too old")
    blocked = ""
    if row.get("kept") and row["state"] != "throttled":
        blocked = f"blocked the reactor {row['kept']} times, up to {row.get('kept_longest', 0.0):.1f} s"
    said = (lost, f"too old: {old}" if old else "", row.get("reason") or row.get("last_error"), blocked)
    return "; ".join(filter(None, said))


def _known(ledger: Ledger, name: str, configured: Iterable[str] = ()) -> None:
    _check(name, {*ledger.places(), *configured})


def _check(name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise HikrecvError(f"there is no reaction {name}; there are: {', '.join(sorted(names)) or 'none'}")


@command.command()
@click.argument("name")
@where_options
def pause(where: Where, name: str) -> None:
    """Hand nothing more to NAME until it is resumed; its events wait in the journal."""
    _pause(where.state(), name, True)
    click.echo(f"{name} is paused")


@command.command()
@click.argument("name")
@where_options
def resume(where: Where, name: str) -> None:
    """Let NAME go on where it was, and at once: also when it holds, is throttled, or waits to try again."""
    _pause(where.state(), name, False)
    click.echo(f"{name} goes on")


def _pause(state: State, name: str, paused: bool) -> None:
    def alone(ledger: Ledger) -> None:
        _known(ledger, name)
        ledger.pause(name, paused)

    ask(state, "reactions.pause" if paused else "reactions.resume", alone, name=name)


@command.command()
@click.argument("name")
@click.option("--to", required=True, metavar="now|beginning|SEQ", help="SEQ is the first that it gets again.")
@where_options
def rewind(where: Where, name: str, to: str) -> None:
    """Set the place from which NAME goes on; also after the ledger was lost."""
    if to not in ("now", "beginning") and not to.isdigit():
        raise click.BadParameter("write now, beginning or a number", param_hint="--to")
    state = where.state()

    def alone(ledger: Ledger) -> int:
        _known(ledger, name, where.config().reactions)
        return _rewound(ledger, state, name, to)

    try:
        cursor = ask(state, "reactions.rewind", alone, name=name, to=to)
    except LedgerBusy:
        raise
    except LedgerError:
        if where.config_file is None:
            raise HikrecvError(
                "the ledger is lost; name the configuration with --config, so that the other reactions wait "
                "until you say where they go on"
            ) from None
        configured = where.config().reactions
        _check(name, configured)
        cursor = _begun_anew(state, configured, name, to)
    click.echo(f"{name} goes on after {cursor}")


def _cursor(state: State, to: str) -> int:
    journal = Archive(state, read_config(None)).journal
    if to == "now":
        return journal.last
    # Never above the last: what is still to come would be taken for done.
    return min(max((journal.first if to == "beginning" else int(to)) - 1, 0), journal.last)


def _rewound(ledger: Ledger, state: State, name: str, to: str) -> int:
    cursor = _cursor(state, to)
    ledger.rewind(name, cursor)
    return cursor


def _begun_anew(state: State, names: Iterable[str], name: str, to: str) -> int:
    """The ledger is lost: here is the operator's word to begin a new one; the others wait for theirs."""
    with locked(state):
        ledger = Ledger.anew(state.ledger, names)
        try:
            return _rewound(ledger, state, name, to)
        finally:
            ledger.close()


@command.command()
@click.argument("name")
@where_options
def release(where: Where, name: str) -> None:
    """
    Let go of what NAME waits for: the journal may delete it before NAME has had it.

    That ends when NAME has caught up; what is deleted until then is lost to it, and counted.
    """
    state = where.state()
    try:
        held = control.call(state.control, "reactions.release", name=name)
    except control.NotRunning:
        held = _released(state, name)
    click.echo(f"{name} is released: {size(held)} may be deleted before it has had them")


def _released(state: State, name: str) -> int:
    with locked(state):
        store, layout = Store(), Layout(state.root)
        holds = read_holds(store, layout)
        if holds is None:
            raise HikrecvError(f"{layout.holds} cannot be read; start hikrecv, which makes it again")
        _check(name, holds.reactions)
        hold = msgspec.structs.replace(holds.reactions[name], released=True)
        holds = msgspec.structs.replace(holds, reactions={**holds.reactions, name: hold})
        write_holds(store, layout, holds)
        store.let_go()
        return held_bytes(JournalReader(state.root).view.segments, hold.seq)


@command.command()
@click.argument("name")
@click.confirmation_option(prompt="Its place and its dead letters will be gone. Forget it?")
@where_options
def forget(where: Where, name: str) -> None:
    """Forget the place, the cooldowns and the dead letters of NAME, which is no longer configured."""

    def alone(ledger: Ledger) -> None:
        _known(ledger, name)
        if name in where.config().reactions:
            raise HikrecvError(f"{name} is in the configuration; take it out first")
        ledger.forget(name)

    ask(where.state(), "reactions.forget", alone, name=name)
    click.echo(f"{name} is forgotten")

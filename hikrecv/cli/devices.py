"""`hikrecv devices`: who sends, what, and how it is with them; and who was turned away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from hikrecv import control
from hikrecv.archive import Archive
from hikrecv.clock import NO_CLOCK
from hikrecv.config import Config
from hikrecv.errors import HikrecvError, StateError
from hikrecv.isapi.words import visible_json
from hikrecv.journal.ledger import Ledger
from hikrecv.journal.seen import Seen
from hikrecv.sightings.clocks import Trusted, TrustedClocks
from hikrecv.silence import Awaited, never_heard
from hikrecv.state import State

from .asking import ask
from .group import Group
from .options import Where, existing_state, read_config, state_options, where_options
from .watching import again

_TURNED_AWAY = ("TURNED AWAY", "TIMES", "LAST", "ANSWER")


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
    """
    List the devices with their channels, families, last push, clock and oddities.

    A device of the configuration that has not sent anything yet is listed, too: never.
    """
    if ctx.invoked_subcommand is not None:
        return
    state = existing_state(state_dir, config_file)
    config = read_config(config_file)

    def look() -> None:
        index = Archive(state, config).index()
        if index is None:
            raise StateError(f"the index of {state.root} cannot be read now; run `hikrecv reindex`")
        try:
            seen = index.devices()
        finally:
            index.close()
        never = _never(state, config if config_file else None, seen)
        turned_away = _turned_away(state)
        if form == "json":
            found = {"devices": [*map(_row, seen)], "never_heard": never, "turned_away": turned_away}
            click.echo(visible_json(msgspec.json.encode(found).decode()))
        else:
            _print(seen, never, turned_away)

    again(look, watch)


@command.command("forget-clock")
@click.argument("name")
@where_options
def forget_clock(where: Where, name: str) -> None:
    """
    Learn the clock of the device NAME anew, for instance after it was set.

    NAME as in the list; of a recorder also the clocks of what comes through it.
    """

    def alone(ledger: Ledger) -> None:
        clocks = TrustedClocks()
        clocks.restore(dict.fromkeys(ledger.clocks(), Trusted()))
        if not clocks.forget(name):
            raise HikrecvError(NO_CLOCK.format(device=name))
        ledger.keep_clocks([(device, None) for device, _ in clocks.changes()])

    ask(where.state(), "devices.forget_clock", alone, name=name)
    click.echo(f"the clock of {name} is learned from its next events")


def _never(state: State, config: Config | None, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """The devices of the configuration, or of the receiver's last one, from which nothing has come."""
    tables = state.known_devices() if config is None else config.devices
    since = state.awaited_devices()
    awaited = {name: Awaited(table, since.get(name, 0.0)) for name, table in tables.items()}
    return [
        {
            "device": name,
            "address": each.table.address,
            "mac": each.table.mac,
            "serial": each.table.serial,
            "configured_since": each.since or None,
        }
        for name, each in never_heard(awaited, seen).items()
    ]


def _turned_away(state: State) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = control.call(state.control, "turned_away")
    except control.NotRunning:
        return []
    return found


def _row(seen: Seen) -> dict[str, Any]:
    """Every field, also where there is nothing to tell: programs look for it."""
    row = msgspec.structs.asdict(seen)
    return row | {"rate": seen.rate(time.time_ns() // 1000), "silent": _silent(seen)}


def _silent(seen: Seen) -> bool:
    return seen.silent(time.time_ns() // 1000)


def _print(
    seen: Sequence[Seen], never: Sequence[dict[str, Any]], turned_away: Sequence[dict[str, Any]]
) -> None:
    from .table import Column, show, table

    if not seen and not turned_away:
        click.echo("no device has sent anything yet")
    if seen or never:
        columns = (
            Column("DEVICE", wraps=True),
            Column("ADDRESS", drop=1),
            Column("TRUST", drop=4),
            Column("LAST PUSH", wraps=True),
            Column("EVENTS", wraps=True, least=6),
            Column("AN HOUR", drop=6),
            Column("FAMILIES", wraps=True, drop=5),
            Column("CHANNELS", wraps=True, drop=7),
            Column("CLOCK", wraps=True, least=8, drop=2),
            Column("ODD", wraps=True, drop=3),
        )
        show(table(columns, [*map(_cells, seen), *map(_missing, never)]))
    if turned_away:
        click.echo()
        show(table((*_TURNED_AWAY, Column("WHY", wraps=True, least=20)), map(_refusal, turned_away)))


def _cells(seen: Seen) -> tuple[str, ...]:
    from .table import ago, device_words

    now = time.time_ns() // 1000
    since = (now - seen.last_received) / 1e6
    counted = f"{seen.events}" + "".join(
        f", {count} {word}" for word, count in (("late", seen.late), ("duplicate", seen.duplicates)) if count
    )
    return (
        device_words(seen.device, seen.name),
        seen.peer_ip,
        seen.trust,
        f"{ago(since)} ago" + (" (silent)" if _silent(seen) else ""),
        counted,
        f"{seen.rate(now):.0f}",
        _most(seen.families),
        _most(seen.channels),
        _clock(seen.offset),
        _most(seen.anomalies),
    )


def _missing(row: dict[str, Any]) -> tuple[str, ...]:
    from .table import ago

    since = row["configured_since"]
    last = "never" if since is None else f"never (configured {ago(time.time() - since)} ago)"
    return str(row["device"]), str(row["address"] or "-"), "-", last, "0", "0", "-", "-", "-", "-"


def _most(counts: dict[str, int], show: int = 4) -> str:
    ordered = sorted(counts, key=lambda name: -counts[name])
    more = f" +{len(ordered) - show}" if len(ordered) > show else ""
    return ", ".join(ordered[:show]) + more


def _clock(offset: int | None) -> str:
    from .table import ago

    if offset is None:
        return "-"
    seconds = offset / 1e6
    if abs(seconds) < 2:
        return "right"
    return f"{ago(abs(seconds))} {'behind' if seconds > 0 else 'ahead'}"


def _refusal(row: dict[str, Any]) -> tuple[str, ...]:
    from .table import ago

    return (
        str(row["ip"]),
        str(row["count"]),
        f"{ago((time.time_ns() - row['last']) / 1e9)} ago",
        str(row["status"] or "closed"),
        str(row["reason"]),
    )

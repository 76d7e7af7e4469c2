"""`hikrecv try`: what a `when`, or a whole reaction, would have made of what was received."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import click
import msgspec
from rich.console import Console

from hikrecv.config import Common, Config
from hikrecv.errors import HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.offline import Offline
from hikrecv.reactions.filter import compile_filter
from hikrecv.reactions.rehearsal import Rehearsal
from hikrecv.reactions.rule import Rule

from .options import existing_state, read_config, state_options
from .progress import bar
from .replay import folder_of
from .table import event_cells, print_line
from .work import hear_plugins, on_the_reactor

Judge = Callable[[Event], str | None]
"""What would become of an event: "" when it would be handed over, None when nobody wants it."""


@click.command()
@state_options
@click.option("--when", "rule", metavar="EXPR", help="Which events this rule picks.")
@click.option("--reaction", metavar="NAME", help="A table of --config; it need not be enabled.")
@click.option("--from", "start", type=click.IntRange(1), default=1, metavar="SEQ", help="The first push.")
@click.option("--to", "stop", type=click.IntRange(1), metavar="SEQ", help="The last push.")
@click.option("--call", is_flag=True, help="Call the hook too, as a dry run, if the plugin knows dry runs.")
def command(
    state_dir: str | None,
    config_file: str | None,
    rule: str | None,
    reaction: str | None,
    start: int,
    stop: int | None,
    call: bool,
) -> None:
    """
    Show which recorded events a rule or a reaction would be handed, as if it had been there.

    Nothing is handed over and nothing is remembered, also while a receiver runs.
    """
    if (rule is None) == (reaction is None):
        raise click.UsageError("say either --when EXPR or --reaction NAME")
    if call and reaction is None:
        raise click.UsageError("--call needs --reaction NAME")
    state = existing_state(state_dir, config_file)
    config = read_config(config_file)
    if reaction is not None:
        config = _enabled(config, reaction)
    hear_plugins()

    def work(reactor: Any) -> Coroutine[Any, Any, None]:
        offline = Offline(state, config, folder_of(config_file), reactor)
        if reaction is None:
            return _try_rule(offline, rule or "", start, stop)
        return _try_reaction(offline, reaction, call, start, stop)

    on_the_reactor(work)


async def _nothing(event: Event) -> str:
    return ""


def _enabled(config: Config, name: str) -> Config:
    """*config* with that reaction switched on."""
    if name not in config.reactions:
        known = ", ".join(config.reactions) or "none; name the file with --config"
        raise HikrecvError(f"there is no reaction {name} in the configuration; there are: {known}")
    tables = config.reactions | {name: config.reactions[name] | {"enabled": True}}
    return msgspec.structs.replace(config, reactions=tables)


async def _look(
    offline: Offline,
    start: int,
    stop: int | None,
    judge: Judge,
    call: Callable[[Event], Awaitable[str]] = _nothing,
) -> None:
    console = Console(highlight=False)
    ends: Counter[str] = Counter()
    seen = 0
    with bar("trying") as show:
        async for share, event in offline.events(start, stop):
            show(share)
            seen += 1
            end = judge(event)
            if end is None:
                continue
            ends[end] += 1
            said = end or await call(event)
            print_line(console, (*event_cells(event), said))
    others = "".join(f", {count} {end}" for end, count in ends.items() if end)
    click.echo(f"{ends['']} of {seen} events would be handed over{others}")


async def _try_rule(offline: Offline, rule: str, start: int, stop: int | None) -> None:
    Rule(rule, path="--when")  # here for its error; below for the families that it asks for
    wanted, _ = compile_filter(Common(plugin="", when=rule), "")
    await _look(offline, start, stop, lambda event: "" if wanted and wanted(event) else None)


async def _try_reaction(offline: Offline, name: str, call: bool, start: int, stop: int | None) -> None:
    reaction = offline.reaction(name)
    rehearsal = Rehearsal(reaction, offline.calls(reaction) if call else None)
    await rehearsal.begin()
    try:
        await _look(offline, start, stop, rehearsal.judge, rehearsal.call)
    finally:
        await rehearsal.end()

"""`hikrecv plugins`: what is installed, what is broken, and what each can be told."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec
from rich.text import Text

from hikrecv.config import Config
from hikrecv.errors import PluginError
from hikrecv.isapi.words import visible_json
from hikrecv.reactions.plugins import Plugin, Plugins, find
from hikrecv.reactions.settings import Row, describe

from .group import Group
from .options import read_config, state_options


@click.group(cls=Group, invoke_without_command=True)
@state_options
@click.option("--only", multiple=True, metavar="NAME", help="Look at nothing else (repeatable).")
@click.option("--without", multiple=True, metavar="NAME", help="Do not look at this one (repeatable).")
@click.option("--strict", is_flag=True, help="Exit with 3 when any is broken; for CI.")
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
    ctx: click.Context,
    state_dir: str | None,
    config_file: str | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    strict: bool,
    form: str,
) -> None:
    """
    List the plugins that are installed, and who uses them.

    [decode], [enrich] and [remote_check] ask in an order: the number is the place in it.
    """
    config = read_config(config_file)
    plugins = find(config.plugin_dirs, only=only, without=without)
    ctx.obj = plugins
    missing = sorted(set(only) - set(plugins.names))
    if missing:
        plugins.get(missing[0])
    if ctx.invoked_subcommand is None:
        if form == "json":
            click.echo(visible_json(msgspec.json.encode(_records(plugins, config)).decode()))
        else:
            _print(plugins, config)
        if strict and plugins.failures:
            raise click.exceptions.Exit(PluginError.exit_code)


def _records(plugins: Plugins, config: Config) -> list[dict[str, Any]]:
    """Every plugin with the same fields, and ``broken``: why it cannot be used, or null."""
    whole = [
        {
            "name": plugin.name,
            "origin": plugin.origin,
            "hooks": list(plugin.hooks),
            "used_by": list(_users(plugin, config)),
            "acts": plugin.acts,
            "delivery": plugin.delivery,
            "broken": None,
        }
        for plugin in plugins.load_all()
    ]
    nothing = {"hooks": [], "used_by": [], "acts": False, "delivery": None}
    broken = [
        {"name": failure.name, "origin": failure.origin, **nothing, "broken": failure.reason}
        for failure in plugins.failures
    ]
    return whole + broken


def _print(plugins: Plugins, config: Config) -> None:
    from .table import Column, show, table

    rows: list[Sequence[str | Text]] = [_row(plugin, config) for plugin in plugins.load_all()]
    for failure in plugins.failures:
        broken = Text(f"broken: {failure.reason}", style="red")
        rows.append((Text(failure.name, style="red"), failure.origin, "", "", broken))
    if not rows:
        click.echo("no plugin is installed; try: pip install hikrecv-lines")
        return
    columns = (
        Column("PLUGIN"),
        Column("FROM", wraps=True, drop=2),
        Column("HOOKS", wraps=True, drop=1),
        Column("USED BY", wraps=True),
        Column("", wraps=True, least=16),
    )
    show(table(columns, rows))


def _row(plugin: Plugin, config: Config) -> Sequence[str | Text]:
    hooks = ", ".join(name.removeprefix("hikrecv_") for name in plugin.hooks)
    remarks = [*(["acts"] if plugin.acts else []), *([plugin.delivery] if plugin.delivery else [])]
    return plugin.name, plugin.origin, hooks, ", ".join(_users(plugin, config)) or "-", ", ".join(remarks)


def _users(plugin: Plugin, config: Config) -> Iterator[str]:
    mine = [name for name, table in config.reactions.items() if table.get("plugin") == plugin.name]
    yield from mine
    asked = {
        "decode": config.decode.plugins,
        "enrich": config.enrich.plugins,
        "remote_check": config.remote_check.reactions,
    }
    for table, names in asked.items():
        for place, name in enumerate(names, 1):
            if name in mine or (name == plugin.name and f"hikrecv_{table}" in plugin.hooks):
                yield f"[{table}] {place}"


@command.command("show")
@click.argument("name")
@click.pass_obj
def show_one(plugins: Plugins, name: str) -> None:
    """Show what the plugin NAME does, and its settings with meaning and default."""
    from .table import Column, show, table

    plugin = plugins.get(name)
    said = inspect.getdoc(plugin.subject) or ""
    click.echo(f"{plugin.name} ({plugin.origin})\n{said}\n")
    rows = describe(plugin.settings)
    if not rows:
        click.echo("It has no settings of its own.")
    else:
        columns = (
            Column("KEY"),
            Column("TYPE", wraps=True),
            Column("DEFAULT", wraps=True),
            Column("MEANING", wraps=True, least=24),
        )
        show(table(columns, map(_setting, rows)))
    click.echo(
        f'\n[reactions.my-{name}]\nplugin = "{name}"' + "".join(f"\n{row.key} = ..." for row in _needed(rows))
    )


def _setting(row: Row) -> Sequence[str]:
    # With room after the commas, so that a long list can be broken there.
    default = "(required)" if row.default is None else row.default.replace('","', '", "')
    return row.key, row.type, default, row.meaning


def _needed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.default is None and "." not in row.key]

"""`hikrecv check`: is this configuration right, before it is used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from hikrecv.assembly import Parts, Tools, check
from hikrecv.config import Config, JournalTable, load_partly
from hikrecv.errors import ConfigError, ConfigErrors
from hikrecv.journal.room import shortage
from hikrecv.lagging import size
from hikrecv.reactions.reaction import Reaction
from hikrecv.senders import bound_devices, classes_of, is_open
from hikrecv.state import State, find
from hikrecv.units import Bytes, written


@click.command()
@click.argument("config_file", metavar="[CONFIG]", required=False, envvar="HIKRECV_CONFIG")
@click.option("--strict", is_flag=True, help="A broken plugin is an error also when nobody uses it.")
@click.option("--example", is_flag=True, help="Print a configuration with every key, and check nothing.")
def command(config_file: str | None, strict: bool, example: bool) -> None:
    """
    Check CONFIG: every key, every plugin, every `when`, and say what it would do.

    Every key with its meaning and its default: `hikrecv check --example > hikrecv.toml`.
    """
    from twisted.internet.task import Clock

    if example:
        click.echo(files("hikrecv").joinpath("annotated.toml").read_text("utf-8"), nl=False)
        return
    config, errors = load_partly(Path(config_file)) if config_file else (Config(), [])
    state = find(None, config.state_dir)
    folder = Path(config_file).absolute().parent if config_file else Path()
    reactor: Any = Clock()
    with _as_it_is(state) as copy:
        try:
            tools = Tools(copy, config, reactor)
            parts = check(config, tools, folder=folder, strict=strict, broken=(), wrong=errors)
        except ConfigErrors as found:
            # A plugin names the files that it misses by where it looked.
            said = [str(each).replace(str(copy.root), str(state.root)) for each in found.errors]
            raise ConfigErrors([ConfigError(each) for each in said]) from None
    _say(parts, str(state.root))
    for remark in _remarks(parts, state):
        click.echo(f"remark: {remark}")


@contextmanager
def _as_it_is(state: State) -> Iterator[State]:
    """
    A state directory for the plugins of a check, which are made as for a start and may want their folders.

    Those that are there are the real ones, with the lists that lie in them; others are forgotten afterwards.
    """
    with TemporaryDirectory() as scratch:
        copy = State(Path(scratch))
        copy.plugins.mkdir()
        # The receiver's directory may be closed to whoever checks.
        with suppress(OSError):
            for folder in state.plugins.iterdir():
                (copy.plugins / folder.name).symlink_to(folder.absolute())
        yield copy


def _say(parts: Parts, state: str) -> None:
    config = parts.config
    for listen in config.listen:
        who = ", ".join(listen.allow) or "anybody"
        more = [*(["the token"] if listen.token else []), *([listen.login] if listen.login != "none" else [])]
        click.echo(
            f"listens on {listen.endpoint} ({listen.mode}) for {who}" + "".join(f" with {m}" for m in more)
        )
    click.echo(f"keeps events in {state}")
    for name, reaction in parts.reactions.items():
        click.echo(f"{name}: {reaction.plugin.name} {_gets(reaction, config.journal)}")
    for what, asked in (("decode", config.decode.plugins), ("enrich", config.enrich.plugins)):
        if asked:
            click.echo(f"[{what}] asks {', then '.join(asked)}")
    if config.remote_check.reactions:
        click.echo(f"[remote_check] asks {', then '.join(config.remote_check.reactions)}")
    for name, table in config.reactions.items():
        if table.get("enabled") is False:
            click.echo(f"{name}: not enabled")
    if not parts.reactions:
        click.echo("no reaction is enabled: events are kept and shown, and nothing else happens")


def _gets(reaction: Reaction, journal: JournalTable) -> str:
    if not reaction.carries:
        return "is only asked"
    common = reaction.common
    what = common.when or ", ".join(common.families) or "everything but heartbeat and test"
    if common.hold == "always":
        return f'gets {what}; hold = "always": pushes are rejected with 503 rather than one lost to it'
    most = journal.max // 4 if journal.hold_max is None else journal.hold_max
    return f'gets {what}; hold = "budget": up to {size(most)} is held back for it, then it loses the oldest'


def _remarks(parts: Parts, state: State) -> Iterator[str]:
    """What can be used, and is perhaps not what was meant."""
    yield from _names(parts.config)
    yield from _senders(parts)
    yield from _space(parts.config, state)
    parts.plugins.load_all()
    for each in parts.plugins.failures:
        yield f"the plugin {each.name} ({each.origin}) is broken, and nobody uses it: {each.reason}"


def _senders(parts: Parts) -> Iterator[str]:
    """Whose events live on a share, and which devices nobody can tell from others that call themselves so."""
    config = parts.config
    classes = classes_of(config)
    for listen in config.listen if len(classes) > 1 else ():
        if is_open(listen):
            day = written(Bytes(config.journal.max // 10))
            yield (
                f"{listen.endpoint} is open to everybody: cameras that are not in [devices] with an address "
                f"are strangers there, who have a tenth of an hour's share each, and together {day} of the "
                "journal a day; add them to [devices] or to allow"
            )
    bound = bound_devices(config)
    here = [name for ip, name in bound.addresses.items() if ip in ("127.0.0.1", "::1") and name]
    acts = bool(config.remote_check.reactions) or any(each.acts for each in parts.reactions.values())
    for name in here if acts else ():
        yield (
            f"devices.{name}.address is this machine: a proxy that runs here, or any program, is taken "
            "for it; name the proxy in proxies of [[listen]]"
        )
    for name in config.devices if acts else ():
        if name not in bound.addresses.values() and name not in bound.logins:
            yield (
                f"devices.{name} has no address of its own and no push_login that a port asks for: anybody "
                "may call itself so, and nothing acts on its events"
            )


def _names(config: Config) -> Iterator[str]:
    for name, table in config.devices.items():
        try:
            ip_address((table.address or "::").strip("[]"))
        except ValueError:
            yield (
                f"devices.{name}.address: {table.address} is no IP address: it serves for calls to the "
                "device, and events are not recognised by where they come from"
            )


def _space(config: Config, state: State) -> Iterator[str]:
    """A journal that cannot grow as large as it may: the disk is full before anything is deleted."""
    place = next((each for each in (state.root, *state.root.parents) if each.is_dir()), None)
    if place is None:
        return
    try:
        taken = sum(each.stat().st_size for each in state.journal.glob("*"))
        free = shutil.disk_usage(place).free
    except OSError:
        return  # another user's; that the receiver may use it is not known here
    if sentence := shortage(config.journal, free + taken, place):
        yield sentence

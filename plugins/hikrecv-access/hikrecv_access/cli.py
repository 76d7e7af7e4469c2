"""`hikrecv access-lists`: would somebody be let in now, and why; and are the lists right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import click
from twisted.internet.task import Clock
from twisted.logger import Logger

from hikrecv import Access, Device, Event, Peer, Plate
from hikrecv.cli.options import read_config, state_options
from hikrecv.config import Common, Config
from hikrecv.errors import ConfigError
from hikrecv.reactions.schedule import compile_schedule, zone_of
from hikrecv.reactions.settings import check, split
from hikrecv.state import State, find

from .command import WORDS
from .decision import Decision, Judge
from .echo import Echoes
from .lists import ListError, Lists
from .plates import Folding
from .rows import Reader
from .settings import Settings


class Somebody(NamedTuple):
    """Who stands there, where and when, as it was typed."""

    plate: str | None
    employee: str | None
    card: str | None
    person: str | None
    device: str | None
    door: int | None
    at: datetime | None

    def is_named(self) -> bool:
        """Or are only the lists to be looked at?"""
        return any((self.plate, self.employee, self.card, self.person))


@click.command("access-lists")
@state_options
@click.argument("reaction", required=False)
@click.option("--plate", help="A number plate, as the camera reads it.")
@click.option("--employee", metavar="NO", help="An employee's number, as the terminal sends it.")
@click.option("--card", metavar="NO", help="The number of a card.")
@click.option("--person", metavar="NAME", help="A name.")
@click.option("--device", metavar="NAME", help="At this [devices.<name>]; needed when there are several.")
@click.option("--door", type=int, help="At this door of it.")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    metavar="TIME",
    help="At this time (2026-12-31T18:00, in the zone of the lists) instead of now.",
)
def command(
    state_dir: str | None,
    config_file: str | None,
    reaction: str | None,
    **named: object,
) -> None:
    """
    Say whether somebody would be let in now, and why; without anybody, read the lists.

    By the lists of REACTION, or of every reaction of this plugin. Exits with 1 when nobody lets in.
    """
    somebody = Somebody(**named)  # type: ignore[arg-type]
    if somebody.plate and somebody.is_named() and any(somebody[1:4]):
        raise click.UsageError("a plate is read by one device and a person by another; name one of them")
    config = read_config(config_file)
    books = list(_books(config, find(state_dir, config.state_dir), reaction, config_file))
    if not somebody.is_named():
        _echo(line for book in books for line in book.sizes())
        return
    answers = [book.answer(somebody, _only(config.devices)) for book in books]
    _echo(f"{book.name}: {said}" for book, (_, said) in zip(books, answers, strict=True))
    if not any(allowed for allowed, _ in answers):
        raise click.exceptions.Exit(1)


class _Book:
    """The lists of one reaction.  :raises ConfigError: when its table or a list is wrong."""

    def __init__(self, name: str, common: Common, settings: Settings, folder: Path) -> None:
        self.name = name
        self._common, self._settings = common, settings
        reader = Reader(Folding(settings.look_alikes), settings.zone, WORDS[settings.what])
        try:
            self._allow = Lists([folder / file for file in settings.allow], reader, Logger())
            self._deny = Lists([folder / file for file in settings.deny], reader, Logger())
        except ListError as error:
            raise ConfigError(str(error), f"reactions.{name}") from None
        self._judge = Judge(settings, reader, self._allow, self._deny, Echoes(Clock()))

    def sizes(self) -> Iterator[str]:
        """Each list, and how many lines it has."""
        for what, lists in (("may", self._allow), ("may not", self._deny)):
            for path, size in lists.sizes():
                yield f"{self.name}: {path}: {size} {'line' if size == 1 else 'lines'} of those who {what}"

    def answer(self, somebody: Somebody, device: str) -> tuple[bool, str]:
        """Would they be let in, and why."""
        event = _event(somebody, self._settings, device)
        opens = compile_schedule(self._common.schedule, "schedule")
        if opens is not None and not opens(event.received):
            return False, "not let in: not in the schedule of the reaction"
        decision = self._judge.decide(event)
        allowed = decision.verdict == "allow"
        if decision.verdict == "unknown" and self._settings.unknown == "no-opinion":
            return False, f"no opinion: {_why(decision)}"
        rule = f", if the event fits: {self._common.when}" if allowed and self._common.when else ""
        return allowed, ("let in: " if allowed else "not let in: ") + _why(decision) + rule


def _books(config: Config, state: State, wanted: str | None, file: str | None) -> Iterator[_Book]:
    folder = Path(file).absolute().parent if file else Path()
    tables = {name: table for name, table in config.reactions.items() if table.get("plugin") == "access"}
    if wanted not in (None, *tables):
        raise ConfigError(f"there is no reaction {wanted} with the plugin access")
    if not tables:
        raise ConfigError("no reaction has the plugin access; name the configuration with --config")
    for name, table in tables.items():
        if wanted in (None, name):
            yield _book(name, table, folder, state)


def _book(name: str, table: dict[str, object], folder: Path, state: State) -> _Book:
    general, own = split(table)
    common, errors = check(general, Common, path=f"reactions.{name}", folder=folder)
    settings, wrong = check(own, Settings, path=f"reactions.{name}", folder=folder)
    for error in (*errors, *wrong):
        raise error
    assert common is not None  # noqa: S101, there was no error
    assert settings is not None  # noqa: S101
    return _Book(name, common, settings, state.plugins / name)


def _event(somebody: Somebody, settings: Settings, device: str) -> Event:
    """What a device would report of them."""
    at = somebody.at or datetime.now(timezone.utc)
    if at.tzinfo is None:
        zone = zone_of(settings.zone)
        at = at.replace(tzinfo=zone) if zone else at.astimezone()
    access = Access(
        major=5,
        minor=75,
        name="",
        outcome=settings.outcomes[0] if settings.outcomes else "granted",
        employee_no=somebody.employee,
        card_no=somebody.card,
        person=somebody.person,
        door=somebody.door,
    )
    return Event(
        id="",
        key="",
        seq=0,
        n=0,
        received=at,
        type="",
        wire_type="",
        family="plate" if somebody.plate else "access",
        state="active",
        freshness="live",
        peer=Peer("", 0, "address"),
        device=Device(id=somebody.device or device),
        plate=Plate(text=somebody.plate) if somebody.plate else None,
        access=None if somebody.plate else access,
    )


def _why(decision: Decision) -> str:
    return decision.reason + (f" ({decision.row.origin})" if decision.row else "")


def _only(devices: Iterable[str]) -> str:
    """The one device that there is."""
    names = list(devices)
    return names[0] if len(names) == 1 else ""


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)

"""`hikrecv plugin new`: a package that can be installed and passes its tests, to begin with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

import click

from hikrecv.errors import HikrecvError
from hikrecv.reactions.plugins import find

from .group import Group

GIVEN = "yours"
"""The name of the plugin in the templates: they are a working package themselves."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40


@click.group(cls=Group)
def command() -> None:
    """Begin a plugin of your own."""


@command.command()
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    default=".",
    metavar="DIR",
    help="Where the folder of the package goes; here by default.",
)
def new(name: str, folder: str) -> None:
    """
    Write the package hikrecv-NAME: a plugin with settings, tests, README and setup.cfg.

    It can be installed and passes its tests as it stands.
    """
    _check(name)
    target = Path(folder) / f"hikrecv-{name}"
    try:
        target.mkdir(parents=True)
        for path, text in package(name):
            file = target / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            click.echo(str(file))
    except FileExistsError:
        raise HikrecvError(f"{target} is there already; choose another name, or --dir") from None
    except OSError as error:
        raise HikrecvError(f"cannot write {target}: {error.strerror}") from None
    click.echo(f"next: cd {target}; pip install -e '.[test]'; python -m pytest")


def package(name: str) -> Iterator[tuple[PurePosixPath, str]]:
    """The files of a package for the plugin *name*, by their places in it."""
    yield from _filled(files(__package__) / "templates" / "plugin", PurePosixPath(), name)


def _filled(folder: Traversable, place: PurePosixPath, name: str) -> Iterator[tuple[PurePosixPath, str]]:
    for found in sorted(folder.iterdir(), key=lambda each: each.name):
        path = place / _renamed(found.name, name)
        if found.is_file():
            yield path, _renamed(found.read_text(encoding="utf-8"), name)
        elif not found.name.startswith(("_", ".")):
            yield from _filled(found, path, name)


def _renamed(text: str, name: str) -> str:
    """Modules and tests cannot have a dash in their names; everything else can."""
    text = re.sub(rf"_{GIVEN}\b", f"_{name.replace('-', '_')}", text)
    return re.sub(rf"\b{GIVEN}\b", name, text)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise HikrecvError(
            f"{name!r} cannot be the name of a plugin; write small letters, digits and -, "
            f'at most {_LONGEST}, such as "led-board" (hikrecv- comes before it by itself)'
        )
    if name in find().names:
        raise HikrecvError(f"a plugin named {name} is installed already; choose another name")

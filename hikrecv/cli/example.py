"""`hikrecv example`: whole configurations, one a wish, to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import click

from hikrecv.errors import HikrecvError

from .similar import similar


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
def command(name: str | None) -> None:
    """
    List the examples, or print the one called NAME.

    `hikrecv example punches-to-hr > hikrecv.toml`, then change addresses and names, and say
    `hikrecv check hikrecv.toml`.
    """
    known = {each.name.removesuffix(".toml"): each for each in _shipped()}
    if name is not None:
        found = known.get(name.removesuffix(".toml"))
        if found is None:
            cure = similar(name, known, "`hikrecv example` lists them all")
            raise HikrecvError(f"there is no example {name}{cure}")
        click.echo(found.read_text("utf-8"), nl=False)
        return
    from .table import Column, show, table

    columns = (Column("EXAMPLE"), Column("WHAT IT DOES", wraps=True))
    show(table(columns, [(each, _about(file)) for each, file in known.items()]))


def _shipped() -> Iterator[Traversable]:
    """The configurations first, then the lists and plugins that some of them read."""
    folder = files("hikrecv").joinpath("examples")
    found = [*folder.iterdir(), *folder.joinpath("plugins").iterdir()]
    for ending in (".toml", ".csv", ".py"):
        yield from sorted((file for file in found if file.name.endswith(ending)), key=lambda file: file.name)


def _about(file: Traversable) -> str:
    first = file.read_text("utf-8").removeprefix('"""').lstrip().partition("\n")[0]
    return f"A list that an example reads: {first}" if file.name.endswith(".csv") else first.strip("# ")

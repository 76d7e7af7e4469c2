"""`hikrecv schema`: the JSON Schema of an event."""

from __future__ import annotations

import click
import msgspec

from hikrecv.isapi.event import schema


@click.command()
def command() -> None:
    """Print the JSON Schema of the events, as `events --format jsonl` and the plugins give them."""
    click.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode())

"""`hikrecv show`: one push, as it came and as it was understood."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from hikrecv.archive import parse_id
from hikrecv.errors import Gone, HikrecvError
from hikrecv.isapi.event import Event
from hikrecv.isapi.words import visible, visible_json
from hikrecv.push import Push

from .files import belonging, picture_file
from .options import archive_of, existing_state, state_options


@click.command()
@click.argument("place", metavar="SEQ|ID")
@state_options
@click.option("--raw", is_flag=True, help="The body, byte for byte, to standard output.")
@click.option("--pictures", metavar="DIR", help="Save the pictures there.")
def command(
    place: str, state_dir: str | None, config_file: str | None, raw: bool, pictures: str | None
) -> None:
    """Show the push SEQ (or the event ID): its request, its events, its pictures."""
    state = existing_state(state_dir, config_file)
    archive = archive_of(state, config_file)
    seq, n = parse_id(place)
    push = archive.push(seq)
    if raw:
        sys.stdout.buffer.write(push.body)
        return
    events = [event for _, told in archive.events(seq, seq + 1) for event in told if n in (None, event.n)]
    if not events:
        raise Gone(f"push {seq} has no event {place}")
    _print_request(push)
    for event in events:
        click.echo(visible_json(msgspec.json.format(event.to_json(), indent=2).decode()))
        for anomaly in event.__dict__.get("_anomalies", ()):
            click.echo(f"odd: {visible(anomaly.name)} {visible(anomaly.detail)}".rstrip())
    if pictures is not None:
        _save(events, Path(pictures))
        belonging(Path(pictures), state)


def _print_request(push: Push) -> None:
    click.echo(f"{visible(push.method)} {_shown(push.target)} from {push.peer.ip} (trust {push.peer.trust})")
    for name, value in push.headers:
        click.echo(f"{_shown(name)}: {_shown(value)}")
    for anomaly in push.anomalies:
        click.echo(f"odd: {visible(anomaly.name)} {visible(anomaly.detail)}".rstrip())
    click.echo()


def _save(events: list[Event], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for event in events:
            for picture in event.pictures:
                content = picture.content()
                if content is not None:
                    path = folder / picture_file(event, picture, content)
                    path.write_bytes(content)
                    click.echo(f"{path} ({len(content):,} bytes)")
    except OSError as error:
        raise HikrecvError(f"cannot write to {folder}: {error.strerror}") from None


def _shown(value: bytes) -> str:
    return visible(value.decode("utf-8", "backslashreplace"))

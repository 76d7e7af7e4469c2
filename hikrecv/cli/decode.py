"""`hikrecv decode`: what any body would become."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from hikrecv.errors import HikrecvError
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.words import visible, visible_json
from hikrecv.push import Anomaly, Peer, Push
from hikrecv.sightings.sightings import Sightings

from .options import read_config


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--content-type", metavar="TYPE", help="As the request's header says; guessed when missing.")
@click.option("--config", "config_file", metavar="FILE", envvar="HIKRECV_CONFIG", help="For [devices].")
@click.option("--data", is_flag=True, help="Also the whole document as plain data.")
def command(file: str, content_type: str | None, config_file: str | None, data: bool) -> None:
    """
    Show the events that FILE would become, without a receiver.

    FILE is a body (XML, JSON, multipart), or a whole request when it ends with .http.
    """
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise HikrecvError(f"cannot read {file}: {error.strerror}") from None
    push = _request(raw) if file.endswith(".http") else _body(raw, content_type)
    events = Decoder("decode", read_config(config_file).devices).decode(push, 1)
    for event in Sightings().see(events):
        shown = event.to_dict() | ({"data": event.data()} if data else {})
        click.echo(visible_json(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()))
        for anomaly in event.__dict__.get("_anomalies", ()):
            click.echo(f"odd: {visible(anomaly.name)} {visible(anomaly.detail)}".rstrip(), err=True)


def _body(raw: bytes, content_type: str | None) -> Push:
    headers = ((b"Content-Type", content_type.encode()),) if content_type else ()
    return Push(received=time.time_ns(), peer=_NOBODY, headers=headers, body=raw)


def _request(raw: bytes) -> Push:
    """What our own listener would make of the request *raw*."""
    from hikrecv.config import Limits
    from hikrecv.wire.http1 import Data, End, Head, Reader

    reader = Reader("lenient", Limits())
    reader.feed(raw)
    reader.eof()
    head: Head | None = None
    chunks: list[bytes] = []
    anomalies: tuple[Anomaly, ...] = ()
    while (message := reader.next_event()) is not None:
        if isinstance(message, Head):
            head = message
        elif isinstance(message, Data):
            chunks.append(bytes(message.chunk))
        elif isinstance(message, End):
            anomalies = message.anomalies
            break
        else:
            raise HikrecvError("the file does not hold an HTTP request that can be read")
    if head is None:
        raise HikrecvError("the file does not hold a whole HTTP request")
    return Push(
        received=time.time_ns(),
        peer=_NOBODY,
        method=head.method,
        target=head.target,
        version=head.version,
        headers=head.headers,
        body=b"".join(chunks),
        anomalies=anomalies,
    )


_NOBODY = Peer("127.0.0.1", 0, "none")

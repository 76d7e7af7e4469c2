"""`hikrecv anonymise`: make a capture fit to share."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hikrecv.errors import HikrecvError
from hikrecv.isapi.anonymise import anonymise


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--output", "-o", metavar="FILE", help="Where to write it; standard output when missing.")
def command(file: str, output: str | None) -> None:
    """
    Write FILE without the names, numbers, faces and addresses of real people and places.

    The layout of the bytes stays, so that it can still be used to find a fault.
    """
    try:
        changed = anonymise(Path(file).read_bytes())
        if output is None:
            sys.stdout.buffer.write(changed)
        else:
            Path(output).write_bytes(changed)
    except OSError as error:
        raise HikrecvError(f"cannot use {error.filename}: {error.strerror}") from None

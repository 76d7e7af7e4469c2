"""What the Python peers have in common: an event parsed, and one file that survives a power cut."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
_numbers = itertools.count()


def keep(body: bytes) -> None:
    """Write, sync, rename, sync the folder: what durable means where every event is a file."""
    name = f"{os.getpid()}-{next(_numbers)}"
    unfinished = FOLDER / f"{name}.part"
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, body)
        os.fsync(fd)
    finally:
        os.close(fd)
    unfinished.rename(FOLDER / name)
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def understand(document: bytes) -> object:
    """The document as plain data; None where the sender's spelling is no JSON and no XML."""
    try:
        if document.lstrip()[:1] == b"<":
            return ElementTree.fromstring(document)
        return json.loads(document)
    except (ValueError, ElementTree.ParseError):
        return None


def port() -> int:
    """The port to listen on, from the command line."""
    return int(sys.argv[1])

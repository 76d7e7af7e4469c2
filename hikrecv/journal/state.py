"""The state directory: its format, its files, and whether it is a copy."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import NamedTuple

from ..errors import StateError, StateTooNew
from .segment import segment_name
from .store import Store, contents, replace

FORMAT = 1

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_WORD = re.compile(rf"word ([{_LETTERS}]{{8}})\nplace (\S+)\n")


class Layout(NamedTuple):
    """Where things stand in a state directory."""

    state: Path

    @property
    def format(self) -> Path:
        """One line: which format the directory has.  Written once; a copy is told by it."""
        return self.state / "format"

    @property
    def journal(self) -> Path:
        """The folder of the segments."""
        return self.state / "journal"

    @property
    def word(self) -> Path:
        """The journal's word, and of which directory it is the word."""
        return self.journal / "word"

    @property
    def mark(self) -> Path:
        """How far the journal is on disk, see `mark.py`."""
        return self.journal / "durable"

    @property
    def holds(self) -> Path:
        """What the reactions still need, see `holds.py`."""
        return self.journal / "holds"

    @property
    def quarantine(self) -> Path:
        """The folder for copies of damaged bytes."""
        return self.state / "quarantine"

    @property
    def ballast(self) -> Path:
        """Room that is given back when the disk is full."""
        return self.state / "ballast"

    def segment(self, generation: int) -> Path:
        """The file of a segment."""
        return self.journal / segment_name(generation)


def check_format(store: Store, layout: Layout) -> bool:
    """
    Whether the directory has its format file.  Nothing is touched.

    :raises StateTooNew: when a newer hikrecv wrote it.
    :raises StateError: when it is something else.
    """
    text = contents(store, layout.format)
    if not text:
        return False
    found = re.fullmatch(rb"hikrecv (\d+)\n", text)
    if found is None:
        raise StateError(f"{layout.state} is no state directory of hikrecv: see its file `format`")
    if int(found[1]) > FORMAT:
        raise StateTooNew(
            f"{layout.state} has format {int(found[1])} and this hikrecv knows {FORMAT}: install a newer one"
        )
    return True


def prepare(store: Store, layout: Layout) -> None:
    """Make the directory what a journal needs.  :raises StateError: as :func:`check_format` does."""
    marked = check_format(store, layout)
    for directory in (layout.state, layout.journal, layout.quarantine):
        store.make_directory(directory)
    if not marked:
        replace(store, layout.format, f"hikrecv {FORMAT}\n".encode())


def new_word() -> str:
    """A random word of eight letters: 10^12 of them."""
    return "".join(secrets.choice(_LETTERS) for _ in range(8))


def read_word(store: Store, layout: Layout) -> tuple[str, bool]:
    """The word that was left here, "" if none, and whether this is still the directory it was left in."""
    text = (contents(store, layout.word) or b"").decode("ascii", "replace")
    found = _WORD.fullmatch(text)
    return (found[1], found[2] == _place(store, layout)) if found else ("", False)


def write_word(store: Store, layout: Layout, word: str) -> None:
    """Keep the word, together with what a copy of the directory would not have."""
    replace(store, layout.word, f"word {word}\nplace {_place(store, layout)}\n".encode())


def _place(store: Store, layout: Layout) -> str:
    # Copying, unpacking and copying over give `format` a new number or a new change time, which no tool
    # can set; a tool that leaves it alone, being the same, still replaces the mark, which never is.
    # Moving the directory within its file system changes neither.
    try:
        inode, changed = store.identity(layout.format)
        return f"{inode}-{changed}-{store.identity(layout.mark).inode}"
    except FileNotFoundError:
        return ""

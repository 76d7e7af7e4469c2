"""What the reactions still need of the journal, in a file beside it: there before the first 200."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from xxhash import xxh3_64_hexdigest as digest

from ..errors import HikrecvError, StateTooNew
from .place import Place
from .segment import Segment
from .state import Layout
from .store import Store, contents, replace

# A place is written to the ledger when SQLite has time for it, which may be long after the ports are open.
# Whoever is killed in between must still know where a new reaction begins: at the first push that was
# acknowledged after its configuration was accepted.  So that number is here, synced, before any push can be
# acknowledged; and retention goes by it until the ledger has spoken.  An old file only holds more.

VERSION = 1
_NAME = b"hikrecv holds "

Word = Literal["budget", "always"]


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What one reaction needs of the journal.

    :param seq: the lowest number that it still needs; 0 when nobody knows, then it needs everything.
    :param hold: ``always`` when pushes are refused rather than lost to it, see the common key `hold`.
    :param released: the operator let go of what it waits for, until it has caught up.
    """

    seq: int
    hold: Word = "budget"
    released: bool = False


class Holds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What the file says.

    :param acknowledged: everything up to this number was on disk when it was written.
    """

    acknowledged: int = 0
    reactions: dict[str, Hold] = {}

    def pack(self) -> bytes:
        """The file's bytes: a line with version and checksum, and a line of JSON."""
        text = msgspec.json.encode(self)
        return _NAME + b"%d %s\n" % (VERSION, _sum(VERSION, text)) + text + b"\n"


def unpack(data: bytes) -> Holds | None:
    """
    The contents of a file, or None when it cannot be read.

    :raises StateTooNew: when a newer hikrecv wrote it.
    """
    head, _, text = data.partition(b"\n")
    version, _, known = head.removeprefix(_NAME).partition(b" ")
    if not head.startswith(_NAME) or not version.isdigit() or len(version) > 9 or not text.endswith(b"\n"):
        return None
    text = text.removesuffix(b"\n")
    # The checksum covers the version: a bit that turned there must not look like a newer hikrecv.
    if known != _sum(int(version), text):
        return None
    if int(version) > VERSION:
        raise StateTooNew(
            f"the file journal/holds has version {int(version)} and this hikrecv knows {VERSION}: "
            "install a newer one"
        )
    try:
        return msgspec.json.decode(text, type=Holds)
    except msgspec.MsgspecError:
        return None


def read_holds(store: Store, layout: Layout) -> Holds | None:
    """
    What was written last; empty when nothing ever was, None when it cannot be read.

    :raises StateTooNew: when a newer hikrecv wrote it.
    """
    try:
        data = contents(store, layout.holds)
    except OSError:
        # As unreadable as a damaged one; what else is wrong with the folder the journal says when it opens.
        return None
    return Holds() if data is None else unpack(data)


def write_holds(store: Store, layout: Layout, holds: Holds) -> None:
    """Put *holds* in the place of the file; it is on disk when this returns.  :raises OSError: else."""
    replace(store, layout.holds, holds.pack())


class Named(NamedTuple):
    """A reaction of the configuration: its keys `from` and `hold`."""

    start: str | int = "now"
    hold: Word = "budget"


def accept(
    before: Holds | None,
    named: Mapping[str, Named],
    places: Mapping[str, Place] | None,
    *,
    first: int,
    last: int,
) -> Holds:
    """
    What the reactions of a configuration need when it is accepted.

    A place in the ledger wins, then what the file says, and a new reaction begins where its `from` says.
    Nobody guesses: what neither knows, though it should, needs everything and waits for the operator.  It
    should when the file was never written, as by a hikrecv that knew none, and the ledger is not there.

    :param before: what the file says, None when it cannot be read.
    :param places: what the ledger says, None when it is lost or cannot be read now.
    :param first: the lowest number that is kept.
    :param last: the highest number that was given.
    """
    reactions = {}
    for name, (start, word) in named.items():
        old = before.reactions.get(name) if before is not None else None
        place = places.get(name) if places is not None else None
        if place is not None and place.placed and place.cursor <= last:
            seq = place.cursor + 1
        elif old is not None:
            seq = min(old.seq, last + 1)
        elif before is None or place is not None or (places is None and before == Holds() and last):
            seq = 0
        else:
            seq = beginning(start, first=first, last=last)
        reactions[name] = Hold(seq, word, old is not None and old.released)
    return Holds(last, reactions)


def beginning(to: str | int, *, first: int, last: int) -> int:
    """
    The first number that a reaction gets which goes on from *to*: ``now``, ``beginning`` or a number.

    :raises HikrecvError: when it is none of these.
    """
    if to == "now":
        return last + 1
    if to == "beginning":
        return first
    if isinstance(to, str):
        if not to.isdecimal():
            raise HikrecvError(f'{to!r} is no place in the journal; give a seq, "now" or "beginning"')
        to = int(to)
    # Never above the next: what is still to come would be taken for done.
    return min(max(to, 1), last + 1)


def held_bytes(used: Sequence[Segment], seq: int) -> int:
    """How much of the journal whoever needs *seq* holds back: the sealed segments from there on."""
    return sum(segment.size for segment in used if segment.end and segment.last >= seq)


def _sum(version: int, text: bytes) -> bytes:
    return digest(b"%d %s" % (version, text)).encode()

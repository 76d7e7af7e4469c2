"""Room on the disk for those that cannot wait until there is some: the ledger, and the index."""

from __future__ import annotations

from contextlib import suppress

from .state import Layout
from .store import Store

# The journal takes what it is allowed to take, and preallocates it; on a disk that is smaller than that the
# ledger and the index, which grow a little all the time, would find nothing left, and a reaction that must
# not repeat itself can do nothing without the ledger.  So before the journal grows, a part of the disk is
# theirs: a file that holds the room while others fill the disk, and is removed when they have; and while it
# is not there, so much of what is free is not for the journal.

SHARE = 8
"""Of a small disk it takes no more than this part."""
_LOW = 16


class Ballast:
    """
    The file that holds that room, or what is owed without it.

    :param size: bytes; 0 to do without.
    """

    def __init__(self, store: Store, layout: Layout, size: int) -> None:
        self._store, self._layout, self.size = store, layout, size
        self._given = 0
        if self.laid and self._length() != size:
            self.drop()

    @property
    def laid(self) -> bool:
        """Is the file there?  Others remove it, too, when they find no room."""
        return self._layout.ballast.name in self._store.names(self._layout.state)

    @property
    def owed(self) -> int:
        """How many of the bytes that are free are not for the journal."""
        return 0 if not self.size or self.laid else self.size

    def drop(self) -> None:
        """The disk is full: its room is for whoever needs it now, but for the journal."""
        if self.laid:
            self._store.unlink(self._layout.ballast)

    def lay(self) -> None:
        """Lay it in when there is room for it, and some more."""
        if not self.size or self.laid or self._free() < self.size + 2 * self.size // _LOW:
            return
        with suppress(OSError):  # no room after all: what is owed holds all the same
            self._store.close(self._store.create(self._layout.ballast, self.size))
            self._given = 0

    def look(self) -> None:
        """Lay it in or drop it as the disk has become; called every second or so."""
        if self.laid and self._free() < self.size // _LOW:
            self.drop()
        else:
            self.lay()

    @property
    def wanting(self) -> bool:
        """
        Did others take what was dropped, too?  Then the journal gives what it can spare.

        But once only until there was room again: whoever fills the disk for ever must not get
        all of the journal piece by piece.
        """
        return bool(self.owed) and self._given < self.size and self._free() < self.size // _LOW

    def given(self, size: int) -> None:
        """The journal gave so many bytes of its own."""
        self._given += size

    def _free(self) -> int:
        return self._store.free(self._layout.state)

    def _length(self) -> int:
        fd = self._store.open(self._layout.ballast)
        try:
            return self._store.size(fd)
        finally:
            self._store.close(fd)

"""What the journal holds for the reactions: accepted before the first 200, followed, and written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from .errors import HikrecvError, StateError
from .journal.holds import Hold, Holds, Named, accept, write_holds
from .journal.journal import Journal
from .journal.place import Place
from .journal.retention import Allowance
from .journal.state import Layout
from .journal.store import NO_ROOM, Store

EVERY = 5.0
"""Seconds between two writes of the file, which is only needed after a restart: an old one holds more."""
_log = Logger()


class Held(msgspec.Struct, frozen=True):
    """
    What a reaction holds back of the journal.

    :param bytes: how much; *most* how much it may.
    """

    hold: Hold
    bytes: int
    most: Allowance


class Holding:
    """
    Keeps the journal and its file `holds` informed of what the reactions still need.

    Retention goes by what is here, from the first second on.  What a reaction needs is
    the file's word until it has its place in the ledger, and its cursor from then on.

    :param found: what the file said at the start; None when it could not be read.
    :param in_thread: calls a function where a sync keeps nobody waiting, one after the other.
    :ivar holds: what each reaction needs now.
    """

    def __init__(
        self,
        root: Path,
        journal: Journal,
        found: Holds | None,
        in_thread: Callable[..., Deferred[Any]],
        seconds: Callable[[], float],
        *,
        store: Store | None = None,
    ) -> None:
        self.holds: dict[str, Hold] = {}
        self._layout, self._store = Layout(root), store or Store()
        self._journal, self._in_thread, self._seconds = journal, in_thread, seconds
        self._found = self._written = found
        self._next = self._look_again = float("-inf")
        self._nearly_full = False
        self._writing = False
        self._trouble = ""
        if found is None:
            _log.critical(
                "{path} cannot be read: the journal holds everything until each reaction has its place; "
                "one that waits is told with `hikrecv reactions rewind NAME --to now|SEQ`",
                path=self._layout.holds,
            )

    # -- a configuration is accepted -------------------------------------------

    def begin(self, named: Mapping[str, Named], places: Mapping[str, Place] | None) -> dict[str, int]:
        """
        Write down where the reactions of the first configuration begin; it is on disk when this returns.

        :param places: what the ledger says, None when it is lost.
        :returns: the first number of each that has no place in the ledger; 0 when nobody knows.
        :raises StateError: when it cannot be written.
        """
        first, last = self._journal.first, self._journal.last
        accepted = accept(self._found, named, places, first=first, last=last)
        self._adopt(accepted.reactions)
        # On a full disk that must not keep anybody from starting who has nothing new to say.
        if self._must_know(accepted.reactions):
            self._write_now(accepted)
        return self._begins()

    async def add(self, named: Mapping[str, Named]) -> dict[str, int]:
        """
        The same for a configuration that is loaded again; those that are gone are still held for.

        :raises StateError: when it cannot be written: then the configuration must not take effect.
        """
        before = Holds(0, self.holds)
        first, last = self._journal.first, self._journal.last
        added = accept(before, named, {}, first=first, last=last).reactions
        wanted = Holds(self._journal.durable, self._file_of(self.holds | added))
        new = {name: each for name, each in added.items() if name not in self.holds}
        # At once, so that what is written while this waits for its turn has them, too.
        self._adopt(self.holds | new)
        if self._writing or self._must_know(wanted.reactions):
            try:
                await self._in_thread(self._write_now, wanted)
            except StateError:
                self.only(before.reactions)
                raise
        words = {name: each.hold for name, each in added.items()}
        self._adopt(
            {
                name: msgspec.structs.replace(each, hold=words.get(name, each.hold))
                for name, each in self.holds.items()
            }
        )
        return self._begins()

    def only(self, names: Iterable[str]) -> None:
        """Let go of what all others hold: they are in the configuration no more."""
        names = set(names)
        self._adopt({name: each for name, each in self.holds.items() if name in names})

    # -- and followed ----------------------------------------------------------

    def follow(self, needs: Mapping[str, int], committed: Mapping[str, int]) -> None:
        """
        To be called every second or so, and again when much has moved.

        :param needs: for each reaction that has its place the lowest number that it still needs.
        :param committed: the same as far as the ledger has it on disk: only so much may be in the file.
        """
        self._adopt({name: self._followed(each, needs.get(name)) for name, each in self.holds.items()})
        now = self._seconds()
        if self._writing or now < self._next:
            return
        reactions = self._file_of(self.holds, committed)
        if self._written is None or reactions != self._written.reactions:
            self._next = now + EVERY
            self._writing = True
            holds = Holds(self._journal.durable, reactions)
            self._in_thread(self._write, holds).addCallbacks(
                lambda _: self._told(""), lambda failure: self._told(str(failure.value))
            )

    def release(self, name: str) -> Held:
        """
        Let go of what *name* waits for, until it has caught up; gives what it held.

        :raises HikrecvError: when there is no such reaction.
        """
        if name not in self.holds:
            known = ", ".join(self.holds) or "none"
            raise HikrecvError(f"no reaction {name} holds anything; there are: {known}")
        held = self.held()[name]
        self._adopt(self.holds | {name: msgspec.structs.replace(self.holds[name], released=True)})
        self._next = float("-inf")
        return held

    def held(self) -> dict[str, Held]:
        """How much each reaction holds back, and how much it may.  Asks the disk how much it still gives."""
        journal = self._journal
        words = {each.hold for each in self.holds.values()}
        most = {word: journal.allowance(word) for word in words}
        return {
            name: Held(each, journal.held_bytes(each.seq), most[each.hold])
            for name, each in self.holds.items()
        }

    def nearly_full(self) -> bool:
        """
        Whether a tenth of ``[journal] max`` is left until pushes are refused for a ``hold = "always"``.

        That tenth is for known devices.  To be asked with every push: it is looked at once a second.
        """
        now = self._seconds()
        if now >= self._look_again:
            self._look_again = now + 1
            self._nearly_full = self._reaches_the_end()
        return self._nearly_full

    def _reaches_the_end(self) -> bool:
        if not any(each.hold == "always" and not each.released for each in self.holds.values()):
            return False
        aside = self._journal.status().budget // 10
        return any(
            each.hold.hold == "always" and not each.hold.released and each.bytes + aside >= each.most.bytes
            for each in self.held().values()
        )

    def close(self) -> None:
        """Let go of the files; nothing else may be called after it."""
        self._store.let_go()

    # -- inside ---------------------------------------------------------------

    def _adopt(self, holds: dict[str, Hold]) -> None:
        self.holds = holds
        self._journal.hold(holds)

    def _begins(self) -> dict[str, int]:
        return {name: each.seq for name, each in self.holds.items()}

    def _must_know(self, accepted: Mapping[str, Hold]) -> bool:
        """Would a start go wrong with what the file says now?  That it holds too much is not wrong."""
        if self._written is None:
            return True
        before = self._written.reactions
        return any(name not in before or before[name].hold != each.hold for name, each in accepted.items())

    def _followed(self, hold: Hold, needed: int | None) -> Hold:
        if needed is None:
            return hold
        caught_up = hold.released and not self._journal.held_bytes(needed)
        return Hold(needed, hold.hold, hold.released and not caught_up)

    def _file_of(
        self, holds: Mapping[str, Hold], committed: Mapping[str, int] = MappingProxyType({})
    ) -> dict[str, Hold]:
        """What of *holds* may be in the file: never more than would be known after a crash."""
        written = self._written.reactions if self._written is not None else {}
        return {
            name: msgspec.structs.replace(
                each, seq=min(each.seq, committed.get(name, written.get(name, each).seq))
            )
            for name, each in holds.items()
        }

    def _write_now(self, holds: Holds) -> None:
        try:
            self._write(holds)
        except OSError as error:
            raise StateError(
                f"cannot write {self._layout.holds} ({error.strerror}), which has to say where a new "
                "reaction begins before events are received for it: free some space, or repair the disk"
            ) from error

    def _write(self, holds: Holds) -> None:
        try:
            write_holds(self._store, self._layout, holds)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._store.unlink(self._layout.ballast)
            write_holds(self._store, self._layout, holds)
        self._written = holds

    def _told(self, trouble: str) -> None:
        self._writing = False
        if trouble and trouble != self._trouble:
            _log.warn(
                "{path} cannot be written ({why}): after a restart the journal holds more than it has to",
                path=self._layout.holds,
                why=trouble,
            )
        self._trouble = trouble

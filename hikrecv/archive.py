"""A state directory seen from outside: what commands read, whether a receiver runs or not."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence

from .config import Config
from .errors import Gone, IndexBroken, JournalError, StateError, WrongUse
from .history import Told, read_back
from .isapi.decode import Decoder, Other
from .isapi.event import Episode, Event
from .isapi.multipart import MultipartLimits
from .journal.damages import Damages
from .journal.fact import Fact, moment
from .journal.index import Index
from .journal.reader import JournalReader
from .journal.record import Damaged, Entry
from .journal.row import Row
from .push import Push
from .state import State

UNINDEXED = 1_000
"""How many pushes are looked through for the latest events when there is no index."""


class Archive:
    """
    Reads events of a state directory.  Nothing is created or changed, and only what is durable is seen.

    :param others: the decoders of plugins, as ``[decode]`` names them.
    :param tell: gets a sentence for pushes that are passed over because they are damaged.
    :raises StateError: when there is nothing, or a newer hikrecv wrote it.
    """

    def __init__(
        self,
        state: State,
        config: Config,
        others: Sequence[Other] = (),
        tell: Callable[[str], object] = lambda sentence: print(sentence, file=sys.stderr),
    ) -> None:
        self.state = state
        self.journal = JournalReader(state.root, on_damage=Damages(tell))
        devices = config.devices or state.known_devices()
        limits = MultipartLimits(parts=config.limits.parts)
        self._decoder = Decoder(self.journal.word, devices, others, limits)

    def events(self, start: int, stop: int | None = None) -> Iterator[Told]:
        """
        The sighted events of the pushes from *start* on, in order.

        What is no longer kept is passed over: reading begins with what is.
        """
        first = self.journal.first
        start = max(start, first)
        return read_back(
            self.journal.entries, self._decoder, start, stop, first=first, facts=self._facts(start)
        )

    def follow(self, start: int, pause: Callable[[], None]) -> Iterator[Told]:
        """
        The same, and then whatever becomes durable, without an end.

        :param pause: called when there is nothing new; it decides how often to look.
        """

        def entries(begin: int, stop: int | None) -> Iterator[Entry]:
            if stop is not None:
                yield from self.journal.entries(begin, stop)
                return
            while True:
                last = self.journal.refresh()
                if begin <= last:
                    yield from self.journal.entries(max(begin, self.journal.first), last + 1)
                    begin = last + 1
                else:
                    pause()

        first = self.journal.first
        start = max(start, first)
        return read_back(entries, self._decoder, start, first=first, facts=self._facts(start))

    def latest(self, most: int, without: Collection[str] = ()) -> list[Event]:
        """The last *most* events whose family is not in *without*, oldest first."""
        index = self.index()
        if index is None or index.last_seq < self.journal.last:
            told = self.events(max(self.journal.first, self.journal.last - UNINDEXED))
            kept = (event for _, events in told for event in events if event.family not in without)
            return list(deque(kept, maxlen=most))
        try:
            rows = index.search(without=without, limit=most)
        finally:
            index.close()
        return [event for row in rows for event in self._of(row)]

    def _of(self, row: Row) -> Iterator[Event]:
        """The event of one row of the index: decoded again, sighted as the row says."""
        for entry in self.journal.entries(row.seq, row.seq + 1):
            for event in self._decoder.decode(entry.push, entry.seq):
                if event.n == row.n:
                    episode = row.episode and Episode(
                        id=row.episode,
                        count=row.episode_count,
                        first=moment(row.episode_first or row.received),
                    )
                    yield event.replace(
                        id=row.id,
                        freshness=row.freshness,
                        duplicate_of=row.duplicate_of,
                        episode=episode or None,
                    )

    def push(self, seq: int) -> Push:
        """
        The push *seq* as it came.

        :raises Gone: when it is not kept.
        :raises JournalError: when it is damaged.
        """
        for item in self.journal.items(seq, seq + 1):
            if isinstance(item, Damaged):
                raise JournalError(f"number {seq} is damaged: {item.reason}; see `hikrecv verify`")
            if isinstance(item, Entry):
                return item.push
        raise Gone(
            f"there is no push {seq} in {self.state.root}; "
            f"it keeps {self.journal.first} to {self.journal.last}"
        )

    def index(self) -> Index | None:
        """The index for one look, or None when it cannot be used now; the journal can."""
        try:
            return Index.read(self.state.index)
        except (IndexBroken, StateError):
            return None

    def _facts(self, start: int) -> list[Fact]:
        index = self.index()
        if index is None:
            return []
        try:
            # An index that is behind knows nothing of what is just before.
            return list(index.facts(before=start)) if index.last_seq >= start - 1 else []
        finally:
            index.close()


def parse_id(text: str) -> tuple[int, int | None]:
    """
    A seq, or an event's id, as seq and n.

    :raises WrongUse: for anything else.
    """
    if text.isdigit():
        return int(text), None
    parts = text.rsplit("-", 2)
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return int(parts[1]), int(parts[2])
    raise WrongUse(f"{text!r} is neither a number nor an event's id such as quartz-17-0")

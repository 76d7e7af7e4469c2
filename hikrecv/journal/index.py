"""The index: what people search by, and what sightings need.  Derived; the journal is the truth."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from hikrecv.errors import IndexBroken, StateError
from hikrecv.isapi.catalogue import SILENT
from hikrecv.isapi.event import Event

from .database import Presence, Schema, in_passing, open_to_read, open_to_write, remove, transaction
from .fact import DEVICES, WINDOW, Fact, fact_of, microseconds
from .row import COLUMNS, FACTS, PLACES, Row, bound
from .seen import HOUR, Seen

SCHEMA = Schema.of("index", derived=True)

SLICE = 5_000
"""How many rows go in one transaction when many are deleted: nobody waits longer for the index."""

BATCH = 512
"""How many events are added in one transaction when the index is made again."""

Standing = Literal["current", "behind", "ahead", "foreign"]
Told = tuple[int, Sequence[Event]]

_INSERT = f"INSERT OR REPLACE INTO events ({COLUMNS}) VALUES ({PLACES})"  # noqa: S608, names of ours
_HOURS = "INSERT INTO hours VALUES (?, ?, ?) ON CONFLICT (hour) DO UPDATE SET last = excluded.last"


class Index:
    """
    One row an event, one row a device; for one thread at a time.

    Every method raises `IndexBroken` when the file is damaged: then :meth:`anew` and
    :meth:`rebuild`, nothing is lost.  Any other `StateError` is trouble that can pass,
    such as a full disk: nothing was added, and the same can be added later.  Rows of
    one push are added together, in the order of the journal.

    :ivar last_seq: every push up to here has its rows.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        name: str = ":memory:",
        *,
        presence: Presence | None = None,
    ) -> None:
        self._connection = connection
        self._name, self._presence = name, presence
        self._decode = msgspec.json.Decoder(Seen).decode
        with self._sentence():
            (self.last_seq,) = self._one("SELECT last_seq FROM progress") or (0,)
            self._devices = self._load()

    @classmethod
    def open(cls, path: Path | str) -> Index:
        """
        Open the index at *path* to write, and make it when it is not there; ``":memory:"`` for tests.

        :raises IndexBroken: when it is damaged.
        :raises StateTooNew: when a newer hikrecv made it.
        """
        with _sentence(str(path)):
            # Derived: what a power cut takes is made again, so nothing waits for the disk.
            connection = open_to_write(path, SCHEMA, "NORMAL")
            presence = None if path == ":memory:" else Presence(Path(path))
            return cls(connection, str(path), presence=presence)

    @classmethod
    def read(cls, path: Path) -> Index:
        """
        Open the index at *path* for one look; no file is made or changed.

        :raises StateError: when it is not there, or cannot be read without a change.
        :raises IndexBroken: when it is damaged.
        """
        with _sentence(str(path)):
            return cls(open_to_read(path, SCHEMA), str(path))

    @classmethod
    def anew(cls, path: Path) -> Index:
        """Delete the index at *path*, whatever is wrong with it, and open an empty one."""
        remove(path)
        return cls.open(path)

    def close(self) -> None:
        """Close the file; nothing else may be called after it."""
        self._connection.close()

    def interrupt(self) -> None:
        """End what is being done with it in another thread: there it fails as on a full disk."""
        self._connection.interrupt()

    # -- writing ------------------------------------------------------------

    def standing(self, first: int, last: int, word_of: Callable[[int], str]) -> Standing:
        """
        How the index stands to the journal that keeps *first* to *last*.

        :param word_of: the word of the journal when it kept the push with that seq.
        :returns: ``ahead`` and ``foreign`` mean that it belongs to another journal: :meth:`anew`.
        """
        newest = self._one("SELECT seq, id FROM events ORDER BY seq DESC, n DESC LIMIT 1")
        if self.last_seq > last:
            return "ahead"
        if newest is not None and newest[0] >= first and word_of(newest[0]) != _word(newest[1]):
            return "foreign"
        return "behind" if self.last_seq < last else "current"

    def add(self, events: Sequence[Event], upto: int | None = None) -> None:
        """
        Add the rows of whole pushes, in one transaction; what was added before is passed over.

        :param upto: a seq up to which there are no more events than these.
        :raises IndexBroken: also when the file was removed or replaced: the rows would go with the process.
        """
        new = [event for event in events if event.seq > self.last_seq]
        last = max(self.last_seq, upto or 0, new[-1].seq if new else 0)
        if last == self.last_seq:
            return
        try:
            facts = [fact_of(event) for event in new]
            touched = self._noted(new, facts)
            with self._sentence(), transaction(self._connection):
                self._connection.executemany(_INSERT, map(bound, new, facts))
                self._connection.executemany(_HOURS, _hours(facts))
                self._store(touched)
                self._connection.execute("UPDATE progress SET last_seq = ?", (last,))
            if self._presence is not None and (missing := self._presence.missing()):
                raise IndexBroken(f"{missing}; it is made again from the journal")
        except BaseException:
            # The counts in memory ran ahead of the rows.
            self._devices = {}
            with contextlib.suppress(StateError):
                self._devices = self._load()
            raise
        self.last_seq = last

    def rebuild(
        self,
        story: Iterable[Told],
        *,
        progress: Callable[[int], object] = lambda seq: None,
        batch: int = BATCH,
    ) -> None:
        """
        Add all of *story* (`hikrecv.history.read_back`, from `last_seq` + 1 on) in batches.

        It may be broken off after any batch and goes on from `last_seq` the next time.

        :param progress: called with the seq after each batch.
        """
        waiting: list[Event] = []
        seq = self.last_seq
        for seq, events in story:
            waiting += events
            if len(waiting) >= batch:
                self.add(waiting, seq)
                waiting.clear()
                progress(seq)
        self.add(waiting, seq)
        progress(seq)

    def prune(self, first: int) -> int:
        """Forget the rows of pushes before *first*, which the journal keeps no more; how many there were."""
        pruned = 0
        while True:
            with self._sentence(), transaction(self._connection):
                gone = self._connection.execute(
                    "DELETE FROM events WHERE (seq, n) IN"
                    " (SELECT seq, n FROM events WHERE seq < ? ORDER BY seq, n LIMIT ?)",
                    (first, SLICE),
                ).rowcount
            pruned += gone
            if gone < SLICE:
                break
        with self._sentence():
            self._connection.execute("DELETE FROM hours WHERE last < ?", (first,))
        return pruned

    # -- reading ------------------------------------------------------------

    def search(
        self,
        *,
        since: int | datetime | None = None,
        until: int | datetime | None = None,
        device: str | None = None,
        families: Collection[str] = (),
        without: Collection[str] = (),
        text: str | None = None,
        limit: int = 50,
        newest: bool = True,
    ) -> list[Row]:
        """
        The rows that fit everything asked for, oldest first.

        :param since: a seq or a moment of receipt; both bounds are inclusive.
        :param device: its id, or the id of a recorder for all that comes through it.
        :param families: only these; *without*: not these.
        :param text: what stands anywhere in the words of the event, in any case.
        :param limit: how many at most; of more than so many the *newest* or the oldest.
        """
        order = "DESC" if newest else "ASC"
        conditions = list(_conditions(since, until, device, families, without, text))
        where = " AND ".join(condition for condition, _ in conditions) or "1"
        values = [value for _, values in conditions for value in values]
        found = self._all(
            f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY seq {order}, n {order} LIMIT ?",  # noqa: S608, words of ours
            (*values, limit),
        )
        return [Row._make(row) for row in (reversed(found) if newest else found)]

    def facts(self, most: int = WINDOW, before: int | None = None) -> Iterator[Fact]:
        """
        What `Sightings.restore` takes: the latest *most* facts, and the last of every device before them.

        One at a time: all of them at once are 10 MB, of which little would be given back.

        :param before: as it was before the push with this seq; None: now.
        """
        bound = self.last_seq + 1 if before is None else before
        place = "SELECT seq, n FROM events WHERE seq < ? ORDER BY seq DESC, n DESC LIMIT 1 OFFSET ?"
        begin = next(iter(self._all(place, (bound, most - 1))), (0, 0))
        window = "FROM events WHERE seq < ? AND (seq, n) >= (?, ?)"
        heard = {device for (device,) in self._all(f"SELECT DISTINCT device {window}", (bound, *begin))}
        earlier = [
            row
            for device in self._devices
            if device not in heard
            for row in self._all(
                f"SELECT {FACTS} FROM events WHERE device = ? AND (seq, n) < (?, ?)"  # noqa: S608, names of ours
                " ORDER BY seq DESC, n DESC LIMIT 1",
                (device, *begin),
            )
        ]
        yield from (Fact(*row) for row in sorted(earlier, key=_place))
        with self._sentence():
            for row in self._connection.execute(f"SELECT {FACTS} {window} ORDER BY seq, n", (bound, *begin)):
                yield Fact(*row)

    def devices(self) -> list[Seen]:
        """What is known of each device, by id."""
        return [self._devices[device] for device in sorted(self._devices)]

    # -- inside -------------------------------------------------------------

    def _noted(self, events: Sequence[Event], facts: Sequence[Fact]) -> set[str]:
        """Count *events* for their devices; which devices that were."""
        touched = set()
        for event, fact in zip(events, facts, strict=True):
            if event.type == SILENT:
                continue  # said by the receiver about a device; no sign of life of the device
            # Popped and put back: the device that was silent the longest stands first.
            seen = self._devices.pop(fact.device, None) or Seen(
                device=fact.device, first_received=fact.received, last_received=fact.received
            )
            seen.note(event, fact)
            self._devices[fact.device] = seen
            touched.add(fact.device)
        return touched

    def _store(self, touched: set[str]) -> None:
        forgotten = list(self._devices)[: max(len(self._devices) - DEVICES, 0)]
        for device in forgotten:
            del self._devices[device]
            self._connection.execute("DELETE FROM devices WHERE device = ?", (device,))
        self._connection.executemany(
            "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
            [
                (seen.device, seen.last_seq, seen.last_n, msgspec.json.encode(seen).decode())
                for seen in map(self._devices.get, touched)
                if seen is not None
            ],
        )

    def _load(self) -> dict[str, Seen]:
        rows = self._all("SELECT device, seen FROM devices ORDER BY last_seq, last_n")
        return {device: self._decode(seen) for device, seen in rows}

    def _one(self, sql: str) -> tuple[Any, ...] | None:
        return next(iter(self._all(sql)), None)

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._sentence():
            return self._connection.execute(sql, values).fetchall()

    def _sentence(self) -> contextlib.AbstractContextManager[None]:
        return _sentence(self._name)


@contextlib.contextmanager
def _sentence(name: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
        if isinstance(error, sqlite3.Error) and in_passing(error):
            raise StateError(f"the index {name} cannot be used now: {error}") from error
        raise IndexBroken(
            f"the index {name} is damaged ({error}); it is made again from the journal"
        ) from error


def _conditions(
    since: int | datetime | None,
    until: int | datetime | None,
    device: str | None,
    families: Collection[str],
    without: Collection[str],
    text: str | None,
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    # A moment is first turned into a seq: then the rows come in the order of the journal and need no sorting.
    if isinstance(since, datetime):
        moment = microseconds(since)
        begin = "seq >= (SELECT min(first) FROM hours WHERE hour >= ?) AND received >= ?"
        yield begin, (moment // HOUR, moment)
    elif since is not None:
        yield "seq >= ?", (since,)
    if isinstance(until, datetime):
        moment = microseconds(until)
        end = "seq <= (SELECT max(last) FROM hours WHERE hour <= ?) AND received <= ?"
        yield end, (moment // HOUR, moment)
    elif until is not None:
        yield "seq <= ?", (until,)
    if device is not None:
        # '0' comes after '/': all ids that begin with the recorder's and a slash.
        yield "(device = ? OR device >= ? AND device < ?)", (device, f"{device}/", f"{device}0")
    if families:
        yield f"family IN ({', '.join('?' * len(families))})", tuple(families)
    if without:
        yield f"+family NOT IN ({', '.join('?' * len(without))})", tuple(without)
    if text:
        literal = "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in text.casefold())
        yield "words LIKE ? ESCAPE '\\'", (f"%{literal}%",)


def _hours(facts: Sequence[Fact]) -> Iterator[tuple[int, int, int]]:
    """(hour, first seq, last seq); most batches lie within one hour."""
    hours: dict[int, tuple[int, int]] = {}
    for fact in facts:
        hour = fact.received // HOUR
        hours[hour] = hours.get(hour, (fact.seq, 0))[0], fact.seq
    return ((hour, first, last) for hour, (first, last) in hours.items())


def _place(row: tuple[Any, ...]) -> tuple[int, int]:
    return row[0], row[1]


def _word(identifier: str) -> str:
    return identifier.partition("-")[0]

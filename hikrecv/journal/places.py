"""The places of the reactions: which reaction has done what."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import msgspec

from .place import Place, Try
from .writer import Writer

_COLUMNS = (
    "reaction, cursor, placed, paused, suspended, removed_at,"
    " last_success, last_error, last_error_at, done, tries"
)
_INSERT = f"INSERT OR REPLACE INTO places ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_done = msgspec.json.Decoder(frozenset[tuple[int, int]]).decode
_tries = msgspec.json.Decoder(tuple[Try, ...]).decode
_json = msgspec.json.Encoder().encode


class Places(Writer):
    """The part of the ledger that says where each reaction goes on.  An unknown name is a KeyError."""

    def __init__(self, connection: sqlite3.Connection, name: str, **more: Any) -> None:
        super().__init__(connection, name, **more)
        rows = self._all(f"SELECT {_COLUMNS} FROM places")  # noqa: S608, names of ours
        self._places = {row[0]: _place(row) for row in rows}

    def places(self) -> dict[str, Place]:
        """Every reaction's place, those of removed ones too."""
        return dict(self._places)

    def add(self, name: str, cursor: int) -> None:
        """Give a new reaction its place; what is above *cursor* is for it.  One that has a place keeps it."""
        if name not in self._places:
            self._now(name, Place(cursor=cursor))

    def forget(self, name: str) -> None:
        """Forget the reaction's place, cooldowns and dead letters; its marks stay, they protect the world."""
        with self._writing():
            for table in ("places", "cooldowns", "dead_letters"):
                self._run(f"DELETE FROM {table} WHERE reaction = ?", name)  # noqa: S608, names of ours
        self._places.pop(name, None)

    def rewind(self, name: str, cursor: int) -> None:
        """Go on above *cursor*, forwards or backwards; also what gives an unplaced reaction its place."""
        old = self._places.get(name, Place(cursor=cursor))
        self._now(name, msgspec.structs.replace(old, cursor=cursor, placed=True, done=frozenset(), tries=()))

    def pause(self, name: str, paused: bool) -> None:
        """Keep it from running, or let it run again."""
        self._now(name, msgspec.structs.replace(self._places[name], paused=paused))

    def removed(self, name: str, at: float) -> None:
        """It stands in the configuration no more: keep its place for a week, hold nothing for it."""
        if self._places[name].removed_at is None:
            self._now(name, msgspec.structs.replace(self._places[name], removed_at=at))

    def returned(self, name: str) -> None:
        """It is in the configuration again and goes on where it was."""
        if self._places[name].removed_at is not None:
            self._now(name, msgspec.structs.replace(self._places[name], removed_at=None))

    def displaced(self, last: int) -> tuple[str, ...]:
        """
        Take their place from all whose cursor is beyond the journal's *last* seq; who that was.

        Such a ledger belongs to another journal: going on would skip what comes next.
        """
        beyond = [name for name, place in self._places.items() if place.placed and place.cursor > last]
        for name in beyond:
            self._now(name, msgspec.structs.replace(self._places[name], placed=False))
        return tuple(beyond)

    def done(self, name: str, seq: int, n: int, at: float | None = None) -> None:
        """One event above the cursor is done.  Grouped.  The courier bounds how many there are."""
        self._later(name, self._places[name].finished(seq, n, at))

    def advance(self, name: str, cursor: int, at: float | None = None, handed: int = 0) -> None:
        """Everything up to *cursor* is done, *handed* events of it since the last time.  Grouped."""
        self._later(name, self._places[name].advanced(cursor, at), handed)

    def failed(self, name: str, seq: int, n: int, attempts: int, error: str, at: float | None = None) -> None:
        """An attempt of this event failed, and there may be more.  Grouped."""
        self._later(name, self._places[name].tried(Try(seq, n, attempts, error, at)))

    def _later(self, name: str, place: Place, weight: int = 1) -> None:
        self._places[name] = place
        self._group(_INSERT, name, row=partial(_row, name, place), weight=max(weight, 1))

    def _now(self, name: str, place: Place) -> None:
        place_before, row_before = self._places.get(name), self._grouped.get((_INSERT, name))
        try:
            self._later(name, place)
            self.commit()
        except BaseException:
            # Whoever asked was told that it failed, so it must not happen a second later.
            _put_back(self._places, name, place_before)
            _put_back(self._grouped, (_INSERT, name), row_before)
            raise


def _put_back(table: dict[Any, Any], key: Any, value: Any) -> None:
    table.pop(key, None)
    if value is not None:
        table[key] = value


def _row(name: str, place: Place) -> tuple[Any, ...]:
    return (
        name,
        place.cursor,
        place.placed,
        place.paused,
        None,  # "suspended", of a time when a reaction could be kept from running for ever
        place.removed_at,
        place.last_success,
        place.last_error,
        place.last_error_at,
        _json(place.done).decode(),
        _json(place.tries).decode(),
    )


def _place(row: tuple[Any, ...]) -> Place:
    return Place(
        cursor=row[1],
        placed=bool(row[2]),
        paused=bool(row[3]),
        removed_at=row[5],
        last_success=row[6],
        last_error=row[7],
        last_error_at=row[8],
        done=_done(row[9]),
        tries=_tries(row[10]),
    )

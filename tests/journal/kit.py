"""What the tests of the journal share: opening one without a thread, feeding it, and looking at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hikrecv.config import Bytes, JournalTable, Seconds
from hikrecv.journal.holds import Hold
from hikrecv.journal.journal import Appended, Journal
from hikrecv.journal.record import Damaged, Entry
from hikrecv.journal.store import Store
from hikrecv.push import Anomaly, Peer, Push

STATE = Path("/state")
SEGMENT = 32_768
NOW = 1_700_000_000.0


def table(segment: int = SEGMENT, most: int = 8 * SEGMENT, keep: float = 1000.0, **more: Any) -> JournalTable:
    more.setdefault("ballast", Bytes(0))
    return JournalTable(segment=Bytes(segment), max=Bytes(most), keep=Seconds(keep), **more)


def push(body: bytes = b"", *, at: float = NOW, **more: Any) -> Push:
    fields: dict[str, Any] = {
        "peer": Peer("10.0.0.9", 4711, "token"),
        "target": b"/-/gate?x=1",
        "headers": ((b"Content-Type", b"application/json"), (b"X-Odd", b"\xff")),
        "anomalies": (Anomaly("truncated", "at byte 7"),),
    }
    return Push(received=int(at * 1e9), body=body, **{**fields, **more})


class Desk:
    """
    A journal without a thread, and what became of what was given to it.

    :ivar acknowledged: the bodies by number, as soon as they were said to be on disk.
    :ivar refused: the error by number.
    :ivar given: all bodies by number.
    """

    def __init__(self, store: Store, settings: JournalTable | None = None, **more: Any) -> None:
        self.wall, self.monotonic = NOW, 0.0
        self.broken: list[Exception] = []
        self.acknowledged: dict[int, bytes] = {}
        self.refused: dict[int, BaseException] = {}
        self.given: dict[int, bytes] = {}
        self.store = store
        self.journal = Journal.open(
            STATE,
            settings or table(),
            from_thread=lambda function, *args: function(*args),
            on_broken=self.broken.append,
            wall=lambda: self.wall,
            monotonic=lambda: self.monotonic,
            threaded=False,
            store=store,
            **more,
        )

    def append(self, *bodies: bytes) -> list[int]:
        """Give these, without having them written yet."""
        return [self._watch(self.journal.append(push(body, at=self.wall)), body) for body in bodies]

    def keep(self, *bodies: bytes) -> list[int]:
        """Give these as one group, and have it written."""
        numbers = self.append(*bodies)
        self.journal.commit()
        return numbers

    def retain(self, holds: dict[str, int | Hold] | None = None, *, after: float = 0.0) -> Any:
        """A round of retention, *after* so many seconds; a number is a hold within the budget."""
        if after > 60.0:
            # The rounds between tell how old the numbers are; one stands for all.
            self.wall, self.monotonic = self.wall + 60.0, self.monotonic + 60.0
            self.journal.steady.note(self.journal.durable, 60.0)
            after -= 60.0
        self.wall, self.monotonic = self.wall + after, self.monotonic + after
        results: list[Any] = []
        self.journal.retain(held(holds or {})).addCallback(results.append)
        self.journal.commit()
        return results[0] if results else None

    def read(self, start: int | None = None) -> dict[int, bytes]:
        """The bodies of all that is on disk; nothing of it may be damaged."""
        return bodies(self.journal, start)

    def _watch(self, appended: Appended, body: bytes) -> int:
        seq, durable = appended
        self.given[seq] = body
        durable.addCallbacks(
            lambda _: self.acknowledged.setdefault(seq, body),
            lambda failure: self.refused.setdefault(seq, failure.value),
        )
        return seq


def held(needs: dict[str, int | Hold]) -> dict[str, Hold]:
    return {name: Hold(each) if isinstance(each, int) else each for name, each in needs.items()}


def bodies(source: Any, start: int | None = None) -> dict[int, bytes]:
    damages: list[Damaged] = []
    found = source.entries(source.first if start is None else start, damage=damages.append)
    read = {entry.seq: entry.push.body for entry in found if isinstance(entry, Entry)}
    assert not damages
    assert list(read) == sorted(read)
    return read


def damages(source: Any) -> list[Damaged]:
    return [item for item in source.items(source.first) if isinstance(item, Damaged)]

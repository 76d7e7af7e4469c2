"""The journal as a story: its pushes decoded and sighted, in order, now or again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from .errors import Gone
from .isapi.event import Event
from .journal.fact import WINDOW, Fact
from .push import Push
from .sightings.sightings import Sightings

Told = tuple[int, tuple[Event, ...]]
"""A seq, and the sighted events of its push."""


class Decodes(Protocol):
    """What makes events of a push (`hikrecv.isapi.decode.Decoder`)."""

    def decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        """The events of *push*; never raises."""


class Record(Protocol):
    """What the journal gives when it is read (`hikrecv.journal.journal.Entry`)."""

    @property
    def seq(self) -> int:
        """Its place in the journal."""

    @property
    def push(self) -> Push:
        """The request as it came."""

    @property
    def word(self) -> str:
        """The journal's word when it was kept."""


Entries = Callable[[int, int | None], Iterable[Record]]
"""Reads the journal from a seq on, to another; raises `Gone` for what is not kept any more."""


class Interpreter:
    """
    A decoder and the memory of what came before, fed in journal order.

    The live path decodes while the writer syncs and calls :meth:`see` when the push
    is durable; whoever reads back calls :meth:`read`.
    """

    def __init__(self, decoder: Decodes, sightings: Sightings | None = None) -> None:
        self._sightings = sightings or Sightings()
        self.decode = decoder.decode
        self.see = self._sightings.see
        self.restore = self._sightings.restore
        self.forget_clock = self._sightings.forget_clock
        self.our_clock_was_set = self._sightings.our_clock_was_set

    def read(self, record: Record) -> tuple[Event, ...]:
        """The sighted events of *record*, under the ids that they were given when it was kept."""
        events = self.decode(record.push, record.seq)
        return self.see([_named(event, record.word) for event in events])


def read_back(
    entries: Entries,
    decoder: Decodes,
    start: int,
    stop: int | None = None,
    *,
    first: int,
    facts: Iterable[Fact] = (),
    window: int = WINDOW,
) -> Iterator[Told]:
    """
    The sighted events of the pushes from *start* on, in order.

    Memory is warmed before the first is given: by *facts*, which is quick and leaves
    what the live path had, and by decoding whatever of the *window* pushes before
    *start* they do not reach.  Decoding alone cannot know what is older: an alarm that
    has lasted longer gets a later first event, and a clock that was not heard in that
    time is unknown.

    One iterator reads on cheaply; opening one for every handful of events does not.

    :param stop: handed to *entries*; None reads to the end.
    :param first: the oldest seq that the journal keeps.
    :param facts: of events before *start*, in order: ``Index.facts(before=start)``.
    :raises Gone: when *start*, or anything after it, is not kept any more.
    """
    interpreter = Interpreter(decoder, Sightings(window))
    known = 0
    for fact in facts:
        interpreter.restore((fact,))
        known = fact.seq
    _warm(interpreter, entries, max(first, start - window, known + 1), start)
    for record in entries(start, stop):
        yield record.seq, interpreter.read(record)


def _named(event: Event, word: str) -> Event:
    identifier = f"{word}-{event.seq}-{event.n}"
    return event if event.id == identifier else event.replace(id=identifier)


def _warm(interpreter: Interpreter, entries: Entries, begin: int, start: int) -> None:
    """Read what is before *start*; retention may be quicker, then less is known."""
    if begin >= start:
        return
    try:
        for record in entries(begin, start):
            if record.seq >= start:
                return
            interpreter.read(record)
    except Gone:
        return

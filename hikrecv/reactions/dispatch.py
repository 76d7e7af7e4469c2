"""What operators ask of the reactions of a running receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial

from hikrecv.errors import HikrecvError, LedgerError
from hikrecv.journal.ledger import DeadLetter

from .courier import Courier
from .couriers import LOST, STOP, Couriers
from .replay import Line, Replay


class Dispatch(Couriers):
    """
    The reactions of a receiver at work, and everything that can be asked of them.

    Whatever cannot be done is a `HikrecvError`, one sentence for who asked.
    """

    async def pause(self, name: str) -> None:
        """Hand *name* nothing more until it is resumed."""
        courier = await self._running(name)
        courier.pause()
        if courier.reaction.carries:
            await self._run(self.ledger.pause, name, True)

    async def resume(self, name: str) -> None:
        """Let *name* go on, paused or throttled, and without waiting for a back-off."""
        courier = await self._running(name)
        courier.resume()
        if courier.reaction.carries:
            await self._run(self.ledger.pause, name, False)

    async def rewind(self, name: str, to: str | int) -> int:
        """
        Let *name* go on with the event *to*: a seq, ``"now"`` or ``"beginning"``.

        :returns: the cursor: what is above it is handed over.
        """
        self._known(name)
        if not self._reactions[name].carries:
            raise HikrecvError(f"{name} takes no events, so it has no place")
        cursor = self._cursor(to)
        return await self._one_by_one.run(self._rewind, name, cursor)

    async def forget(self, name: str) -> None:
        """Forget the place and the dead letters of a reaction that is not in the configuration."""
        if name in self._reactions:
            raise HikrecvError(
                f"{name} is in the configuration; take it out first, or rewind it with "
                f"`hikrecv reactions rewind {name} --to now`"
            )
        if self.ledger is None or name not in await self._run(self.ledger.places):
            raise HikrecvError(f"nothing is known of a reaction {name}")
        await self._run(self.ledger.forget, name)

    async def replay(
        self, name: str, start: int, stop: int | None = None, *, dry_run: bool = False, act: bool = False
    ) -> AsyncIterator[Line]:
        """
        Hand the events from *start* to *stop* to *name* once more, flagged as replayed.

        :param dry_run: say what would be done, and do nothing.
        :param act: also when it acts or must not repeat itself.
        :raises HikrecvError: when it is not allowed, or *name* cannot be called now.
        """
        replay = Replay(await self._running(name), self._feed, self._clock, dry_run=dry_run, act=act)
        async for line in replay.over(start, self._feed.last if stop is None else stop):
            yield line

    async def dead_letters(self, name: str | None = None) -> Sequence[DeadLetter]:
        """What was given up, oldest first; of one reaction or of all."""
        if self.ledger is None:
            raise LedgerError(LOST)
        letters: Sequence[DeadLetter] = await self._run(self.ledger.dead_letters, name)
        return letters

    async def drop_dead(self, letters: Iterable[int]) -> int:
        """Throw dead letters away; how many of them there were."""
        if self.ledger is None:
            raise LedgerError(LOST)
        dropped: int = await self._run(self.ledger.drop, *letters)
        await self._count_dead()
        return dropped

    async def retry_dead(self, letter: int, *, act: bool = False) -> Line:
        """
        Hand a dead letter over once more; when that is done it is a dead letter no more.

        :param act: also when the reaction acts or must not repeat itself.
        """
        found = next((each for each in await self.dead_letters() if each.id == letter), None)
        if found is None:
            raise HikrecvError(f"there is no dead letter {letter}")
        courier = await self._running(found.reaction)
        replay = Replay(courier, self._feed, self._clock, act=act)
        line = await replay.letter(found)
        if line.end == "done":
            await self._run(self.ledger.drop, letter)
            await self._count_dead()
        return line

    async def forget_clock(self, device: str) -> bool:
        """Learn the clock of *device* anew; was anything known of it?"""
        if self.ledger is None:
            raise LedgerError(LOST)
        return await self.ages.forget(device, partial(self._run, self.ledger.keep_clocks))

    # -- inside ---------------------------------------------------------------

    async def _rewind(self, name: str, cursor: int) -> int:
        await self._stop_all([name] if name in self._couriers else [], STOP)
        if self.ledger is None:
            if self._anew is None or self._reopen is not None:
                raise LedgerError(self._ledger_error)
            carrying = [name for name, reaction in self._reactions.items() if reaction.carries]
            self.ledger = await self._run(self._anew, carrying)
            self._ledger_error = LOST
            self._unplaced.update(dict.fromkeys(carrying, LOST))
            self.ages.trusted.none_is_kept()
        try:
            await self._run(self.ledger.rewind, name, cursor)
        except LedgerError as error:
            # Nothing has changed: it goes on where it was as soon as the ledger can be used.
            self._wait(name, None, self._feed.last, error)
            raise
        await self._begin(name, None, self._feed.last)
        self._held.pop(name, None)
        return cursor

    def _known(self, name: str) -> None:
        if name not in self._reactions:
            known = ", ".join(self._reactions) or "none"
            raise HikrecvError(f"there is no reaction {name}; there are: {known}")

    async def _running(self, name: str) -> Courier:
        self._known(name)
        # What was started or changed a moment ago gets its place first.
        await self._one_by_one.run(lambda: None)
        courier = self._couriers.get(name)
        if courier is None:
            raise HikrecvError(f"{name} does not run: {self._unplaced.get(name) or 'it is being exchanged'}")
        return courier

"""What a running receiver does for commands, by the names that they use on the control socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from .journal.index import Index
from .reactions.early import PluginDecoder

if TYPE_CHECKING:
    from .service import ReceiverService


class Commands:
    """The table of commands of one receiver."""

    def __init__(self, service: ReceiverService) -> None:
        self._service = service

    def table(self) -> dict[str, Callable[..., Any]]:
        """Name to function; each gives plain data, something to await, or a stream."""
        return {
            "status": self.status,
            "turned_away": lambda: msgspec.to_builtins(self._service.watch.turned_away()),
            "reactions": self.reactions,
            "reactions.pause": lambda name: self._service.dispatch.pause(name),
            "reactions.resume": lambda name: self._service.dispatch.resume(name),
            "reactions.rewind": lambda name, to: self._service.dispatch.rewind(name, to),
            "reactions.release": self.release,
            "reactions.forget": lambda name: self._service.dispatch.forget(name),
            "devices.forget_clock": lambda name: self._service.forget_clock(name),
            "dead_letters.retry": self.retry,
            "dead_letters.drop": self.drop,
            "replay": self.replay,
            "reindex": self.reindex,
            "reload": self._service.reload,
        }

    def status(self) -> dict[str, Any]:
        """Where it listens, the journal in numbers, and how far the index is behind."""
        service = self._service
        return {
            "listening": service.listeners.addresses(),
            "metrics": service.monitor.address,
            "journal": msgspec.to_builtins(service.storage.journal.status(), enc_hook=int),
            "index_behind": service.indexer.behind,
        }

    def reactions(self) -> list[Any]:
        """Where each reaction stands, and what it holds back of the journal; enrichers and decoders too."""
        service = self._service
        decoders = (each.status() for each in service.parts.decoders if isinstance(each, PluginDecoder))
        rows = (*service.reactions(), *service.feed.enrichment.status(), *decoders)
        return [msgspec.to_builtins(row) for row in rows]

    def release(self, name: str) -> int:
        """Let go of what a reaction waits for, until it has caught up; how many bytes that is."""
        return self._service.storage.holding.release(name).bytes

    async def retry(self, letter: int, act: bool = False) -> Any:
        """Hand a dead letter over once more; what became of it."""
        return msgspec.to_builtins(await self._service.dispatch.retry_dead(letter, act=act))

    async def drop(self, letters: list[int]) -> int:
        """Throw dead letters away; how many there were."""
        return await self._service.dispatch.drop_dead(letters)

    async def replay(
        self, name: str, start: int, stop: int | None = None, dry_run: bool = False, act: bool = False
    ) -> AsyncIterator[Any]:
        """Hand history to one reaction; a line for each event."""
        async for line in self._service.dispatch.replay(name, start, stop, dry_run=dry_run, act=act):
            yield msgspec.to_builtins(line)

    async def reindex(self) -> AsyncIterator[tuple[int, int]]:
        """Make the index again in the background; yields how many pushes of how many have their rows."""
        indexer, journal = self._service.indexer, self._service.storage.journal
        indexer.again()
        first = journal.first
        while indexer.behind:
            yield await indexer.ask(lambda index: _done(index, first)), journal.durable - first + 1
            await self._service.pause(0.2)
        total = journal.durable - first + 1
        yield total, total


def _done(index: Index, first: int) -> int:
    return int(max(index.last_seq - first + 1, 0))

"""The receiver as a Twisted service: the only place where everything meets."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from . import config as configuration
from . import logs
from .asking import AskClocks, answering
from .assembly import Parts, Tools, check, with_ports
from .clock import NO_CLOCK, ClockWatch, learned, trusted_clocks
from .commands import Commands
from .config import Config
from .control import ControlSocket
from .deadline import STOP
from .errors import ConfigError, HikrecvError, JournalBroken, StateError
from .greeting import Greeting
from .history import Interpreter
from .holding import Held
from .isapi.decode import Decoder
from .isapi.event import Event
from .isapi.multipart import MultipartLimits
from .isapi.whole import judging
from .journal.lock import Lock
from .metrics import Metrics
from .monitor import Monitor
from .ownership import give_all
from .push import Answer, Push
from .reactions.age import Ages
from .reactions.calls import Calls, Workplace
from .reactions.dispatch import Dispatch
from .reactions.enrich import Enrichment
from .reactions.feed import Feed
from .reactions.isolate import isolation
from .reactions.reaction import Reaction
from .reactions.remote_check import RemoteCheck
from .reactions.slices import branch
from .reactions.status import TROUBLED, Status
from .reactions.watchdog import Slot
from .receiver import Receiver
from .senders import bound_devices
from .sharing import SharesFile
from .silence import Awaited, Silence
from .slices import Sliced, Turns
from .state import State
from .storage import Storage, named
from .systemd import ServiceManager
from .upkeep import Upkeep
from .wire import listen
from .wire.watch import Tally

BROKEN = 4
"""The exit code after a write or a sync of the journal failed: the disk wants looking at."""
DRAIN = 7.0
"""Seconds that the reactions' running calls get when the receiver stops; requests under way get five."""
CLOSE = 2.0
"""Seconds for each step of closing files and ports that has no bound of its own; see also `deadline.STOP`."""
_log = Logger()


class ReceiverService(Service):
    """
    One receiver, from its ports to its reactions.

    Ports are bound in `privilegedStartService` (as root, under twistd); everything
    else, files and threads, begins in `startService`, as the user that remains.

    :param parts: the checked configuration.
    :param path: the file that it was read from, for a reload; None without one.
    :param ports: what was listened to instead of what the file says, also after a reload.
    :param on_broken: called with an exit code when the receiver must not go on.
    :param on_stopping: called when it begins to stop, by whatever reason.
    :ivar stopping: what it waits for when it stops, in words.
    :param manager: who is told when it is ready, reloads and stops; None for nobody.
    """

    def __init__(
        self,
        parts: Parts,
        tools: Tools,
        state: State,
        reactor: Any,
        *,
        path: Path | None = None,
        ports: Sequence[str] = (),
        on_broken: Callable[[int], object] = lambda code: None,
        on_stopping: Callable[[], object] = lambda: None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._manager = manager or ServiceManager(reactor)
        self.parts, self.tools, self.state = parts, tools, state
        self.metrics, self.watch = Metrics(), Tally()
        self.monitor = Monitor(self)
        self.reactor, self._path, self._on_broken = reactor, path, on_broken
        self._on_stopping, self.stopping = on_stopping, "the reactor, which is blocked"
        self._began_with = parts.config
        self._ports = ports
        self._multipart = MultipartLimits(parts=parts.config.limits.parts)
        self._lock = Lock(state.root)
        self._turns = Turns(partial(reactor.callLater, 0))
        self._receive: Callable[[Push], Deferred[Answer]] | None = None
        self.listeners = listen.from_config(
            parts.config,
            self._forward,
            reactor,
            watch=self.watch,
            complete=self._is_whole,
        )
        self._control = ControlSocket(state.control, Commands(self).table(), reactor)
        self._fatal = False
        self._reloading = DeferredLock()

    def _forward(self, push: Push) -> Deferred[Answer]:
        # A port may be bound before the journal is open; nothing is read from it before.
        if self._receive is None:
            raise RuntimeError("a push came before the receiver had started")
        return self._receive(push)

    def _is_whole(self, push: Push) -> bool | Deferred[bool]:
        return Sliced(partial(judging, push), self._turns).run()

    # -- life ---------------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Bind the ports, unless that was done.  :raises ListenError: when one cannot be bound."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        listen.raise_file_limit()
        self.listeners.privilegedStartService()
        self.monitor.start()

    def startService(self) -> None:
        """Open everything and begin.  :raises StateError: when the state directory cannot be used."""
        super().startService()  # type: ignore[no-untyped-call]
        self._lock.acquire()
        self.storage = Storage(self.state, self.parts.config, self.reactor, self._broken)
        self.storage.start()
        self._remember_devices(self.parts.config)
        self.tools.read = self.storage.read
        self._open(self.parts)
        self.listeners.startService()
        self._control.open()
        endpoints = [each.endpoint for each in self.listeners.listeners]
        self.greeting.start(endpoints, self.listeners.addresses())
        self._catch(("SIGHUP",), self._on_hangup)
        self._tell_ready()

    def _tell_ready(self) -> None:
        addresses = ", ".join(self.listeners.addresses())
        self._manager.ready(f"listening on {addresses}; state in {self.state.root}")

    def _open(self, parts: Parts) -> None:
        storage, reactor = self.storage, self.reactor
        self.interpreter = Interpreter(self._decoder(parts))
        storage.warm(self.interpreter)
        self.indexer = storage.indexer(self)
        slot = Slot()
        workplace = Workplace(reactor, reactor.callFromThread, slot, self._isolation())
        enrichment = Enrichment(parts.enrichers, workplace.attempts, reactor.seconds)
        self.feed = Feed(
            lambda seq: storage.read_back(self.indexer.index, self, seq),
            storage.in_index,
            reactor,
            last=storage.journal.durable,
            first=lambda: storage.journal.first,
            kept=storage.journal.kept,
            enrichment=enrichment,
        )
        self.clocks = trusted_clocks(parts.config, storage.ledger)
        self.dispatch = Dispatch(
            self.feed,
            storage.ledger,
            storage.in_ledger,
            reactor,
            time.time,
            workplace,
            slot,
            anew=storage.new_ledger,
            reopen=storage.reopen_ledger,
            keep_marks=parts.config.journal.keep,
            ages=Ages(self.feed, time.time, trusted=self.clocks, steady=storage.steady),
        )
        self.greeting = Greeting(reactor, parts, self.state.root)
        told = (logs.kept,) if parts.config.log.level == "debug" else ()
        self.receiver = Receiver(
            storage.journal,
            self.interpreter,
            (self.indexer.publish, *told, self.clocks.publish, self.feed.publish, self.greeting.heard),
            privacy=parts.config.privacy,
            metrics=self.metrics,
            decides=self._decides(parts),
            limits=self._multipart,
            later=self._turns,
        )
        # Where new reactions begin is on disk before anybody can be answered 200; the ports are read later.
        begins = storage.hold(parts.reactions)
        self._receive = self.receiver.receive
        self.indexer.start()
        self.upkeep = Upkeep(
            reactor, storage.journal, self.indexer, storage.holding, self.dispatch, self.metrics
        )
        self.watch_clock = ClockWatch(reactor, storage.steady, storage.save_clock, self._our_clock_was_set)
        self.watch_clock.start()
        self.ask_clocks = AskClocks(reactor, self.clocks, self._time_of, time.time_ns)
        self.ask_clocks.start(_asked(parts))
        self.upkeep.start()
        budget = self.listeners.budget
        budget.nearly_full = storage.holding.nearly_full
        self.sharing = SharesFile(self.state.shares, budget.shares, reactor, storage.in_ledger)
        self.sharing.start()
        self.silence = Silence(reactor, self.indexer, self.receiver.receive, lambda: self._awaited)
        self.silence.start()
        _started(self.dispatch.start(parts.reactions, begins))

    def stopService(self) -> Deferred[None]:
        """Drain: no more connections, requests under way, running reactions, journal; each within a bound."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._on_stopping()
        self._manager.stopping()
        return Deferred.fromCoroutine(self._drain())

    async def _drain(self) -> None:
        if not hasattr(self, "storage"):
            return
        self._catch(("SIGINT", "SIGTERM"), self._on_impatience)
        await self._step("requests under way", self.listeners.stopService)
        self.sharing.stop()
        self.greeting.stop()
        self.upkeep.stop()
        self.watch_clock.stop()
        self.ask_clocks.stop()
        self.silence.stop()
        await self._step("the metrics port", self.monitor.stop, CLOSE)
        await self._step("the reactions", lambda: Deferred.fromCoroutine(self.dispatch.stop(DRAIN)))
        self.feed.close()
        self.storage.end_reading()
        await self._step("the control socket", self._control.close, CLOSE)
        await self._step("the index", self.indexer.close, CLOSE)
        # No bound: until the journal is closed, somebody else must not open it.
        await self._step("the disk", self.storage.close)
        await self._step("connections to devices", self.tools.agents.close, CLOSE)
        give_all(self.state.root)
        self.stopping = "a thread"
        self._lock.release()
        self._manager.close()
        _log.info("stopped; everything that was acknowledged is on disk")

    # -- what changes while it runs --------------------------------------------

    def decode(self, push: Push, seq: int) -> tuple[Event, ...]:
        """The events of a push, as the configuration reads them now."""
        return self._current.decode(push, seq)

    def reload(self) -> Deferred[Sequence[str]]:
        """
        Read the configuration again and go on with it; fires with what was done, in sentences.

        A configuration that is wrong changes nothing.  :raises ConfigError: with what is wrong.
        :raises StateError: when it cannot be written where new reactions begin; that changes nothing, too.
        """
        self._manager.reloading()
        # One after the other: what one has accepted, the next must not take for gone.
        return self._reloading.run(self._reload).addBoth(self._reloaded)

    def _reloaded(self, result: Any) -> Any:
        self._tell_ready()
        return result

    async def _reload(self) -> Sequence[str]:
        self.listeners.renew()
        if self._path is None:
            return ["certificates were read again; there is no configuration file"]
        config, wrong = configuration.load_partly(self._path)
        config = with_ports(config, self._ports)
        # What worked goes on as it was: only what was broken before may still be.
        before = [failure.name for failure in self.parts.plugins.failures]
        parts = check(config, self.tools, folder=self._path.parent, broken=before, wrong=wrong)
        # What is acknowledged from here on is for the new reactions, too: also after a crash.
        begins = await self.storage.holding.add(named(parts.reactions))
        old, self.parts = self.parts, parts
        self.tools.devices.update(config.devices)
        self._remember_devices(config)
        self.clocks.learned, self.clocks.bound = learned(config.devices), bound_devices(config)
        self.ask_clocks.start(_asked(parts))
        self._decoder(parts)
        everything = old.config.devices != config.devices
        await self.dispatch.reload(parts.reactions, begins, everything=everything)
        self.storage.holding.only(named(parts.reactions))
        self.receiver.decides = self._decides(parts)
        # Not what was read last: the ports are those of the start, whatever a reload has asked for since.
        if _endpoints(config) == _endpoints(self._began_with):
            self.listeners.admit(config)
        return ["the configuration was read again", *_needs_restart(self._began_with, config)]

    def _remember_devices(self, config: Config) -> None:
        self.state.remember_devices(config.devices)
        since = self.state.await_devices(config.devices, time.time())
        self._awaited = {name: Awaited(table, since[name]) for name, table in config.devices.items()}

    def _decoder(self, parts: Parts) -> ReceiverService:
        """Decode with the devices and the plugins of *parts* from now on."""
        word, devices = self.storage.journal.word, parts.config.devices
        self._current = Decoder(word, devices, parts.decoders, self._multipart, time.thread_time)
        return self

    def _isolation(self) -> Callable[[Reaction], Calls]:
        return isolation(
            self.reactor,
            lambda: self.parts.config,
            folder=self._path.parent if self._path else Path(),
            state_dir=self.state.root,
        )

    def _decides(self, parts: Parts) -> RemoteCheck:
        table = parts.config.remote_check
        return RemoteCheck(
            table.reactions,
            table.budget,
            self.dispatch,
            self.storage.in_ledger,
            self._note,
            self.reactor,
            time.time,
        )

    async def _note(self, kind: str, data: dict[str, Any]) -> None:
        await self.storage.journal.note(kind, data).durable

    def reactions(self) -> list[Status]:
        """One row a reaction, with what it holds back of the journal and what it lost."""
        held, lagging = self.storage.holding.held(), self.upkeep.lagging
        return [
            _with_hold(row, held.get(row.name), lagging.lost.get(row.name, 0), lagging.losing(row.name))
            for row in self.dispatch.status()
        ]

    async def _time_of(self, device: str) -> datetime:
        return await self.tools.devices(device).time()

    def _our_clock_was_set(self) -> None:
        self.interpreter.our_clock_was_set()
        self.clocks.our_clock_was_set()

    async def forget_clock(self, device: str) -> None:
        """Learn the clock of *device* anew.  :raises HikrecvError: when nothing is known of it."""
        self.interpreter.forget_clock(device)
        if not await self.dispatch.forget_clock(device):
            raise HikrecvError(NO_CLOCK.format(device=device))

    # -- inside ---------------------------------------------------------------

    def pause(self, seconds: float) -> Deferred[None]:
        """Fires after *seconds*."""
        return deferLater(self.reactor, seconds)

    async def _step(self, what: str, stop: Callable[[], Any], bound: float | None = None) -> None:
        """One step of stopping; its trouble must not keep the next from being done."""
        self.stopping = what
        try:
            done = maybeDeferred(stop)
            if bound is not None:
                # What is not over by then goes on, and nobody waits for it.
                done = branch(done).addTimeout(bound, self.reactor)
            await done
        except TimeoutError:
            _log.warn("{what}: not closed within {bound:.0f} s", what=what, bound=bound)
        except Exception:
            _log.failure("stopping went on after a failure")

    def _broken(self, error: JournalBroken) -> None:
        _log.critical("{error}; nothing more is acknowledged, the receiver stops", error=error)
        self._fatal = True
        self._on_broken(BROKEN)

    def _catch(self, names: Sequence[str], handle: Callable[[], object]) -> None:
        try:
            for name in names:
                signal.signal(getattr(signal, name), lambda *_: self.reactor.callFromThread(handle))
        except ValueError:
            _log.debug("signals are not handled: this is not the main thread")

    def _on_impatience(self) -> None:
        """A second Ctrl-C: Twisted itself would answer it with a traceback."""
        _log.info("stopping already; it takes {most:.0f} s at most", most=STOP)

    def _on_hangup(self) -> None:
        def failed(failure: Any) -> None:
            if failure.check(ConfigError, StateError):
                _log.error("the configuration was not taken over: {error}", error=failure.value)
            else:
                _log.failure("the reload failed", failure)

        self.reload().addCallbacks(_say, failed)


def _with_hold(row: Status, held: Held | None, lost: int, losing: str) -> Status:
    # A paused one does not know yet what it has lost.
    row = msgspec.structs.replace(row, lost=max(row.lost, lost))
    if held is not None:
        row = msgspec.structs.replace(
            row,
            hold="released" if held.hold.released else held.hold.hold,
            held_bytes=held.bytes,
            held_most=held.most.bytes,
        )
        if row.state == "unplaced" and held.hold.seq:
            # The operator has to say where it goes on, and this is what can be known.
            had = f"it has had what came before {held.hold.seq}"
            row = msgspec.structs.replace(row, reason=f"{row.reason}; {had}")
    if losing and row.state not in TROUBLED:
        reason = "; ".join(filter(None, (losing, f"it is {row.state}: {row.reason}" if row.reason else "")))
        row = msgspec.structs.replace(row, state="losing", reason=reason)
    return row


def _asked(parts: Parts) -> frozenset[str]:
    """Who is asked what time it is: nobody, unless something acts on what they say."""
    careful = any(reaction.careful for reaction in parts.reactions.values())
    return answering(parts.config.devices) if careful or parts.config.remote_check.reactions else frozenset()


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        _log.info("{line}", line=line)


def _needs_restart(old: Config, new: Config) -> list[str]:
    """What of a change only a restart takes over."""
    tables = ("state_dir", "limits", "journal", "decode", "enrich", "privacy", "metrics", "log")
    changed = [name for name in tables if getattr(old, name) != getattr(new, name)]
    if _endpoints(old) != _endpoints(new):
        changed.append("listen")
    return [f"[{name}] changed; it holds after a restart" for name in changed]


def _endpoints(config: Config) -> list[str]:
    return [each.endpoint for each in config.listen]


def _started(work: Any) -> None:
    Deferred.fromCoroutine(work).addErrback(
        lambda failure: _log.failure("the reactions could not be started", failure)
    )

"""The process of one isolated reaction: its own reactor, the same hooks, the same context."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from hikrecv.config import Config
from hikrecv.errors import Gone
from hikrecv.journal.reader import JournalReader
from hikrecv.push import Push

from .calls import Local, Workplace
from .context import Services
from .outcome import in_words
from .pipe import (
    MOST_TO_CHILD,
    Begin,
    Call,
    Cancel,
    Ended,
    Failed,
    Frames,
    FromChild,
    Ready,
    framed,
    plain,
    to_child,
    unpack,
)
from .plugins import find
from .reaction import Reaction, build
from .subject import marked
from .watchdog import Slot

HEAR, SAY = 3, 4
ORPHANED = 5.0
"""Seconds after the receiver has gone in which to end in an orderly way."""

MakeServices = Callable[[Config, Path], Services]


class Child(Protocol):
    """
    Does what the receiver says, one reaction long.

    :param services: makes what contexts are made of, of the configuration and the state directory.
    :param from_thread: calls a function on the reactor from any thread.
    :param farewell: called when the receiver has hung up.
    """

    def __init__(
        self,
        services: MakeServices,
        clock: IReactorTime,
        from_thread: Callable[..., Any],
        farewell: Callable[[], Any],
    ) -> None:
        self._services = services
        self._workplace = Workplace(clock, from_thread, Slot())
        self._farewell = farewell
        self._frames = Frames(MOST_TO_CHILD)
        self._hooks: Local | None = None
        self._calls: dict[int, Deferred[None]] = {}

    def dataReceived(self, data: bytes) -> None:
        """Messages of the receiver."""
        for message in map(to_child, self._frames.feed(data)):
            if isinstance(message, Begin):
                self._say(self._begin(message))
            elif isinstance(message, Call) and self._hooks is not None:
                call = Deferred.fromCoroutine(self._call(message, self._hooks))
                if not call.called:
                    self._calls[message.id] = call
                call.addErrback(lambda failure: failure.trap(CancelledError) and None)
            elif isinstance(message, Cancel) and message.id in self._calls:
                self._calls.pop(message.id).cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The receiver does not need us any more, or is gone."""
        self._farewell()

    def _begin(self, message: Begin) -> Ready | Failed:
        try:
            reaction = _reaction(message, self._services)
        except (Exception, SystemExit) as error:
            return Failed(in_words(error))
        self._hooks = Local(reaction, self._workplace.attempts(reaction.name))
        return Ready()

    async def _call(self, message: Call, hooks: Local) -> None:
        try:
            outcome = await hooks.call(
                message.hook,
                message.limit,
                [unpack(parcel) for parcel in message.events],
                attempt=message.attempt,
                replay=message.replay,
                dry_run=message.dry_run,
            )
        finally:
            self._calls.pop(message.id, None)
        self._say(Ended(message.id, plain(outcome), hooks.zombies))

    def _say(self, message: FromChild) -> None:
        if self.transport is not None:
            self.transport.write(framed(message))


def _reaction(message: Begin, services: MakeServices) -> Reaction:
    config = msgspec.json.decode(message.config, type=Config, dec_hook=lambda kind, value: kind(value))
    plugins = find(config.plugin_dirs)
    made = services(config, Path(message.state_dir))
    reactions, errors = build(config, plugins, made, folder=Path(message.folder))
    if errors:
        raise errors[0]
    reaction = reactions[message.name]
    # A stand-in is the receiver's: here it would only hide why this process is of no use.
    plugins.get(reaction.plugin.name)
    return reaction


def services(reactor: Any, config: Config, state_dir: Path) -> Services:
    """What the contexts of this process are made of: connections and clients of its own."""
    from twisted.internet.threads import blockingCallFromThread

    from hikrecv.device.agents import Agents
    from hikrecv.device.isapi import Devices

    from .http import Http

    agents = Agents(reactor)
    return Services(
        clock=reactor,
        http=Http(agents.kept, reactor, wall=time.time, public=agents.public),
        http_once=Http(agents(True), reactor, wall=time.time, public=agents.public),
        state_dir=state_dir,
        device=Devices(config.devices, agents, reactor),
        wait=partial(blockingCallFromThread, reactor),
        push=_Pushes(state_dir).read,
    )


class _Pushes:
    """The journal as another process may read it; opened when it is first asked for."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._reader: JournalReader | None = None

    async def read(self, seq: int) -> Push:
        if self._reader is None:
            self._reader = JournalReader(self._state_dir)
        self._reader.refresh()
        for entry in self._reader.entries(seq, seq + 1):
            return entry.push
        raise Gone(f"there is no push with number {seq}")


def main() -> None:
    """Be the process that `hikrecv.reactions.isolate.spawn` starts."""
    from twisted.internet import reactor as installed
    from twisted.internet.stdio import StandardIO
    from twisted.logger import FileLogObserver, globalLogBeginner

    reactor: Any = installed
    # Ctrl-C and systemd's SIGTERM reach every process; when to end is the receiver's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    globalLogBeginner.beginLoggingTo([FileLogObserver(sys.stderr, marked)], redirectStandardIO=False)
    reactor.seconds = time.monotonic
    threading.Thread(target=_end_with_the_receiver, name="hikrecv-orphan", daemon=True).start()
    child = Child(partial(services, reactor), reactor, reactor.callFromThread, partial(_stop, reactor))
    StandardIO(child, stdin=HEAR, stdout=SAY, reactor=reactor)  # type: ignore[call-arg]  # mypy sees Windows'
    reactor.run(installSignalHandlers=False)
    # A plugin's thread that hangs must not keep the process.
    sys.stderr.flush()
    os._exit(0)


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def _end_with_the_receiver() -> None:
    """A hook that keeps the reactor, or a thread that hangs, must not outlive the receiver."""
    ear = select.poll()
    ear.register(HEAR, 0)
    ear.poll()
    time.sleep(ORPHANED)
    os._exit(1)

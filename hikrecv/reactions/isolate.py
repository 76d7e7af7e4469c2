"""A reaction in a process of its own: what burns CPU, crashes or leaks there costs nobody here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from hikrecv.config import Config, RemoteCheck
from hikrecv.isapi.event import Event

from .backoff import backoff
from .outcome import Again, Bug, Done, Outcome
from .pipe import (
    MOST_FROM_CHILD,
    Begin,
    Call,
    Cancel,
    Ended,
    Failed,
    Frames,
    Ready,
    ToChild,
    framed,
    from_child,
    pack,
)
from .reaction import Reaction
from .slices import branch
from .subject import unmarked

NICE = 10
"""Receiving comes before whatever an isolated reaction computes, and before its start."""
READY = 30.0
"""Seconds that a process has to import and make its plugin."""
GRACE = 1.0
"""Seconds after its limit in which a call may still be answered; then the process is killed."""
SOON = 1.0
"""Seconds that a call may wait for the process to be started; then it is better made anew."""
END = 2.0
"""Seconds to end by itself when it is not needed any more."""
MOST_ZOMBIES = 3
LONGEST_LINE = 2_000

Spawn = Callable[[ProcessProtocol], Any]
"""Starts a process and gives its transport (IProcessTransport)."""
_log = Logger()


def begin(reaction: Reaction, config: Config, *, folder: Path, state_dir: Path) -> Begin:
    """What the process of *reaction* needs to know; nothing about the other reactions."""
    name = reaction.name
    asked = (name,) if name in config.remote_check.reactions else ()
    mine = msgspec.structs.replace(
        config,
        reactions={name: {**config.reactions[name], "isolate": False}},
        remote_check=RemoteCheck(reactions=asked, budget=config.remote_check.budget),
    )
    return Begin(name, msgspec.json.encode(mine, enc_hook=_builtin), str(folder), str(state_dir))


def _builtin(value: object) -> object:
    """The types of the configuration (`Seconds`, `Bytes`, `Secret`) are builtin ones underneath."""
    return next(base(value) for base in (str, int, float) if isinstance(value, base))


def spawn(reactor: Any, protocol: ProcessProtocol) -> Any:
    """Start the process; it hears on its descriptor 3 and answers on 4, so that it may print."""
    program = f"import os; os.nice({NICE}); from hikrecv.reactions.child import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with Path(os.devnull).open("rb") as nothing:
        return reactor.spawnProcess(
            protocol,
            sys.executable,
            [sys.executable, "-P", "-c", program],
            env=environment,
            childFDs={0: nothing.fileno(), 1: "r", 2: "r", 3: "w", 4: "r"},
        )


def isolation(
    reactor: Any, config: Callable[[], Config], *, folder: Path, state_dir: Path
) -> Callable[[Reaction], Isolated]:
    """
    What `Workplace` wants as *isolated*.

    :param config: gives the configuration that holds now.
    :param folder: where it lies.
    """

    def isolated(reaction: Reaction) -> Isolated:
        told = begin(reaction, config(), folder=folder, state_dir=state_dir)
        return Isolated(reaction, told, partial(spawn, reactor), reactor)

    return isolated


class Isolated:
    """
    The hooks of a reaction in another process; see `Calls`.

    The process is started for the first call, and again, with a growing wait, when
    it has ended.  A call that is not answered in time ends it: a process, unlike a
    thread, can be ended.

    :param spawn: starts a process with a protocol (``partial(spawn, reactor)``).
    """

    zombies = 0

    def __init__(self, reaction: Reaction, begin: Begin, spawn: Spawn, clock: IReactorTime) -> None:
        self._reaction = reaction
        self._begin = begin
        self._spawn = spawn
        self._clock = clock
        self._templates = "templates" in reaction.common.include
        self._process: _Process | None = None
        self._beginning: Deferred[str] | None = None
        self._was_started = False
        self._failures = 0
        self._not_before = float("-inf")
        self._closed = False

    async def call(
        self,
        hook: str,
        limit: float,
        events: Sequence[Event] = (),
        *,
        attempt: int = 0,
        replay: bool = False,
        dry_run: bool = False,
    ) -> Outcome:
        """See `Calls.call`."""
        if hook == "hikrecv_stop" and self._process is None:
            return Done()
        began = self._clock.seconds()
        trouble = await self._ready(starting=hook == "hikrecv_start")
        if trouble is not None or self._process is None:
            return trouble or Again("its process has ended", certain=True)
        if events and self._clock.seconds() - began > SOON:
            # What was young when we were called may be too old now; that is not ours to judge.
            return Again("its process has only just been started", 0.0, certain=True)
        parcels = tuple(pack(event, templates=self._templates) for event in events)
        outcome = await self._process.ask(hook, limit, parcels, attempt, replay, dry_run)
        if isinstance(outcome, Done):
            self._failures = 0
            self._was_started = self._was_started or hook == "hikrecv_start"
        return outcome

    def close(self) -> None:
        """Let the process end."""
        self._closed = True
        if self._process is not None:
            self._process.end()

    async def _ready(self, *, starting: bool) -> Again | None:
        """None when there is a process that can be called."""
        if self._closed:
            return Again("it is being stopped", certain=True)
        if self._process is None and self._beginning is None:
            wait = self._not_before - self._clock.seconds()
            if wait > 0:
                return Again("its process has ended and is started again soon", wait, certain=True)
            beginning = Deferred.fromCoroutine(self._start(starting))
            if not beginning.called:
                self._beginning = beginning
        else:
            beginning = self._beginning or succeed("")
        reason = await branch(beginning)
        return Again(reason, certain=True) if reason else None

    async def _start(self, starting: bool) -> str:
        """Start a process; "" when it is ready, else why it is not."""
        process = self._process = _Process(self._reaction.name, self._begin, self._clock, self._ended)
        try:
            self._spawn(process)
            outcome = await process.ready
            if isinstance(outcome, Done) and self._was_started and not starting:
                # A new process knows nothing of what `hikrecv_start` had prepared in the old one.
                limit = self._reaction.common.timeout
                outcome = await process.ask("hikrecv_start", limit, (), 0, False, False)
        except OSError as error:
            self._ended(process)
            outcome = Again(f"no process can be started: {error.strerror}")
        finally:
            self._beginning = None
        if isinstance(outcome, Done):
            return ""
        process.kill(outcome)
        return f"its process could not begin: {outcome.reason}"

    def _ended(self, process: _Process) -> None:
        if process is self._process:
            self._process = None
        self._failures += 1
        self._not_before = self._clock.seconds() + backoff(self._failures)


class _Process(ProcessProtocol):
    """One process, from its begin to its end."""

    transport: Any

    def __init__(
        self, name: str, begin: Begin, clock: IReactorTime, ended: Callable[[_Process], None]
    ) -> None:
        self.ready: Deferred[Outcome] = Deferred()
        self._name = name
        self._begin = begin
        self._clock = clock
        self._on_end = ended
        self._frames = Frames(MOST_FROM_CHILD)
        self._calls: dict[int, Deferred[Outcome]] = {}
        self._last_id = 0
        self._verdict: Outcome | None = None
        self._timer: Any = None
        self._unfinished = {1: b"", 2: b""}

    async def ask(
        self, hook: str, limit: float, parcels: tuple[Any, ...], attempt: int, replay: bool, dry_run: bool
    ) -> Outcome:
        """Have a hook called."""
        self._last_id += 1
        number = self._last_id
        answer = self._calls[number] = Deferred()
        late = Again(f"it took longer than {limit:g} s, and its process was ended")
        timer = self._clock.callLater(limit + GRACE, self.kill, late)
        self._send(Call(number, hook, float(limit), parcels, attempt, replay, dry_run))
        try:
            return await answer
        except CancelledError:
            self._send(Cancel(number))
            raise
        finally:
            del self._calls[number]
            if timer.active():
                timer.cancel()

    def end(self) -> None:
        """Close its ear, which it takes for a farewell; kill it if it does not go."""
        self._verdict = Again("it is being stopped")
        self.transport.closeChildFD(3)
        self._plan_kill(END, self._verdict)

    def kill(self, verdict: Outcome) -> None:
        """End it at once; *verdict* is what becomes of its calls."""
        self._verdict = verdict
        if self.transport is not None:
            try:
                self.transport.signalProcess("KILL")
            except ProcessExitedAlready:
                return

    # -- what Twisted tells us --------------------------------------------------

    def connectionMade(self) -> None:
        """It has been started, but it may still fail to be what we want."""
        self._plan_kill(READY, Again(f"it was not ready within {READY:g} s"))
        self._send(self._begin)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """An answer, or something that it printed."""
        if childFD != 4:
            self._log_lines(childFD, data)
            return
        try:
            for message in self._frames.feed(data):
                self._take(from_child(message))
        except (ValueError, msgspec.MsgspecError) as error:
            self.kill(Bug(f"its process said what cannot be understood: {error}"))

    def processEnded(self, reason: Failure) -> None:
        """It is gone, and with it everything that it was asked."""
        self._cancel_timer()
        self._on_end(self)
        verdict = self._verdict or Bug(f"its process ended: {_how(reason)}")
        _log.info("the process of {reaction} ended: {reason}", reaction=self._name, reason=_how(reason))
        for answer in [self.ready, *self._calls.values()]:
            if not answer.called:
                answer.callback(verdict)

    # -- inside -------------------------------------------------------------------

    def _take(self, message: Ready | Failed | Ended) -> None:
        if isinstance(message, Ended):
            answer = self._calls.get(message.id)
            if answer is not None and not answer.called:
                answer.callback(message.outcome)
            if message.zombies > MOST_ZOMBIES and not self._calls:
                self.kill(Again("too many of its calls never came back"))
            return
        self._cancel_timer()
        if not self.ready.called:
            self.ready.callback(Done() if isinstance(message, Ready) else Again(message.reason))

    def _send(self, message: ToChild) -> None:
        if self.transport is not None and 3 in self.transport.pipes:
            self.transport.writeToChild(3, framed(message))

    def _plan_kill(self, seconds: float, verdict: Outcome) -> None:
        self._cancel_timer()
        self._timer = self._clock.callLater(seconds, self.kill, verdict)

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _log_lines(self, childFD: int, data: bytes) -> None:
        *lines, rest = (self._unfinished[childFD] + data).split(b"\n")
        self._unfinished[childFD] = rest[-LONGEST_LINE:]
        for line in lines:
            text, subject = unmarked(line[:LONGEST_LINE].decode("utf-8", "replace"))
            about = {"event": subject} if subject else {}
            _log.info("{reaction} says: {text}", reaction=self._name, text=text, **about)


def _how(reason: Failure) -> str:
    number = getattr(reason.value, "signal", None)
    if number is not None:
        return f"killed by {signal.Signals(number).name}"
    return f"exit {getattr(reason.value, 'exitCode', None)}"

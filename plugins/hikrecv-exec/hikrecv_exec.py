"""
hikrecv-exec: a program is run for every event, with the event as JSON on its stdin.

No shell is involved, and nothing that a device said stands in the program's
arguments.  What its exit code means is in :class:`Settings`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from hikrecv_exec_given import pictures, variables, visible
from hikrecv_exec_run import Ended, Run
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorProcess

from hikrecv import Context, Event, Hold, Reject, Retry, hookimpl
from hikrecv.config import Bytes, Seconds, Secret
from hikrecv.errors import PluginError

__version__ = "0.1.0"

HIKRECV_API = 1

dry_run = True
"""It looks at `context.dry_run`."""

HURRY = 1.5
"""Seconds that a program has to end when the receiver stops."""
_LONGEST_LINE = 500
_LONGEST_WORD = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Settings(msgspec.Struct, frozen=True):
    """The plugin's keys in its ``[reactions.<name>]`` table."""

    command: tuple[str, ...]
    """The program and its arguments, as a list; nothing is put in, and no shell reads it."""
    folder: str = ""
    """Where it runs; without one in `plugins/<reaction>/` of the state directory."""
    environment: dict[str, Secret] = {}
    """Further variables, in clear or as `env:NAME` or `file:PATH`."""
    inherit: tuple[str, ...] = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
    """The variables of the receiver that the program gets too."""
    pictures: bool = False
    """Write the event's pictures to a folder, `$HIKRECV_PICTURES`, which is removed afterwards."""
    retry_exits: tuple[int, ...] = (75,)
    """Exit codes that mean: not now, call again later."""
    reject_exits: tuple[int, ...] = (65, 78)
    """Exit codes that mean: never, make it a dead letter."""
    hold_exits: tuple[int, ...] = (77,)
    """Exit codes that mean: nothing can go until somebody acts, as with a wrong password."""
    grace: Seconds = Seconds(5)
    """When its time is over: so long after SIGTERM comes SIGKILL."""
    output: Bytes = Bytes(10_000)
    """So much of what it prints is logged."""

    def __post_init__(self) -> None:
        if not self.command or not self.command[0] or any("\0" in word for word in self.command):
            raise ValueError('command must be a list such as ["/usr/local/bin/on-event", "--quiet"]')
        for name in (*self.environment, *self.inherit):
            if not _NAME.fullmatch(name) or name.startswith("HIKRECV_"):
                raise ValueError(f"environment and inherit: {name!r} is not a name for a variable of yours")
        if any("\0" in value for value in self.environment.values()):
            raise ValueError("environment: a value has a NUL in it")
        codes = (*self.retry_exits, *self.reject_exits, *self.hold_exits)
        if len(set(codes)) < len(codes) or not all(0 < code < 256 for code in codes):
            raise ValueError("retry_exits, reject_exits and hold_exits: each code once, from 1 to 255")


class ProgramFailed(Exception):
    """The program ended as if it had failed."""


class Plugin:
    """One reaction: one program."""

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._settings = settings
        inherited = {name: os.environ[name] for name in settings.inherit if name in os.environ}
        self._environment = inherited | {name: str(value) for name, value in settings.environment.items()}
        path = self._environment.get("PATH", os.defpath)
        # Looked for once, and not at every event; `setsid` makes the group that can be ended as a whole.
        program = _program(settings.command[0], path)
        self._command = (_program("setsid", os.defpath), program, *settings.command[1:])
        if settings.folder and not Path(settings.folder).is_dir():
            raise PluginError(f"folder: there is no folder {settings.folder}")
        self._runs: set[Run] = set()

    @hookimpl
    def hikrecv_start(self, context: Context) -> None:
        """Remove what a receiver that was killed has left."""
        shutil.rmtree(_pictures(context), ignore_errors=True)

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """
        Run the program; it is done when the program ends with 0.

        When its time (the reaction's `timeout`) is over, its process group is ended,
        and until it has gone this call has not come back.
        """
        if context.dry_run:
            context.log.info("would run {program} for {event}", program=self._command[1], event=event.id)
            return
        with self._given(event, context) as environment:
            ended = await self._run(event, environment, context)
        _log(ended, context)
        self._judge(ended)

    @hookimpl
    async def hikrecv_stop(self, context: Context) -> None:
        """Leave nothing behind that runs."""
        await gatherResults([Deferred.fromCoroutine(run.end(HURRY)) for run in tuple(self._runs)])

    async def _run(self, event: Event, environment: dict[str, str], context: Context) -> Ended:
        settings = self._settings
        run = Run(event.to_json() + b"\n", settings.output, context.clock)
        reactor: Any = IReactorProcess(context.clock)
        folder = settings.folder or str(context.state_dir)
        try:
            reactor.spawnProcess(run, self._command[0], self._command, env=environment, path=folder)
        except OSError as error:
            raise Retry(f"no process can be started: {error.strerror}") from error
        self._runs.add(run)
        try:
            return await run.ended()
        except CancelledError:
            await run.end(settings.grace)
            raise
        finally:
            self._runs.discard(run)

    @contextmanager
    def _given(self, event: Event, context: Context) -> Iterator[dict[str, str]]:
        """The environment, and the pictures for as long as the program runs."""
        environment = {**self._environment, **variables(event, context)}
        if not self._settings.pictures:
            yield environment
            return
        with pictures(event, _pictures(context)) as folder:
            yield {**environment, "HIKRECV_PICTURES": str(folder)}

    def _judge(self, ended: Ended) -> None:
        if ended.exit == 0:
            return
        reason = f"{Path(self._command[1]).name} {_how(ended)}"
        if ended.exit in self._settings.retry_exits:
            raise Retry(reason)
        if ended.exit in self._settings.reject_exits:
            raise Reject(reason)
        if ended.exit in self._settings.hold_exits:
            raise Hold(reason)
        raise ProgramFailed(reason)


def _program(name: str, path: str) -> str:
    found = shutil.which(name, path=path) if "/" not in name or name.startswith("/") else None
    if found is None:
        raise PluginError(f"there is no program {name}; give its whole path, and make it executable")
    return found


def _pictures(context: Context) -> Path:
    return context.state_dir / "pictures"


def _log(ended: Ended, context: Context) -> None:
    for line in ended.output.decode("utf-8", "replace").splitlines():
        context.log.info("it says: {line}", line=visible(line[:_LONGEST_LINE]))
    if ended.left_out:
        context.log.info("and {count} bytes more, that are not logged", count=ended.left_out)


def _how(ended: Ended) -> str:
    """The end in words, with the last thing that it said."""
    if ended.signal is not None:
        return f"was ended by signal {ended.signal}"
    lines = ended.output.decode("utf-8", "replace").strip().splitlines()
    said = f": {visible(lines[-1])[:_LONGEST_WORD]}" if lines else ""
    return f"ended with {ended.exit}{said}"

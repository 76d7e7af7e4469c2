"""
Commands to a running receiver, over a Unix socket that only its user can open.

A request is one line of JSON, ``{"do": "reactions.pause", "name": "hq"}``.  The
answer is any number of ``{"item": ...}`` lines and then one ``{"done": ...}`` or
``{"error": "a sentence", "exit": 1}``.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from .errors import HikrecvError, StateError
from .ownership import give_path

LONGEST_LINE = 1_000_000
ANSWER_TIME = 30.0
LOOK = 5.0
"""Seconds between two looks whether the socket is still there."""

Command = Callable[..., Awaitable[Any] | AsyncIterator[Any] | Any]
_log = Logger()


class NotRunning(StateError):
    """No receiver is running on this state directory."""


class ControlProtocol(LineOnlyReceiver):
    """One command's connection."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST_LINE

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._running: Deferred[None] | None = None

    def lineReceived(self, line: bytes) -> None:
        """Carry out one command; further lines on the same connection are ignored."""
        if self._running is None:
            self._running = Deferred.fromCoroutine(self._carry_out(line))
            self._running.addErrback(lambda failure: None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever asked has gone: a stream ends."""
        if self._running is not None:
            self._running.cancel()

    async def _carry_out(self, line: bytes) -> None:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
            name = str(request.pop("do", ""))
            command = self._commands.get(name)
            if command is None:
                raise HikrecvError(f"this receiver knows no command {name!r}; is it an older version?")
            _check_arguments(command, request)
            answer = await self._follow(command(**request))
        except HikrecvError as error:
            answer = {"error": str(error), "exit": error.exit_code}
        except msgspec.MsgspecError as error:
            answer = {"error": f"the command was not understood ({error})", "exit": 2}
        except Exception:
            _log.failure("a command over the control socket failed")
            answer = {"error": "the command failed in the receiver; its log says why", "exit": 1}
        self._say(answer)
        if self.transport is not None:
            self.transport.loseConnection()

    async def _follow(self, result: Any) -> dict[str, Any]:
        if isinstance(result, AsyncIterator):
            async for item in result:
                self._say({"item": item})
            return {"done": None}
        if isinstance(result, Awaitable):
            result = await result
        return {"done": result}

    def _say(self, answer: dict[str, Any]) -> None:
        if self.transport is not None:
            self.transport.write(msgspec.json.encode(answer) + b"\n")


def _check_arguments(command: Command, request: dict[str, Any]) -> None:
    try:
        inspect.signature(command).bind(**request)
    except TypeError as error:
        raise HikrecvError(f"the command was not understood ({error})") from None


class ControlFactory(Factory):
    """Serves the commands in *commands* by their names."""

    noisy = False

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self.commands = commands

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol:
        """One connection, one command."""
        return ControlProtocol(self.commands)


class ControlSocket:
    """
    The socket of the commands, as long as the receiver runs.

    It is made again when somebody removes it, as cleaners of old files do: without it every command would
    say that no receiver is running.
    """

    def __init__(self, path: Path, commands: Mapping[str, Command], reactor: Any) -> None:
        self._path, self._reactor = path, reactor
        self._factory = ControlFactory(commands)
        self._port: Any = None
        self._looks = LoopingCall(self._look)
        self._looks.clock = reactor

    def open(self) -> None:
        """Listen, for the user of the state directory alone."""
        self._listen()
        self._looks.start(LOOK, now=False)

    def close(self) -> Deferred[None] | None:
        """Listen no more."""
        if not self._looks.running:
            return None
        self._looks.stop()
        # Twisted removes the file before it closes, and stumbles where there is none.
        if not self._path.exists():
            self._path.touch()
        return maybeDeferred(self._port.stopListening)

    def _listen(self) -> None:
        self._path.unlink(missing_ok=True)
        self._port = self._reactor.listenUNIX(str(self._path), self._factory, mode=0o600)
        give_path(self._path, self._path.parent)

    def _look(self) -> None:
        if not self._path.exists():
            _log.warn("{path} was removed while the receiver runs; it is made again", path=self._path)
            self._path.touch()
            # Twisted removes the file later, and must not remove the new one; commands under way go on.
            again = maybeDeferred(self._port.stopListening).addCallback(lambda _: self._listen())
            again.addErrback(lambda failure: _log.failure("the socket could not be opened", failure))


def call(path: Path, do: str, **arguments: Any) -> Any:
    """
    Ask the receiver behind the socket *path* and wait for its answer.

    :raises NotRunning: when nobody listens there.
    :raises HikrecvError: with the receiver's own sentence when it says no.
    """
    for _, answer in _exchange(path, {"do": do, **arguments}, ANSWER_TIME):
        if answer is not None:
            return answer[0]
    raise HikrecvError("the receiver closed the connection without an answer")


def stream(path: Path, do: str, **arguments: Any) -> Iterator[Any]:
    """The same for a command that goes on: yields its items until it ends or the receiver stops."""
    for item, answer in _exchange(path, {"do": do, **arguments}, None):
        if answer is not None:
            return
        yield item


def _exchange(path: Path, request: Any, timeout: float | None) -> Iterator[tuple[Any, tuple[Any] | None]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout)
        try:
            line.connect(str(path))
        except OSError:
            raise NotRunning(f"no receiver is running on {path.parent}") from None
        with line.makefile("rb") as answers:
            try:
                line.sendall(msgspec.json.encode(request) + b"\n")
                for text in answers:
                    yield _understood(text)
            except TimeoutError:
                raise HikrecvError(f"the receiver did not answer within {ANSWER_TIME:.0f} s") from None
            except OSError:
                raise HikrecvError("the receiver ended before it had answered; ask again") from None


def _understood(text: bytes) -> tuple[Any, tuple[Any] | None]:
    answer = msgspec.json.decode(text, type=dict[str, Any])
    if "error" in answer:
        error = HikrecvError(answer["error"])
        error.exit_code = answer.get("exit", 1)  # type: ignore[misc]
        raise error
    return answer.get("item"), ((answer["done"],) if "done" in answer else None)

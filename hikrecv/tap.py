"""What `twistd hikrecv` and `twist hikrecv` call: options, and the service they make."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import msgspec
from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver
from twisted.python import usage

from . import config as configuration
from .assembly import Tools, check
from .config import Config, Listen, Log
from .errors import HikrecvError
from .journal.lock import Lock
from .logs import observer, of_twistd
from .service import ReceiverService
from .state import find


class Options(usage.Options):
    """The options after the word hikrecv."""

    synopsis = "[--port 8089] [--config FILE] [--state-dir DIR]"
    longdesc = "Receive what Hikvision devices push over HTTP, keep it, and hand it to plugins."
    optParameters: ClassVar = [
        ["config", "c", None, "The configuration file."],
        ["state-dir", "s", None, "Where events are kept."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["port"] = []

    def opt_port(self, port: str) -> None:
        """A port, or an endpoint such as tcp:8089:interface=10.0.0.5; repeatable; replaces [[listen]]."""
        self["port"].append(port)

    opt_p = opt_port


def makeService(options: Options) -> IService:
    """The receiver, when everything that it needs is there; else one sentence each, and exit code 3."""
    from twisted.internet import reactor

    parent: Any = options.parent or {}
    try:
        service = make(
            options["config"],
            options["state-dir"],
            options["port"],
            reactor,
            uid=parent.get("uid"),
            gid=parent.get("gid"),
        )
    except HikrecvError as error:
        refuse(error)
    if (table := service.parts.config.log) == Log():
        return service  # [log] says nothing: twistd and twist speak as they are told to
    if "fileLogObserverFactory" in parent:
        parent["fileLogObserverFactory"] = partial(observer, table)
        return service
    return _Spoken(service, partial(observer, table, of_twistd(parent)))


class _Spoken(MultiService):
    """Has twistd log as ``[log]`` says: it asks the application, which the service gets as its parent."""

    def __init__(self, service: ReceiverService, speak: Callable[[], ILogObserver]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        service.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._speak = speak

    def setServiceParent(self, parent: Any) -> None:
        """Called with the application, before it logs anything."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        parent.setComponent(ILogObserver, self._speak())


def make(
    config_file: str | None,
    state_dir: str | None,
    ports: list[str],
    reactor: Any,
    *,
    uid: int | None = None,
    gid: int | None = None,
) -> ReceiverService:
    """
    Check everything, bind the ports, and give the service that is ready to start.

    :param uid: who the receiver becomes after its ports are bound.
    :raises HikrecvError: for whatever would keep the receiver from working.
    """
    # Twisted's callLater runs on the wall clock; with it, setting the clock would make every
    # wait storm or stick.
    reactor.seconds = time.monotonic
    path = Path(config_file).absolute() if config_file else None
    config = with_ports(configuration.load(path) if path else Config(), ports)
    state = find(state_dir, config.state_dir)
    tools = Tools(state, config, reactor)
    parts = check(config, tools, folder=path.parent if path else Path())
    state.prepare(uid, gid)
    with Lock(state.root):
        _give_away(state.lock, uid, gid)
    service = ReceiverService(
        parts, tools, state, reactor, path=path, on_broken=lambda code: _stop(reactor, code)
    )
    # Here and not only in privilegedStartService: twistd has daemonised by then, and could
    # tell nobody but a log file that a port is taken.  Nothing is read before the start.
    service.privilegedStartService()
    return service


def with_ports(config: Config, ports: list[str]) -> Config:
    """*config* listening on *ports* instead of its ``[[listen]]``, if any are given."""
    if not ports:
        return config
    # What the first table says of who may send holds for the ports that replace it.
    model = config.listen[0] if config.listen else Listen()
    listen = tuple(msgspec.structs.replace(model, endpoint=_endpoint(port)) for port in ports)
    return msgspec.structs.replace(config, listen=listen)


def refuse(error: HikrecvError) -> NoReturn:
    """Say what is wrong, one sentence a line, and exit."""
    for line in str(error).splitlines():
        sys.stderr.write(f"hikrecv: {line}\n")
    raise SystemExit(error.exit_code)


def _endpoint(port: str) -> str:
    return f"tcp:{port}" if port.isdigit() else port


def _give_away(path: Path, uid: int | None, gid: int | None) -> None:
    if os.geteuid() == 0 and (uid is not None or gid is not None):
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)


def _stop(reactor: Any, code: int) -> None:
    """Stop, and exit with *code*: twistd itself knows only 0, 1 and signals."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
    reactor.callLater(0, _stop_reactor, reactor)


def _stop_reactor(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()

"""What `twistd hikrecv` and `twist hikrecv` call: options, and the service they make."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python import usage

from . import config as configuration
from .assembly import Parts, Tools, check, with_ports
from .config import Config, Log
from .deadline import Deadline
from .errors import HikrecvError
from .greeting import urls
from .journal.lock import Lock
from .logs import observer, of_twistd
from .memory import tune
from .service import ReceiverService
from .state import find
from .systemd import ServiceManager

SWITCH = 0.001
"""Seconds; with the interpreter's own 5 ms an answer would wait for 20 beside a plugin that computes."""
_log = Logger()


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
    """The receiver, when everything that it needs is there; else one sentence each, and an exit code."""
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
    table, speak = service.parts.config.log, None
    # Where [log] says nothing, twistd and twist speak as they are told to.
    if table != Log() and "fileLogObserverFactory" in parent:
        parent["fileLogObserverFactory"] = partial(observer, table)
    elif table != Log():
        speak = partial(observer, table, of_twistd(parent))
    daemon = parent.get("nodaemon") == 0
    if daemon:
        _say_where(service, parent)
    return _Hosted(service, speak, daemon=daemon)


def _say_where(service: ReceiverService, parent: Mapping[str, Any]) -> None:
    """One line on the terminal, which twistd leaves when it has the service; then only the log speaks."""
    endpoints = [each.endpoint for each in service.listeners.listeners]
    addresses = service.listeners.addresses()
    where = ", ".join(urls(endpoints, addresses) or addresses)
    log = "syslog" if parent.get("syslog") else parent.get("logfile") or "twistd.log"
    out = sys.__stdout__ or sys.stdout
    out.write(f"hikrecv: listening on {where}; events are kept in {service.state.root}; the log is {log}\n")
    out.flush()


class _Hosted(MultiService):
    """
    The receiver as twistd and twist have it.

    :param speak: makes the observer that ``[log]`` asks for; twistd asks the application for it, which
        a service gets as its parent.
    :param daemon: it has left the terminal when it starts; then twistd tells those who wait there.
    """

    def __init__(
        self, service: ReceiverService, speak: Callable[[], ILogObserver] | None, *, daemon: bool
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        service.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._speak, self._daemon = speak, daemon

    def setServiceParent(self, parent: Any) -> None:
        """Called with the application, before it logs anything."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if self._speak is not None:
            parent.setComponent(ILogObserver, self._speak())

    def startService(self) -> None:
        """Start; what shows only now, such as a journal that cannot be read, is one sentence too."""
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except HikrecvError as error:
            if self._daemon:
                raise
            refuse(error)


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
    config, wrong = configuration.load_partly(path) if path else (Config(), [])
    config = with_ports(config, ports)
    state = find(state_dir, config.state_dir)
    tools = Tools(state, config, reactor)
    parts = check(config, tools, folder=path.parent if path else Path(), wrong=wrong)
    state.prepare(uid, gid)
    # Here, too, so that a directory which is in use is told on the terminal.
    with Lock(state.root):
        pass
    deadline = Deadline(lambda: service.stopping)
    reactor.callWhenRunning(deadline.watch)

    def broken(code: int) -> None:
        deadline.code = code
        _stop(reactor, code)

    service = ReceiverService(
        parts,
        tools,
        state,
        reactor,
        path=path,
        ports=ports,
        on_broken=broken,
        on_stopping=deadline.begin,
        manager=ServiceManager.of(os.environ, reactor),
    )
    # Here and not only in privilegedStartService: twistd has daemonised by then, and could
    # tell nobody but a log file that a port is taken.  Nothing is read before the start.
    service.monitor.start()
    service.privilegedStartService()
    _warn(parts)
    tune()
    # So long a thread that computes may keep the interpreter from the reactor, several times for each push.
    sys.setswitchinterval(SWITCH)
    return service


def refuse(error: HikrecvError) -> NoReturn:
    """Say what is wrong, one sentence a line, and exit."""
    # twistd has put its log in the place of sys.stderr, if it is that far.
    out = sys.__stderr__ or sys.stderr
    for line in str(error).splitlines():
        out.write(f"hikrecv: {line}\n")
    raise SystemExit(error.exit_code)


def _warn(parts: Parts) -> None:
    """Name what was found to be broken by looking at names only, such as a folder that others may write."""
    for failure in parts.plugins.failures:
        what = "the plugin folder" if failure.name == failure.origin else "the plugin"
        _log.warn("{what} {name} is left out: {reason}", what=what, name=failure.name, reason=failure.reason)


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

"""Endpoint strings to listening ports: bound before anything else starts, TLS renewed without closing."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.internet.tcp import Port
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..config import Config
from ..errors import ConfigError, ListenError, PortUnavailable
from .admission import Admission
from .budget import Budget
from .connection import PushFactory
from .intake import Complete, Receive, looks_complete
from .watch import SenderLog, Watch

BACKLOG = 4096
"""Connections that the kernel holds ready: after a power cut all devices come at once."""

_TWISTEDS_BACKLOG = 50
_SPOKEN = (b"http/1.1", b"http/1.0")


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """What a TLS port shows to new connections; it can be exchanged while the port is open."""

    _context: SSL.Context

    def take(self, options: Any) -> None:
        """
        Use the certificate and key of *options* (`CertificateOptions`) from now on.

        The context is made here, so that a key that does not fit shows before the old one is given up.
        """
        context: SSL.Context = options.getContext()
        # Twisted's own choice asks the factory, and without an answer selects the empty name: to OpenSSL
        # that is an internal error, and whoever offers anything (curl, browsers, requests) is refused.
        context.set_alpn_select_callback(_spoken)
        self._context = context

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See `IOpenSSLServerConnectionCreator`."""
        connection = SSL.Connection(self._context, None)
        # Callbacks of Twisted's contexts look for the protocol here; not every version puts it there itself.
        connection.set_app_data(protocol)
        return connection


def _spoken(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """
    Choose from what a client *offered* by ALPN (RFC 7301).

    Without anything that we speak the handshake goes on as if nothing had been offered: firmware
    may offer anything and speak HTTP/1 all the same.
    """
    return next((name for name in _SPOKEN if name in offered), SSL.NO_OVERLAPPING_PROTOCOLS)


class Doorway:
    """
    The reactor as an endpoint sees it, for one listener.

    Endpoints call `listenTCP` and the like on the reactor they were made with.
    Between the two we put a longer backlog, and a certificate that can be
    exchanged: to read it again the endpoint is made again, and the port that
    is open stays open.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._certificate = Certificate()
        self._port: IListeningPort | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """See `IReactorTCP`."""
        return self._reactor.listenTCP(port, factory, _longer(backlog), interface)  # type: ignore[no-any-return]

    def listenSSL(
        self,
        port: int,
        factory: IProtocolFactory,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """See `IReactorSSL`; the second time only the certificate is taken over."""
        self._certificate.take(contextFactory)
        if self._port is None:
            self._port = self._reactor.listenSSL(
                port, factory, self._certificate, _longer(backlog), interface
            )
        return self._port


@implementer(ILogObserver)
class Exhaustion:
    """
    What a port does when the process has no open files left: it waits, and says so once a minute.

    Twisted closes those that wait with a file that it holds in reserve, logs several lines for each, and
    comes back at once as long as there are more.  Connections have a bound of their own before that
    (`PushFactory`), so what used the files up is something else, a reaction's connections for example.

    :param port: an open TCP port.
    :param pause: seconds in which it accepts nothing; whoever connects waits in the kernel's queue.
    """

    def __init__(self, port: Any, clock: Any, log: SenderLog, pause: float = 1.0) -> None:
        self._port, self._clock, self._log, self._pause = port, clock, log, pause
        self._paused = False

    def __call__(self, event: LogEvent) -> None:
        """Hear one of the port's own log lines; every one of them is about trouble with `accept`."""
        if self._paused or event.get("acceptError") == "ECONNABORTED":
            return
        self._paused = True
        self._log.say_once(
            "accept",
            "exhausted",
            "no connection can be accepted, because the process or the system has no open files left; raise "
            "LimitNOFILE, or see what holds them with lsof",
        )
        self._port.stopReading()
        self._clock.callLater(self._pause, self._resume)

    def _resume(self) -> None:
        self._paused = False
        if self._port.connected:
            self._port.startReading()


def _endpoint(text: str) -> str:
    return f"tcp:{text}" if text.isdigit() else text


def _longer(backlog: int) -> int:
    return BACKLOG if backlog == _TWISTEDS_BACKLOG else backlog


class Listener(Service):
    """
    One ``[[listen]]``, open.

    :param endpoint: a Twisted endpoint string (``tcp:8089``, ``ssl:8443:privateKey=...``,
        ``tcp6:8089``, ``systemd:domain=INET:index=0``), or just a port.
    :param reactor: where it listens.
    :param drain: seconds that requests under way get when it stops.
    """

    def __init__(self, endpoint: str, factory: PushFactory, reactor: Any, drain: float = 5.0) -> None:
        self.endpoint = _endpoint(endpoint)
        self.factory, self._drain = factory, drain
        self._doorway, self._reactor = Doorway(reactor), reactor
        self._log = SenderLog()
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """
        Bind; under `twistd` still as root.

        :raises ListenError: one plain sentence that names the cure.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if self.port is None:
            self.port = self._listen()

    def startService(self) -> None:
        """Bind, unless that was done.  :raises ListenError: see :meth:`privilegedStartService`."""
        if self.port is None:
            self.port = self._listen()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[Any]:
        """Take no more connections; let the requests under way end."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self.port = self.port, None
        closed = maybeDeferred(lambda: None if port is None else port.stopListening())
        return closed.addCallback(lambda _: self.factory.drain(self._drain))

    def renew(self) -> None:
        """
        Read the certificate again; new connections get it.

        :raises ListenError: when it cannot be read; the old one stays in use.
        """
        if self.endpoint.startswith("ssl:") and self.port is not None:
            self._listen()

    def _listen(self) -> IListeningPort:
        results: list[Any] = []
        try:
            opened = serverFromString(self._doorway, self.endpoint).listen(self.factory)
            opened.addBoth(results.append)
            if not results:
                raise ListenError(f"the endpoint {self.endpoint} does not open at once; use tcp: or ssl:")
            if not IListeningPort.providedBy(results[0]):
                results[0].raiseException()
        except ListenError:
            raise
        except Exception as error:  # endpoints are plugins: they raise what they like
            kind = PortUnavailable if _may_pass(error) else ListenError
            raise kind(_in_words(self.endpoint, error)) from error
        port = results[0]
        if isinstance(port, Port):
            # The one place where Twisted lets us hear of it; the class's own logger is all ports'.
            heard = Exhaustion(port, self._reactor, self._log)
            port._logger = Logger("hikrecv.wire", source=port, observer=heard)
        return port  # type: ignore[no-any-return]


class Listeners(Service):
    """All listeners of a receiver: either all are bound, or none."""

    def __init__(self, listeners: Sequence[Listener], budget: Budget) -> None:
        self.listeners, self.budget = tuple(listeners), budget
        self._log = Logger(namespace="hikrecv.wire")

    def privilegedStartService(self) -> None:
        """:raises ListenError: of the first that cannot be bound."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._each(Listener.privilegedStartService)

    def startService(self) -> None:
        """:raises ListenError: of the first that cannot be bound."""
        self._each(Listener.startService)
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[Any]:
        """Stop them all at the same time."""
        super().stopService()  # type: ignore[no-untyped-call]
        return gatherResults([one.stopService() for one in self.listeners])

    def renew(self) -> None:
        """Read all certificates again; one that cannot be read is logged, and the old one stays."""
        for one in self.listeners:
            try:
                one.renew()
            except ListenError as error:
                self._log.error("{error}; the old certificate stays in use", error=error)

    def addresses(self) -> list[str]:
        """Where each of them really listens: ``127.0.0.1:8089``; a port 0 was chosen by the system."""
        return [where(one.port) for one in self.listeners if one.port is not None]

    def admit(self, config: Config, key: bytes | None = None) -> None:
        """
        Take over changed rules of admission, listener by listener; connections that are open stay.

        :raises ConfigError: and nothing is changed.
        """
        rules = [Admission.from_config(listen, config.devices, key=key) for listen in config.listen]
        if [_endpoint(listen.endpoint) for listen in config.listen] != [
            one.endpoint for one in self.listeners
        ]:
            raise ConfigError("other ports need a restart", "listen")
        self.budget.take_over(config)
        for one, admission, listen in zip(self.listeners, rules, config.listen, strict=True):
            one.factory.intake.admission = admission
            one.factory.mode = listen.mode

    def _each(self, start: Callable[[Listener], None]) -> None:
        try:
            for one in self.listeners:
                start(one)
        except ListenError:
            for one in self.listeners:
                one.stopService()
            raise


def from_config(
    config: Config,
    receive: Receive,
    reactor: Any,
    *,
    watch: Watch,
    key: bytes | None = None,
    complete: Complete = looks_complete,
    wall: Callable[[], int] = time.time_ns,
) -> Listeners:
    """
    The listeners of ``[[listen]]``, not yet bound; they share one budget.

    :param key: secret bytes for login challenges; None takes random ones.
    :raises ConfigError: when a rule of admission cannot work.
    """
    budget = Budget(config.limits, watch, journal=config.journal)
    budget.take_over(config)
    made = []
    for listen in config.listen:
        admission = Admission.from_config(listen, config.devices, key=key)
        factory = PushFactory(
            receive,
            admission,
            config.limits,
            reactor,
            mode=listen.mode,
            watch=watch,
            wall=wall,
            budget=budget,
            complete=complete,
        )
        made.append(Listener(listen.endpoint, factory, reactor))
    return Listeners(made, budget)


def where(port: IListeningPort) -> str:
    """The address of an open port, in words."""
    address = port.getHost()
    host, number = getattr(address, "host", ""), getattr(address, "port", None)
    if number is None:
        return str(address)
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def raise_file_limit() -> int:
    """Allow as many open files as the system lets us; each connection is one.  Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


_NOT_NOW = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENETDOWN, errno.ENETUNREACH})
"""The port is taken, or the machine does not have that address yet: somebody else decides when that ends."""


def _may_pass(error: Exception) -> bool:
    if not isinstance(error, CannotListenError):
        return False
    # An address such as fe80::1%eth1 cannot even be read before its interface is there.
    return error.socketError.errno in _NOT_NOW or isinstance(error.socketError, socket.gaierror)


def _in_words(endpoint: str, error: Exception) -> str:
    if isinstance(error, CannotListenError):
        return f"cannot listen on {endpoint}: {_cure(error.socketError)}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot read {os.fspath(error.filename)} for {endpoint}: {error.strerror}"
    if endpoint.startswith("ssl:") and not isinstance(error, TypeError):
        why = "not a PEM file" if type(error).__module__.startswith("OpenSSL") else error
        return f"cannot open {endpoint}: {why}; see its port, privateKey and certKey"
    return f'"{endpoint}" is not an endpoint such as "tcp:8089": {error}'


def _cure(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return "another program listens there; stop it, or choose another port"
    if number == errno.EACCES:
        return "ports below 1024 are for root; choose a higher one, or grant CAP_NET_BIND_SERVICE"
    if number == errno.EADDRNOTAVAIL:
        return "this machine does not have that address now; wait for its network, or correct `interface`"
    if isinstance(error, socket.gaierror):
        return "its `interface` is no address that this machine has now; wait for its network, or correct it"
    if number == errno.EINVAL:
        return "the address does not fit; one that begins with fe80 needs its interface, such as fe80::1%eth0"
    return str(getattr(error, "strerror", None) or error)

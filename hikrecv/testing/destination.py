"""Where simulated devices send to: an URL, as it is typed into a camera."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from OpenSSL.SSL import Connection
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from hikrecv.errors import HikrecvError


class Destination(msgspec.Struct, frozen=True):
    """A receiver's address.  Cameras verify no certificate, and neither does `verify` = False."""

    host: str
    port: int
    path: str
    tls: bool
    verify: bool = True

    @classmethod
    def parse(cls, url: str, *, verify: bool = True) -> Destination:
        """Read an URL such as ``http://10.0.0.5:8089/``.  :raises HikrecvError: for anything else."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            port, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HikrecvError(f"{url!r} is not an address to send to; write http://HOST:PORT/PATH")
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or (443 if tls else 80), path, tls, verify)

    def endpoint(self, reactor: object) -> IStreamClientEndpoint:
        """A client endpoint that connects there."""
        plain = HostnameEndpoint(reactor, self.host, self.port)
        if not self.tls:
            return plain
        if self.verify:
            return wrapClientTLS(optionsForClientTLS(self.host), plain)
        return wrapClientTLS(_Unverified(), plain)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Connects by TLS as devices do: to whoever answers."""

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        connection = Connection(CertificateOptions().getContext(), None)
        connection.set_connect_state()
        return connection

"""The agents that make connections: one that verifies certificates, one for devices with their own."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from .pool import Pool
from .public import PublicOnly

CONNECT_TIMEOUT = 5.0


class Agents:
    """
    Called with True it gives the agent that verifies TLS, with False the one that does not.

    Each request has a connection of its own: on one that was kept, the server's closing it could
    not be told from a lost answer.  What must not be done twice, like opening a door, goes this way.

    :ivar kept: verifies TLS, and keeps connections for the next request, so :meth:`close` belongs
        to the end; a request may be repeated, see `Pool`.
    :ivar public: verifies TLS, and connects to public addresses only.
    """

    def __init__(self, reactor: Any) -> None:
        verified = BrowserLikePolicyForHTTPS()
        self._agents = {
            True: _agent(reactor, verified),
            False: _agent(reactor, _Unverified()),
        }
        self.public = _agent(PublicOnly(reactor), verified)
        self._pool = Pool(reactor)
        self.kept = _agent(reactor, verified, self._pool)

    def __call__(self, verify_tls: bool = True) -> IAgent:
        """The agent that verifies certificates, or the one that does not."""
        return self._agents[verify_tls]

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept; fires when they are closed."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        return closed


def _agent(reactor: Any, policy: Any, pool: HTTPConnectionPool | None = None) -> IAgent:
    pool = HTTPConnectionPool(reactor, persistent=False) if pool is None else pool
    # Twisted would log two lines for each connection.
    pool._factory.noisy = False
    return Agent(reactor, policy, connectTimeout=CONNECT_TIMEOUT, pool=pool)


@implementer(IPolicyForHTTPS)
class _Unverified:
    """For `verify_tls = false`: devices come with certificates of their own."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return _Connections()


@implementer(IOpenSSLClientConnectionCreator)
class _Connections:
    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(CertificateOptions(verify=False).getContext(), None)
        # Callbacks of Twisted's contexts look for the protocol here; not every version puts it there itself.
        connection.set_app_data(tlsProtocol)
        return connection

"""The agents that make connections: one that verifies certificates, one for devices with their own."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from .public import PublicOnly

CONNECT_TIMEOUT = 5.0


class Agents:
    """
    Called with True it gives the agent that verifies TLS, with False the one that does not.

    Connections are kept for the next request, so :meth:`close` belongs to the end.

    :ivar public: verifies TLS, and connects to public addresses only.
    """

    def __init__(self, reactor: Any) -> None:
        self._pools: list[HTTPConnectionPool] = []
        self._agents = {
            True: self._agent(reactor, BrowserLikePolicyForHTTPS()),
            False: self._agent(reactor, _Unverified()),
        }
        # A pool of its own: a kept connection is not made again, and so would not be looked at.
        self.public = self._agent(PublicOnly(reactor), BrowserLikePolicyForHTTPS())

    def __call__(self, verify_tls: bool = True) -> IAgent:
        """The agent that verifies certificates, or the one that does not."""
        return self._agents[verify_tls]

    def _agent(self, reactor: Any, policy: Any) -> IAgent:
        pool = HTTPConnectionPool(reactor)
        # A request that a device perhaps began to carry out is not for the pool to repeat.
        pool.retryAutomatically = False
        # Twisted would log two lines for each connection.
        pool._factory.noisy = False
        self._pools.append(pool)
        return Agent(reactor, policy, connectTimeout=CONNECT_TIMEOUT, pool=pool)

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept; fires when they are closed."""
        return gatherResults([pool.closeCachedConnections() for pool in self._pools])


@implementer(IPolicyForHTTPS)
class _Unverified:
    """For `verify_tls = false`: devices come with certificates of their own."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return _Connections()


@implementer(IOpenSSLClientConnectionCreator)
class _Connections:
    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(CertificateOptions(verify=False).getContext(), None)

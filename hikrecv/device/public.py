"""Connecting to public addresses only: what a name led to is looked at when the connection is made."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from twisted.internet.error import ConnectError
from zope.interface import directlyProvides, providedBy

_NAT64: Final = ip_network("64:ff9b::/96")


class NotPublic(ConnectError):
    """That address is private, and only public ones are allowed."""

    def __init__(self, address: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.address = address

    def __str__(self) -> str:
        return f"{self.address} is not a public address, and public_only is set"


class PublicOnly:
    """
    A reactor that connects to no loopback, private, link-local or otherwise special address.

    It looks at the very address to which the connection is about to be made: a
    name that leads elsewhere between a check and its use (DNS rebinding), and a
    redirect into the own network, gain nothing.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def connectTCP(self, host: str, *arguments: Any, **named: Any) -> Any:
        """As the reactor's.  :raises NotPublic: when *host* is anything but a public address."""
        if not is_public(host):
            raise NotPublic(host)
        return self._reactor.connectTCP(host, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def is_public(host: str) -> bool:
    """Is *host* an address of the public internet?  Names are not: they could be anything."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        # What these stand for decides: a gateway translates them.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ip_address(int(address) & 0xFFFFFFFF)  # type: ignore[assignment]
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast

"""Addresses as text: one spelling for each, and questions about them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted.internet.address import IPv4Address as Internet4
from twisted.internet.address import IPv6Address as Internet6

from ..units import plain as plain

LOCAL = "127.0.0.1"
"""What stands for a peer without an address: the other end of a unix socket."""

_INTERNET = (Internet4, Internet6)

AnyNetwork = IPv4Network | IPv6Network


def peer_of(address: object) -> tuple[str, int]:
    """The other end of a connection: its address in one spelling, and its port."""
    if isinstance(address, _INTERNET):
        return plain(address.host), address.port
    return LOCAL, 0


def is_loopback(ip: str) -> bool:
    """Whether *ip* is this machine: what a program on it connects from, unless it chooses another address."""
    return ip in (LOCAL, "::1")


def subnet(ip: str) -> str:
    """Who shares a quota: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in ip:
        return ip
    try:
        return str(ip_network(f"{ip}/64", strict=False))
    except ValueError:
        return ip


def networks(texts: Iterable[str]) -> tuple[AnyNetwork, ...]:
    """What the configuration wrote as addresses and networks."""
    return tuple(ip_network(text, strict=False) for text in texts)


def within(ip: str, nets: tuple[AnyNetwork, ...]) -> bool:
    """Whether *ip* is in one of *nets*."""
    if not nets:
        return False  # the common case, asked with every request
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address.version == net.version and address in net for net in nets)

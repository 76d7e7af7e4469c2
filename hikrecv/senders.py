"""
Who a sender is to us: a known device, an admitted sender, or a stranger.

A device is *known* when it sends from the `address` of its table in ``[devices]``, or
knows the `push_login` of that table.  What else a device can say of itself, a MAC or a
serial, anybody can say; and the address of a proxy is everybody's behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

import msgspec

from .config import Config, Listen
from .push import Peer
from .units import Network, plain

PUBLIC = 8
"""An `allow` for this part of all addresses is for everybody: all of public IPv6 is an eighth."""


class SenderClass(IntEnum):
    """The less known goes first wherever something must go."""

    STRANGER = 0
    ADMITTED = 1
    KNOWN = 2

    @property
    def plural(self) -> str:
        """For sentences."""
        return ("strangers", "admitted senders", "known devices")[self]


class Bound(msgspec.Struct, frozen=True):
    """
    The devices whose name nobody else can take.

    :param addresses: the one device of each address, "" where there are several; proxies are left out.
    :param logins: the devices that have a login of their own, by which some listener asks.
    """

    addresses: dict[str, str] = {}
    logins: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(any(self.addresses.values()) or self.logins)

    def has(self, device: str, peer: Peer) -> bool:
        """Whether *peer* proved to be *device*, by its address or by its login."""
        if self.addresses.get(peer.ip) == device:
            return peer.trust != "none"
        return peer.login == device and device in self.logins

    def is_claimed(self, device: str, peer: Peer) -> bool:
        """Whether *peer* only says to be *device*, or something behind it, whose name takes a proof."""
        name = device.partition("/")[0]
        takes_proof = name in self.logins or name in self.addresses.values()
        return takes_proof and not (self.has(device, peer) or self.has(name, peer))


def bound_devices(config: Config) -> Bound:
    """The devices of *config* that are known by an address of their own, or by their login."""
    behind = [ip_network(net) for listen in config.listen for net in listen.proxies]
    several: dict[str, list[str]] = {}
    for name, table in config.devices.items():
        if table.address is not None:
            several.setdefault(plain(table.address), []).append(name)
    addresses = {
        ip: names[0] if len(names) == 1 else "" for ip, names in several.items() if _is_own(ip, behind)
    }
    logins = {
        name
        for name, table in config.devices.items()
        if table.push_login is not None
        and (table.address is not None or any(listen.login != "none" for listen in config.listen))
    }
    return Bound(addresses, frozenset(logins))


def _is_own(ip: str, behind: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False  # a host name: it serves for calls to the device
    return not any(address.version == net.version and address in net for net in behind)


def is_open(listen: Listen) -> bool:
    """
    May anybody send there?

    An `allow` for everybody, in one piece or in several, is none; and whoever stands
    behind a proxy that may send may send, too.
    """
    if listen.token is not None or listen.login != "none":
        return False
    return not listen.allow or everybody(listen.allow) or bool(proxies_let_in(listen))


def everybody(allow: Iterable[Network]) -> bool:
    """Whether *allow* takes in so much of all addresses that strangers are among them."""
    nets = [ip_network(each) for each in allow]
    fours = collapse_addresses(net for net in nets if isinstance(net, IPv4Network))
    sixes = collapse_addresses(net for net in nets if isinstance(net, IPv6Network))
    share4 = sum(net.num_addresses for net in fours) / 2**32
    share6 = sum(net.num_addresses for net in sixes) / 2**128
    return max(share4, share6) >= 1 / PUBLIC


def proxies_let_in(listen: Listen) -> list[str]:
    """The `proxies` whose address is in `allow`, wholly or in part."""
    allowed = [ip_network(each) for each in listen.allow]
    return [
        str(each)
        for each in listen.proxies
        if any(net.version == ip_network(each).version and net.overlaps(ip_network(each)) for net in allowed)
    ]


def classes_of(config: Config) -> frozenset[SenderClass]:
    """The classes that *config* tells apart; strangers are always one of them."""
    found = {SenderClass.STRANGER}
    bound = bound_devices(config)
    if bound.addresses or bound.logins:
        found.add(SenderClass.KNOWN)
    if any(listen.allow or listen.token is not None or listen.login != "none" for listen in config.listen):
        found.add(SenderClass.ADMITTED)
    return frozenset(found)


def class_of(peer: Peer, bound: Bound) -> SenderClass:
    """
    The class of whoever sent a push that was admitted, for whoever has to refuse or to let go.

    :param bound: of the configuration that holds now.
    """
    if peer.login in bound.logins or (peer.trust != "none" and peer.ip in bound.addresses):
        return SenderClass.KNOWN
    return SenderClass.STRANGER if peer.trust == "none" else SenderClass.ADMITTED

"""Public addresses are told from all others, at the moment of connecting."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory, Factory
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from hikrecv.device.agents import Agents
from hikrecv.device.public import NotPublic, PublicOnly, is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_these_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "localhost",
        "example.org",
        "",
        "127.1",
        "0x7f000001",
    ],
)
def test_these_are_not(address: str) -> None:
    assert not is_public(address)


@implementer(IHostnameResolver)
class Names:
    """A name leads to the addresses in it: ``8.8.8.8.and.10.0.0.1``."""

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any) -> Any:
        receiver.resolutionBegan(None)
        for address in hostName.split(".and."):
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()


@pytest.fixture
def reactor() -> Any:
    reactor = MemoryReactorClock()
    reactor.installNameResolver(Names())
    return reactor


def test_the_address_is_looked_at_when_the_connection_is_made(reactor: Any) -> None:
    guarded = PublicOnly(reactor)

    with pytest.raises(NotPublic, match=r"10\.0\.0\.1 is not a public address"):
        guarded.connectTCP("10.0.0.1", 80, Factory())
    guarded.connectTCP("8.8.8.8", 80, ClientFactory())

    assert [host for host, *_ in reactor.tcpClients] == ["8.8.8.8"]


def test_it_is_a_reactor_like_the_one_behind_it(reactor: Any) -> None:
    guarded: Any = PublicOnly(reactor)

    reactor.advance(3)

    assert IReactorTime.providedBy(guarded)
    assert IReactorTCP.providedBy(guarded)
    assert guarded.seconds() == 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_agent_connects_to_no_private_address_whatever_a_name_led_to(reactor: Any, scheme: str) -> None:
    failures: list[Any] = []
    agent = Agents(reactor).public

    agent.request(b"GET", f"{scheme}://169.254.169.254/latest".encode()).addErrback(failures.append)
    reactor.advance(1)

    assert [failure.type for failure in failures] == [NotPublic]
    assert reactor.tcpClients == []


def test_of_several_addresses_only_the_public_ones_are_tried(reactor: Any) -> None:
    Agents(reactor).public.request(b"GET", b"http://10.0.0.1.and.8.8.8.8.and.127.0.0.1/").addErrback(
        lambda _: None
    )
    reactor.pump([0.5] * 4)

    assert [host for host, *_ in reactor.tcpClients] == ["8.8.8.8"]

"""Who says it: device and channel, and which device of the config that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from hikrecv.config import DeviceTable

from .event import Channel, Device
from .fields import Fields, sub, text
from .times import zone_of

FIRST_DIGITAL = 33
"""Channel numbers of a recorder's IP cameras begin here: 33 is D1."""
REMEMBERED = 1024
"""Senders whose identity is not worked out anew for each event."""

_SERIALS = frozenset(
    ("extensions", "deviceserial", "deviceserialno", "serialnumber", "devindex", "deviceuuid", "deviceid")
)
_MAC = re.compile(r"[0-9A-Fa-f]{12}")
_SEPARATORS = re.compile(r"[:\-.\s]")
_NO_MAC = "000000000000"
# A serial becomes an id only when it looks like one: no blanks, nothing that is
# invisible, nothing that is an id of another kind.
_SERIAL_ID = re.compile(r"(?!ip:)[A-Za-z0-9][A-Za-z0-9_.()/+-]{3,95}")
_CHANNEL_ID = re.compile(r"[\w.-]{1,32}", re.ASCII)
# A hybrid recorder's analog inputs: I-1, I-2 ...
_ANALOG = re.compile(r"I-\d+", re.IGNORECASE)


class Claim(NamedTuple):
    """What a document says about its sender; a claim, not a proof."""

    mac: str | None
    ip: str | None
    serial: str | None
    name: str | None
    channel: str | None
    channel_name: str | None
    digital: bool
    """Whether the document is spelled as a recorder does it for an IP camera."""


NOBODY = Claim(None, None, None, None, None, None, False)


class Identity(NamedTuple):
    """
    Who it is, as far as we know.

    :param scope: begins each `key`: what is bound to an address by the config
        stands for itself, every other claim only together with its peer's address.
    """

    device: Device
    channel: Channel | None
    scope: str


class Known:
    """
    The devices of the config.

    Whoever logged in by the `push_login` of a table is that device.  A table with
    an `address` matches only what comes from that address, and of
    several tables with one address the one whose `mac` or `serial` the document
    names.  So a stranger cannot become `gate` by writing its MAC into a body.  A
    table without `address` matches by `mac` or `serial` alone: the operator chose
    to believe the body.  A MAC or serial that contradicts the table never
    matches.  An `address` that is no IP address matches only a peer that is
    called so: names are not resolved here.
    """

    def __init__(self, devices: Mapping[str, DeviceTable]) -> None:
        self._tables = dict(devices)
        self._by_address: dict[str, list[str]] = {}
        self._by_claim: dict[str, str] = {}
        self._macs: dict[str, str | None] = {}
        self._zones: dict[str, tzinfo | None] = {}
        self._identities: dict[tuple[Claim, str, str | None, str | None, str], Identity] = {}
        for name, table in devices.items():
            mac = self._macs[name] = mac_of(table.mac)
            self._zones[name] = zone_of(table.zone)
            if table.address is not None:
                self._by_address.setdefault(plain_address(table.address), []).append(name)
                continue
            if mac is not None:
                self._by_claim.setdefault(mac, name)
            if table.serial is not None:
                self._by_claim.setdefault(table.serial, name)

    def find(self, mac: str | None, serial: str | None, peer: str, login: str = "") -> str | None:
        """The name of the device's table, or None; *login* is the one whose password it knew."""
        if not self._tables:
            return None
        if login in self._tables and self._agrees(login, mac, serial):
            return login
        here = [name for name in self._by_address.get(peer, ()) if self._agrees(name, mac, serial)]
        exact = [name for name in here if self._names(name, mac, serial)]
        if exact or len(here) == 1:
            return (exact or here)[0]
        claimed = self._by_claim.get(mac or "") or self._by_claim.get(serial or "")
        return claimed if claimed is not None and self._agrees(claimed, mac, serial) else None

    def _names(self, name: str, mac: str | None, serial: str | None) -> bool:
        return (mac is not None and mac == self._macs[name]) or (
            serial is not None and serial == self._tables[name].serial
        )

    def _agrees(self, name: str, mac: str | None, serial: str | None) -> bool:
        wanted = self._macs[name]
        if wanted is not None and mac is not None:
            return wanted == mac
        wanted = self._tables[name].serial
        return wanted is None or serial is None or wanted == serial

    def zone(self, name: str | None) -> tzinfo | None:
        """What that device's clock is set to."""
        return None if name is None else self._zones[name]

    def identity(
        self, claim: Claim, peer: str, said_name: str | None, said_serial: str | None, login: str = ""
    ) -> Identity:
        """
        Who it is, and through which channel.

        :param said_name: what any part of the document calls the device.
        :param said_serial: likewise its serial.
        """
        # A device says the same about itself in each of its events.
        asked = (claim, peer, said_name, said_serial, login)
        found = self._identities.get(asked)
        if found is None:
            found = self._identity(*asked)
            if len(self._identities) >= REMEMBERED:  # strangers could make up names for ever
                self._identities.clear()
            self._identities[asked] = found
        return found

    def _identity(
        self, claim: Claim, peer: str, said_name: str | None, said_serial: str | None, login: str
    ) -> Identity:
        name = self.find(claim.mac, claim.serial, peer, login)
        table = None if name is None else self._tables[name]
        channel, beyond = _channel(claim, {} if table is None else table.channels)
        unit = name or self._own_id(claim.mac, said_serial, peer)
        whole = f"{unit}/{channel.id}" if channel is not None and beyond else unit
        device = Device(
            id=whole,
            mac=claim.mac,
            ip=claim.ip,
            serial=said_serial,
            name=(table.name if table is not None else None) or said_name,
        )
        bound = table is not None and table.address is not None
        return Identity(device, channel, whole if bound else f"{whole}@{peer}")

    def _own_id(self, mac: str | None, serial: str | None, peer: str) -> str:
        for own in (mac, serial if mac is None and serial and _SERIAL_ID.fullmatch(serial) else None):
            # Nobody gets the name of a device of the config by calling itself so.
            if own and not any(own == name or own.startswith(f"{name}/") for name in self._tables):
                return own
        return f"ip:{peer}"


def _channel(claim: Claim, names: Mapping[str, str]) -> tuple[Channel | None, bool]:
    """The channel, and whether it is a camera behind a recorder."""
    if claim.channel is None:
        return None, False
    number = int(claim.channel) if claim.channel.isdecimal() else 0
    digital = claim.digital or number >= FIRST_DIGITAL
    name = names.get(claim.channel) or names.get(f"D{number - FIRST_DIGITAL + 1}")
    analog = _ANALOG.fullmatch(claim.channel) is not None
    channel = Channel(
        id=claim.channel,
        name=name or claim.channel_name,
        digital=True if digital else False if analog else None,
    )
    return channel, digital or analog or name is not None


def claim_of(doc: Fields) -> Claim:
    """
    What a document says about its sender.

    Devices name themselves in five ways; the MAC is the best of them, the rest
    serves as serial.  `deviceID` of ANPR cameras is often a two-digit label of
    the operator, which is no identity.
    """
    channel, digital = _channel_of(doc)
    return Claim(
        mac_of(text(doc, "macaddress", "mac")),
        text(doc, "ipaddress", "ipv4", "ipv4address"),
        _serial_of(doc),
        text(doc, "devicename"),
        channel,
        text(doc, "channelname"),
        digital,
    )


def _serial_of(doc: Fields) -> str | None:
    if _SERIALS.isdisjoint(doc):
        return None
    found = text(sub(doc, "extensions"), "serialnumber") or text(
        doc, "deviceserial", "deviceserialno", "serialnumber", "devindex"
    )
    if found is None:
        whole = text(doc, "deviceuuid")  # model, blank, serial
        found = whole.split()[-1] if whole else None
    if found is None:
        identifier = text(doc, "deviceid")
        found = identifier if identifier is not None and len(identifier) > 5 else None
    return found


def _channel_of(doc: Fields) -> tuple[str | None, bool]:
    # Recorders write `dynChannelID` for IP cameras, alone or beside `channelID`.  ANPR
    # and thermal cameras write both as well, with the same number, mostly 1; what
    # tells them apart then is that most recorders call the protocol `protocolType`.
    own = _channel_id(text(doc, "channelid", "channel", "channelno"))
    dynamic = _channel_id(text(doc, "dynchannelid")) if "dynchannelid" in doc else None
    if dynamic is None or (dynamic == "0" and own is not None):
        return own, False
    return dynamic, dynamic != own or dynamic != "1" or "protocoltype" in doc


@lru_cache(maxsize=1024)
def _channel_id(said: str | None) -> str | None:
    return said if said is not None and _CHANNEL_ID.fullmatch(said) else None


@lru_cache(maxsize=4096)
def mac_of(said: str | None) -> str | None:
    """A MAC address in lower case with colons, or None when it is none (or all zeros)."""
    plain = _SEPARATORS.sub("", said) if said else ""
    if not _MAC.fullmatch(plain) or plain == _NO_MAC:
        return None
    plain = plain.lower()
    return ":".join((plain[0:2], plain[2:4], plain[4:6], plain[6:8], plain[8:10], plain[10:12]))


@lru_cache(maxsize=4096)
def plain_address(address: str) -> str:
    """An address as it is compared: an IPv4 address inside IPv6 is itself."""
    try:
        found = ip_address(address.partition("%")[0].strip("[] "))
    except ValueError:
        return address.lower()
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)

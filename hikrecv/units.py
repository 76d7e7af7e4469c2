"""The types of settings that are written as text: spans, sizes, addresses, secrets, and how each is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Seconds(float):
    """A span of time: a number of seconds, or text such as ``30s``, ``5m``, ``2h``, ``30d``, ``500ms``."""


class Bytes(int):
    """A size: a number of bytes, or text such as ``64KB``, ``16MB``, ``20GB`` (powers of 1000)."""


class Network(str):
    """An address or a network: ``10.0.0.0/8``, ``fe80::/10``, ``192.168.1.4``."""


class Zone(str):
    """A time zone: an IANA name (``Europe/Berlin``) or an offset (``+08:00``)."""


class Secret(str):
    """
    A secret, given as ``env:NAME``, ``file:PATH``, or in clear.

    The value is what was read; `repr` and JSON never show it.
    """

    source: str = "config"

    def __repr__(self) -> str:
        return f"Secret(<{self.source}>)"


class Url(Secret):
    """
    An ``http://`` or ``https://`` address without a login.

    Many hold a token, so it is a secret: given as ``env:NAME``, ``file:PATH``, or in clear.
    """


_MAPPED = 96
"""Bits before the IPv4 address in ``::ffff:10.0.0.5``."""
LONGEST = 1000 * 365 * 86400.0
"""Seconds of the longest span: a thousand years; `inf` and `nan` are none."""
LARGEST = 2**63 - 1
"""Bytes of the largest size: what a file system can count."""
_SPAN = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*(ms|s|m|h|d|w)", re.ASCII)
_SPANS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([kKMGTP]?)B?", re.ASCII)
_SIZES = {"P": 10**15, "T": 10**12, "G": 10**9, "M": 10**6, "K": 10**3, "k": 10**3, "": 1}
_MAC = re.compile(r"[0-9a-fA-F]{2}([:. -]?[0-9a-fA-F]{2}){5}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}")
_ADDRESS = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[?[0-9A-Fa-f:.]+(%[\w.-]+)?\]?(:\d+)?", re.ASCII)
_ENDPOINT = re.compile(r"[a-zA-Z][\w-]*:.+", re.ASCII)
_KINDS_WITH_PORT = ("tcp", "tcp6", "ssl")


def read(kind: type, value: object, folder: Path = Path()) -> object:
    """
    *value* of the configuration as one of the types above.

    :param folder: what ``file:`` secrets are relative to.
    :raises ValueError: with what is wrong with it, in words.
    """
    if kind is Seconds:
        return _span(value)
    if kind is Bytes:
        return _size(value)
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {in_words(value)}")
    if kind in _READERS:
        return _READERS[kind](value)
    if kind is Secret:
        return _secret(value, folder)
    if kind is Url:
        return _url(_secret(value, folder))
    raise NotImplementedError(f"{kind.__name__} is not a type for settings")


def _span(value: object) -> Seconds:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST:
        return Seconds(value)
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = float(found[1]) * _SPANS[found[2]] if found else LONGEST + 1
    if seconds > LONGEST:
        raise ValueError(f'{shown(value)} is not a span of time; write "30s", "5m", "2h" or "30d"')
    return Seconds(seconds)


def _size(value: object) -> Bytes:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return Bytes(value)
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    size = float(found[1]) * _SIZES[found[2]] if found else LARGEST + 1
    if size > LARGEST:
        raise ValueError(f'{shown(value)} is not a size; write "64KB", "16MB" or "20GB"')
    return Bytes(size)


def _network(value: str) -> Network:
    if "%" in value:
        raise ValueError(f"{shown(value)} names a zone, and zones are not compared; write it without")
    try:
        net = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f'{shown(value)} is not an address or a network such as "10.0.0.0/8"') from None
    if isinstance(net, IPv6Network) and net.network_address.ipv4_mapped and net.prefixlen >= _MAPPED:
        # An IPv4 device is always called by its IPv4 address here, so the other spelling would never match.
        return Network(IPv4Network((net.network_address.ipv4_mapped, net.prefixlen - _MAPPED)))
    return Network(net)


def plain(ip: str) -> str:
    """
    An address in its one spelling: without zone and brackets, and IPv4 as such.

    A listener on ``::`` sees IPv4 devices as ``::ffff:10.0.0.5``: without this a device would have two
    names, and an allow-list would not match.
    """
    if ":" not in ip:
        return ip
    try:
        address = ip_address(ip.strip("[]").partition("%")[0])
    except ValueError:
        return ip
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _zone(value: str) -> Zone:
    if value and not re.fullmatch(r"[+-]\d\d:\d\d", value, re.ASCII):
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f'{shown(value)} is not a time zone such as "Europe/Berlin" or "+08:00"'
            ) from None
    return Zone(value)


_READERS: dict[type, Callable[[str], object]] = {Network: _network, Zone: _zone}


def _secret(value: str, folder: Path) -> Secret:
    source, _, rest = value.partition(":")
    if source == "env":
        if rest not in os.environ:
            raise ValueError(f"the environment variable {rest!r} is not set")
        return _from(value, os.environ[rest])
    if source == "file":
        try:
            return _from(value, (folder / rest).read_text(encoding="utf-8").strip())
        except (OSError, ValueError):
            raise ValueError(f"cannot read the secret from {str(folder / rest)!r}") from None
    return Secret(value)


def _url(secret: Secret) -> Url:
    try:
        parts = urlsplit(secret)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or not secret.isprintable() or " " in secret:
        raise ValueError('expected an address such as "https://host.example/path"')
    if parts.username is not None:
        raise ValueError("a login does not belong into the address; give it by a key of its own")
    url = Url(secret)
    url.source = secret.source
    return url


def _from(source: str, text: str) -> Secret:
    secret = Secret(text)
    secret.source = source
    return secret


def check_endpoint(value: str) -> None:
    """A port, or a Twisted endpoint such as ``tcp:8089:interface=10.0.0.5``.  :raises ValueError: else."""
    kind, _, rest = value.partition(":")
    number = "0" if _ENDPOINT.fullmatch(value) else value
    if kind in _KINDS_WITH_PORT:
        named = re.search(r"(?:^|:)port=([^:]*)", rest)
        number = named[1] if named else rest.partition(":")[0]
    if not re.fullmatch(r"\d{1,5}", number, re.ASCII) or int(number) > 65535 or not value.isprintable():
        raise ValueError(f'{shown(value)} is not a port (0 to 65535) or an endpoint such as "tcp:8089"')


def check_mac(value: str) -> None:
    """A hardware address, however it is separated.  :raises ValueError: else."""
    if not _MAC.fullmatch(value):
        raise ValueError(f'{shown(value)} is not a hardware address such as "ac:cb:51:19:f5:08"')


def check_address(value: str) -> None:
    """An IP address or a host name, either with a port.  :raises ValueError: else."""
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f'{shown(value)} is not an address such as "10.20.0.14"')


def check_folder(value: str) -> None:
    """The path of a folder, there or not.  :raises ValueError: else."""
    if not value.strip() or not value.isprintable():
        raise ValueError(f"{shown(value)} is not the path of a folder")


# -- in words -----------------------------------------------------------------


def written(value: float) -> str:
    """A span or a size as a person writes it: ``30d``, ``16MB``; any other number as it is."""
    if isinstance(value, Seconds):
        unit = next((unit for unit, size in _SPANS.items() if value and (value / size).is_integer()), "s")
        return f"{value / _SPANS[unit]:.15g}{unit}"
    if isinstance(value, Bytes):
        unit = next(unit for unit, size in _SIZES.items() if not unit or (value and value % size == 0))
        return f"{int(value) // _SIZES[unit]}{unit}B"
    return f"{value}"


def in_words(value: object) -> str:
    """What kind of value that is: ``a number``."""
    return KINDS.get("datetime" if hasattr(value, "isoformat") else _NAMES.get(type(value), ""), "that")


def shown(value: object) -> str:
    """*value* in a sentence: short, on one line."""
    if isinstance(value, bool | dict | list) or hasattr(value, "isoformat"):
        return in_words(value)
    # Python refuses to write out an integer of thousands of digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "such a large number"
    text = f'"{repr(value)[1:-1]}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f'{text[:60]}..."'


KINDS = {
    "str": "text",
    "int": "a number",
    "float": "a number with a fraction",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "datetime": "a date or time",
    "date": "a date or time",
    "time": "a date or time",
    "null": "nothing",
}
"""What kinds of values are called, by the names that msgspec has for them."""
_NAMES = {str: "str", int: "int", float: "float", bool: "bool", dict: "object", list: "array"}

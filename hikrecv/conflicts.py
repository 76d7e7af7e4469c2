"""What of a configuration is right by itself and cannot be meant together: two ports, two devices, a name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from .config import Config, DeviceTable
from .errors import ConfigError, RuleError
from .isapi.identity import mac_of, plain_address
from .reactions.rule import Rule

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104, this binds nothing
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def conflicts(config: Config) -> list[ConfigError]:
    """All of them, each by its path."""
    return [*_ports(config), *_devices(config.devices), *_names(config)]


class _Place(NamedTuple):
    path: str
    endpoint: str
    port: str
    interface: str


def _ports(config: Config) -> Iterator[ConfigError]:
    named = [(f"listen[{number}].endpoint", each.endpoint) for number, each in enumerate(config.listen)]
    if config.metrics.listen is not None:
        named.append(("metrics.listen", config.metrics.listen))
    places = [place for path, endpoint in named if (place := _place(path, endpoint)) is not None]
    for first, second in combinations(places, 2):
        if first.port == second.port and _meet(first, second):
            yield ConfigError(
                f'"{second.endpoint}" is the port of {first.path} already; choose another', second.path
            )


def _place(path: str, endpoint: str) -> _Place | None:
    """Where it listens, for the kinds of endpoints of which we know; port 0 is another one each time."""
    kind, *words = re.split(r"(?<!\\):", f"tcp:{endpoint}" if endpoint.isdigit() else endpoint)
    if kind not in ("tcp", "tcp4", "tcp6", "ssl"):
        return None
    named = dict(word.split("=", 1) for word in words if "=" in word)
    port = named.get("port") or next((word for word in words if "=" not in word), "")
    interface = named.get("interface", "::" if kind == "tcp6" else "").replace("\\:", ":")
    return None if port in ("", "0") else _Place(path, endpoint, port, interface)


def _meet(first: _Place, second: _Place) -> bool:
    # Twisted opens a port for IPv6 only for that: beside it stands one for IPv4.
    if (":" in first.interface) != (":" in second.interface):
        return False
    return first.interface == second.interface or bool({first.interface, second.interface} & {*_EVERYWHERE})


def _devices(tables: Mapping[str, DeviceTable]) -> Iterator[ConfigError]:
    for (one, first), (other, second) in combinations(tables.items(), 2):
        path = f"devices.{other}"
        if first.mac is not None and second.mac is not None and mac_of(first.mac) == mac_of(second.mac):
            yield ConfigError(f"is the mac of devices.{one}, too; only one device has it", f"{path}.mac")
        elif first.serial is not None and first.serial == second.serial:
            yield ConfigError(
                f"is the serial of devices.{one}, too; only one device has it", f"{path}.serial"
            )
        elif _one_address(first, second) and not _told_apart(first, second):
            yield ConfigError(
                f"is the address of devices.{one}, too; give both a mac or a serial to tell them apart",
                f"{path}.address",
            )


def _one_address(first: DeviceTable, second: DeviceTable) -> bool:
    if first.address is None or second.address is None:
        return False
    return plain_address(first.address) == plain_address(second.address)


def _told_apart(first: DeviceTable, second: DeviceTable) -> bool:
    macs = first.mac is not None and second.mac is not None
    return macs or (first.serial is not None and second.serial is not None)


def _names(config: Config) -> Iterator[ConfigError]:
    """Rules that ask for a device which nobody is, and whose name is nearly that of one."""
    known = [*config.devices, *(table.serial for table in config.devices.values() if table.serial)]
    for name, table in config.reactions.items():
        when = table.get("when")
        if not known or not isinstance(when, str) or table.get("enabled") is False:
            continue
        try:
            asked = Rule(when).constants
        except RuleError:
            continue  # the reaction says so itself
        for word, value in asked:
            device = str(value).partition("/")[0]
            if word != "device.id" or device in known or _MAC.fullmatch(device) or device.startswith("ip:"):
                continue
            # One that is like none may be a serial number, which nobody has to configure.
            if near := difflib.get_close_matches(device, config.devices, n=1, cutoff=0.7):
                yield ConfigError(
                    f"no device is called {value!r}; did you mean {near[0]!r}?", f"reactions.{name}.when"
                )

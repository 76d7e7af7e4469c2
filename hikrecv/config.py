"""
The configuration: TOML to one frozen Config, checked before anything listens.

Unknown keys, wrong types and impossible values are a :class:`ConfigError` that
names the key's path.  The reactions' own keys are checked by their plugins'
``Settings`` (see `hikrecv.reactions.plugins`); what is common to all reactions
is in :class:`Common`.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from .errors import ConfigError

T = TypeVar("T")


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


_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SPANS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)B?")
_SIZES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all tables: an unknown key is an error."""


class Listen(_Table, frozen=True, kw_only=True):
    """One ``[[listen]]``: where devices connect, and who may."""

    endpoint: str = "tcp:8089"
    mode: Literal["lenient", "strict"] = "lenient"
    allow: tuple[Network, ...] = ()
    token: Secret | None = None
    login: Literal["none", "basic", "digest"] = "none"
    user: str = ""
    password: Secret | None = None
    deny: Literal["403", "drop"] = "403"
    proxies: tuple[Network, ...] = ()


class Limits(_Table, frozen=True, kw_only=True):
    """``[limits]``: a bound for everything that a device can make us hold or wait for."""

    body: Bytes = Bytes(32_000_000)
    parts: int = 64
    headers: Bytes = Bytes(16_384)
    header_time: Seconds = Seconds(10)
    body_time: Seconds = Seconds(30)
    body_rate: Bytes = Bytes(8_192)
    answer_time: Seconds = Seconds(10)
    idle_time: Seconds = Seconds(1800)
    connections: int = 10_000
    connections_per_address: int = 512
    in_flight: Bytes = Bytes(128_000_000)
    bytes_per_hour: Bytes = Bytes(2_000_000_000)
    pushes_per_hour: int = 50_000


class JournalTable(_Table, frozen=True, kw_only=True):
    """``[journal]``: how much is kept, and for how long."""

    keep: Seconds = Seconds(30 * 86400)
    max: Bytes = Bytes(20_000_000_000)
    hold_max: Bytes | None = None
    segment: Bytes = Bytes(64_000_000)
    ballast: Bytes = Bytes(16_000_000)


class Login(_Table, frozen=True, kw_only=True):
    """A user and a password, for calls to a device or for a device's calls to us."""

    user: str
    password: Secret


class DeviceTable(_Table, frozen=True, kw_only=True):
    """One ``[devices.<name>]``: a device that the operator knows."""

    address: str | None = None
    mac: str | None = None
    serial: str | None = None
    name: str | None = None
    zone: Zone | None = None
    url: str | None = None
    login: Login | None = None
    push_login: Login | None = None
    basic: bool = False
    verify_tls: bool = True
    channels: dict[str, str] = {}


class PluginList(_Table, frozen=True, kw_only=True):
    """``[decode]`` and ``[enrich]``: which plugins, in which order."""

    plugins: tuple[str, ...] = ()


class RemoteCheck(_Table, frozen=True, kw_only=True):
    """``[remote_check]``: who decides when a terminal asks for permission."""

    reactions: tuple[str, ...] = ()
    budget: Seconds = Seconds(3)


class Privacy(_Table, frozen=True, kw_only=True):
    """``[privacy]``: what is masked before anything is written."""

    mask: tuple[Literal["templates", "certificates", "names", "births"], ...] = ()
    unreadable: Literal["keep", "withhold"] = "keep"


class MetricsTable(_Table, frozen=True, kw_only=True):
    """``[metrics]``: where Prometheus and health checks find us."""

    listen: str | None = None


class Log(_Table, frozen=True, kw_only=True):
    """``[log]``: how the receiver speaks."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warn", "error"] = "info"


class Cooldown(_Table, frozen=True, kw_only=True):
    """At most one event in `every`, counted per device, person or plate."""

    every: Seconds
    per: Literal["device", "person", "plate"] = "device"


class Batch(_Table, frozen=True, kw_only=True):
    """Events are handed over together: when `most` are there, or the oldest waited `wait`."""

    most: int = 50
    wait: Seconds = Seconds(60)


class Schedule(_Table, frozen=True, kw_only=True):
    """
    Weekly times in which a reaction wants events.

    :param days: ``mon`` ... ``sun``; empty means every day.
    :param times: ranges such as ``"08:00-18:00"`` or, over midnight, ``"22:00-06:00"``.
    """

    times: tuple[str, ...] = ()
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    zone: Zone = Zone("")


class Common(_Table, frozen=True, kw_only=True):
    """The keys that every ``[reactions.<name>]`` has."""

    plugin: str
    enabled: bool = True
    when: str = ""
    families: tuple[str, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    cooldown: Cooldown | None = None
    max_age: Seconds | None = None
    delivery: Literal["at-least-once", "at-most-once"] | None = None
    duplicates: Literal["deliver", "skip"] = "deliver"
    repeats: Literal["all", "first"] = "all"
    retry: int = 5
    timeout: Seconds = Seconds(30)
    concurrency: int = 1
    isolate: bool = False
    include: tuple[Literal["templates"], ...] = ()
    batch: Batch | None = None
    start: str | int = msgspec.field(default="now", name="from")


class Config(_Table, frozen=True, kw_only=True):
    """The whole configuration, as the receiver uses it."""

    state_dir: str | None = None
    plugin_dirs: tuple[str, ...] = ()
    listen: tuple[Listen, ...] = (Listen(),)
    limits: Limits = Limits()
    journal: JournalTable = JournalTable()
    devices: dict[str, DeviceTable] = {}
    decode: PluginList = PluginList()
    enrich: PluginList = PluginList()
    remote_check: RemoteCheck = RemoteCheck()
    reactions: dict[str, dict[str, Any]] = {}
    privacy: Privacy = Privacy()
    metrics: MetricsTable = MetricsTable()
    log: Log = Log()


def load(path: Path) -> Config:
    """
    Read the file at *path*; paths in it become relative to its folder.

    :raises ConfigError: when it cannot be read or is not a valid configuration.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    return parse(text, folder=path.parent, name=str(path))


def parse(text: str, folder: Path = Path(), name: str = "configuration") -> Config:
    """The same from *text*.  :raises ConfigError: with the path of the key at fault."""
    import tomllib

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}") from None
    # One by one, since msgspec's paths do not name the key of a table of tables.
    devices = raw.pop("devices", {})
    known = convert(devices, dict[str, dict[str, Any]], path="devices")
    config = convert(raw, Config, folder=folder)
    for label, table in config.reactions.items():
        if "plugin" not in table:
            raise ConfigError('says no plugin; write plugin = "<name>"', f"reactions.{label}")
    return msgspec.structs.replace(
        config,
        devices={
            label: convert(table, DeviceTable, path=f"devices.{label}", folder=folder)
            for label, table in known.items()
        },
        state_dir=None if config.state_dir is None else str(folder / config.state_dir),
        plugin_dirs=tuple(str(folder / entry) for entry in config.plugin_dirs),
    )


def convert(raw: object, shape: type[T], *, path: str = "", folder: Path = Path()) -> T:
    """
    Check plain data against a table class; used for our tables and for a plugin's Settings.

    :raises ConfigError: whose path begins with *path*.
    """
    try:
        return msgspec.convert(raw, shape, dec_hook=lambda kind, value: _special(kind, value, folder))
    except msgspec.ValidationError as error:
        raise _in_words(error, path) from None


def _in_words(error: msgspec.ValidationError, path: str) -> ConfigError:
    message, _, place = str(error).partition(" - at `")
    inside = place.rstrip("`").removeprefix("$").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return ConfigError("unknown key; see `hikrecv check --help`", _joined(path, inside, unknown[1]))
    message = message.replace("Object missing required field", "missing the key")
    return ConfigError(message[:1].lower() + message[1:], _joined(path, inside))


def _joined(*names: str) -> str:
    return ".".join(name for name in names if name).replace(".[", "[")


def _special(kind: type, value: object, folder: Path) -> object:
    if kind is Seconds:
        return _span(value)
    if kind is Bytes:
        return _size(value)
    if not isinstance(value, str):
        raise ValueError(f"Expected text, got {type(value).__name__}")
    if kind is Network:
        return _network(value)
    if kind is Zone:
        return _zone(value)
    if kind is Secret:
        return _secret(value, folder)
    if kind is Url:
        return _url(_secret(value, folder))
    raise NotImplementedError(f"{kind.__name__} is not a type for settings")


def _span(value: object) -> Seconds:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Seconds(value)
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a span of time; write "30s", "5m", "2h" or "30d"')
    return Seconds(float(found[1]) * _SPANS[found[2]])


def _size(value: object) -> Bytes:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Bytes(value)
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a size; write "64KB", "16MB" or "20GB"')
    return Bytes(float(found[1]) * _SIZES[found[2]])


def _network(value: str) -> Network:
    try:
        return Network(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f'{value!r} is not an address or a network such as "10.0.0.0/8"') from None


def _zone(value: str) -> Zone:
    if value and not re.fullmatch(r"[+-]\d\d:\d\d", value):
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f'{value!r} is not a time zone such as "Europe/Berlin" or "+08:00"') from None
    return Zone(value)


def _secret(value: str, folder: Path) -> Secret:
    source, _, rest = value.partition(":")
    if source == "env":
        if rest not in os.environ:
            raise ValueError(f"the environment variable {rest} is not set")
        return _from(value, os.environ[rest])
    if source == "file":
        try:
            return _from(value, (folder / rest).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"cannot read the secret from {folder / rest}") from None
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

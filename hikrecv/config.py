"""
The configuration: TOML to one frozen Config, checked before anything listens.

Unknown keys, wrong types and impossible values are a :class:`ConfigError` that
names the key's path.  The reactions' own keys are checked by their plugins'
``Settings`` (see `hikrecv.reactions.plugins`); what is common to all reactions
is in :class:`Common`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from .errors import ConfigError, ConfigErrors
from .shape import between, checked, convert, examine, joined
from .units import (
    Bytes,
    Network,
    Seconds,
    Secret,
    Url,
    Zone,
    check_address,
    check_endpoint,
    check_folder,
    check_mac,
    written,
)

__all__ = [
    "Batch",
    "Bytes",
    "Common",
    "Config",
    "Cooldown",
    "DeviceTable",
    "JournalTable",
    "Limits",
    "Listen",
    "Log",
    "Login",
    "MetricsTable",
    "Network",
    "PluginList",
    "Privacy",
    "RemoteCheck",
    "Schedule",
    "Seconds",
    "Secret",
    "Url",
    "Zone",
    "between",
    "checked",
    "convert",
    "load",
    "parse",
    "parse_plain",
]

# What a number of the configuration may be: wide, but nothing that cannot run.
Wait = Annotated[Seconds, between(0.1, 3600)]
Count = Annotated[int, between(1, 1_000_000)]
Endpoint = Annotated[str, checked(check_endpoint)]
Folder = Annotated[str, checked(check_folder)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all tables: an unknown key is an error."""


class Listen(_Table, frozen=True, kw_only=True):
    """One ``[[listen]]``: where devices connect, and who may."""

    endpoint: Endpoint = "tcp:8089"
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

    body: Annotated[Bytes, between(1_000, 10**9)] = Bytes(32_000_000)
    parts: Annotated[int, between(1, 10_000)] = 64
    headers: Annotated[Bytes, between(500, 10**6)] = Bytes(16_384)
    header_time: Wait = Seconds(10)
    body_time: Wait = Seconds(30)
    body_rate: Annotated[Bytes, between(1, 10**9)] = Bytes(8_192)
    answer_time: Wait = Seconds(10)
    idle_time: Annotated[Seconds, between(0.1, 7 * 86400)] = Seconds(1800)
    connections: Count = 10_000
    connections_per_address: Count = 512
    in_flight: Annotated[Bytes, between(1_000, 10**12)] = Bytes(128_000_000)
    bytes_per_hour: Annotated[Bytes, between(1_000, 10**15)] = Bytes(2_000_000_000)
    pushes_per_hour: Annotated[int, between(1, 10**9)] = 50_000


class JournalTable(_Table, frozen=True, kw_only=True):
    """``[journal]``: how much is kept, and for how long."""

    keep: Annotated[Seconds, between(60, 36500 * 86400)] = Seconds(30 * 86400)
    max: Annotated[Bytes, between(10**6, 10**15)] = Bytes(20_000_000_000)
    hold_max: Annotated[Bytes, between(0, 10**15)] | None = None
    segment: Annotated[Bytes, between(100_000, 10**9)] = Bytes(64_000_000)
    ballast: Annotated[Bytes, between(0, 10**10)] = Bytes(16_000_000)


class Login(_Table, frozen=True, kw_only=True):
    """A user and a password, for calls to a device or for a device's calls to us."""

    user: str
    """The login's name."""
    password: Secret
    """The login's password: `file:...` or `env:...`."""


class DeviceTable(_Table, frozen=True, kw_only=True):
    """One ``[devices.<name>]``: a device that the operator knows."""

    address: Annotated[str, checked(check_address)] | None = None
    mac: Annotated[str, checked(check_mac)] | None = None
    serial: str | None = None
    name: str | None = None
    zone: Zone | None = None
    clock: Literal["learned"] | None = None
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
    budget: Annotated[Seconds, between(0.1, None)] = Seconds(3)


class Privacy(_Table, frozen=True, kw_only=True):
    """``[privacy]``: what is masked before anything is written."""

    mask: tuple[Literal["templates", "certificates", "names", "births"], ...] = ()
    unreadable: Literal["keep", "withhold"] = "withhold"


class MetricsTable(_Table, frozen=True, kw_only=True):
    """``[metrics]``: where Prometheus and health checks find us."""

    listen: Endpoint | None = None


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

    most: Annotated[int, between(None, 100_000)] = 50
    wait: Annotated[Seconds, between(0, 7 * 86400)] = Seconds(60)


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
    hold: Literal["budget", "always"] = "budget"
    when: str = ""
    families: tuple[str, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    cooldown: Cooldown | None = None
    max_age: Seconds | None = None
    delivery: Literal["at-least-once", "at-most-once"] | None = None
    duplicates: Literal["deliver", "skip"] = "deliver"
    repeats: Literal["all", "first"] = "all"
    retry: Annotated[int, between(None, 1_000)] = 5
    timeout: Annotated[Seconds, between(0, 86400)] = Seconds(30)
    concurrency: Annotated[int, between(None, 1_000)] = 1
    isolate: bool = False
    include: tuple[Literal["templates"], ...] = ()
    batch: Batch | None = None
    start: Annotated[str | int, between(None, 2**63 - 1)] = msgspec.field(default="now", name="from")


class Config(_Table, frozen=True, kw_only=True):
    """The whole configuration, as the receiver uses it."""

    state_dir: Folder | None = None
    plugin_dirs: tuple[Folder, ...] = ()
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
    return parse(_text(path), folder=path.parent, name=str(path))


def _text(path: Path) -> str:
    try:
        # Some editors put a mark of the byte order first.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None


def load_partly(path: Path) -> tuple[Config, list[ConfigError]]:
    """
    What of the file at *path* is right, and everything that is wrong by itself.

    A key that is wrong is left out and has its default, so that what depends on the others is checked, too.

    :raises ConfigError: when nothing of it can be used: it is not there, or no TOML.
    """
    text = _text(path)
    try:
        return parse(text, folder=path.parent, name=str(path)), []
    except ConfigError as error:
        errors = list(error.errors) if isinstance(error, ConfigErrors) else [error]
        raw, wrong = _read(text, str(path)), errors
    # A key that is missing takes its table along, and that the one around it: no deeper than tables nest.
    for _ in range(_NESTED):
        for each in wrong:
            _leave_out(raw, each.path)
        try:
            return parse_plain(raw, path.parent), errors
        except ConfigError as error:
            wrong = list(error.errors) if isinstance(error, ConfigErrors) else [error]
    return Config(), errors


_NESTED = 6


def _leave_out(raw: dict[str, Any], path: str) -> None:
    """The key at *path*, or the nearest table around it that is there."""
    inner: Any = raw
    trail: list[tuple[Any, Any]] = []
    for word in re.findall(r"[^.\[\]]+", path):
        key = int(word) if isinstance(inner, list) and word.isdigit() else word.strip('"')
        there = (
            key in inner if isinstance(inner, dict) else isinstance(inner, list) and key in range(len(inner))
        )
        if not there:
            break
        trail.append((inner, key))
        inner = inner[key]
    if trail:
        table, key = trail[-1]
        del table[key]


def parse(text: str, folder: Path = Path(), name: str = "configuration") -> Config:
    """The same from *text*.  :raises ConfigError: with everything that is wrong, each by its path."""
    return parse_plain(_read(text, name), folder)


def parse_plain(raw: dict[str, Any], folder: Path = Path()) -> Config:
    """The same from what a TOML parser gave.  :raises ConfigError: as `parse`."""
    errors = [*examine(raw, Config, folder=folder), *_nameless(raw)] or list(_oversized(raw, folder))
    if errors:
        raise errors[0] if len(errors) == 1 else ConfigErrors(errors)
    config = convert(raw, Config, folder=folder)
    return msgspec.structs.replace(
        config,
        state_dir=None if config.state_dir is None else str(folder / config.state_dir),
        plugin_dirs=tuple(str(folder / entry) for entry in config.plugin_dirs),
    )


def _read(text: str, name: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # also for a number of thousands of digits
        raise ConfigError(f"{name} is not valid TOML: {error}") from None


def _nameless(raw: dict[str, Any]) -> Iterator[ConfigError]:
    tables = raw.get("reactions")
    for label, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict) and "plugin" not in table:
            yield ConfigError('says no plugin; write plugin = "<name>"', joined("reactions", label))


def _oversized(raw: dict[str, Any], folder: Path) -> Iterator[ConfigError]:
    table = convert(raw.get("journal", {}), JournalTable, folder=folder)
    most = table.max // 4
    # The usual size gives way to a small journal by itself.
    if table.segment > most and table.segment != JournalTable().segment:
        yield ConfigError(f"must be at most a quarter of max, here {written(Bytes(most))}", "journal.segment")

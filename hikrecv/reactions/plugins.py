"""
Finding and loading plugins, each by itself: a broken one is a line in a list, never the end of a start.

Installed is not enabled: finding reads only the names of what is there.  A plugin
is imported when the configuration names it, or when all are listed.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import msgspec

from hikrecv.errors import BrokenPlugin, PluginError

from .context import Context
from .files import files_in, import_file
from .hooks import Hook, hooks_of
from .hookspecs import API
from .settings import COMMON_KEYS

GROUP = "hikrecv"

Delivery = Literal["at-least-once", "at-most-once"]


class Plugin(msgspec.Struct, frozen=True):
    """
    A plugin that fits this hikrecv.

    :param origin: what to install or edit: a distribution with its version, or a file.
    :param subject: the module with the hooks, or the class that is made once a reaction.
    :param hooks: the names of the hooks that it implements.
    """

    name: str
    origin: str
    subject: ModuleType | type
    hooks: tuple[str, ...]
    settings: type[msgspec.Struct] | None
    acts: bool
    delivery: Delivery | None

    def make(self, context: Context) -> dict[str, Hook]:
        """
        The hooks of one reaction, on an instance of its own when the plugin is a class.

        :raises PluginError: when the class cannot be made.
        """
        if isinstance(self.subject, ModuleType):
            return hooks_of(self.subject)
        try:
            return hooks_of(_instance(self.subject, context))
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"the plugin {self.name} could not be made: {_says(error)}") from error


class Failure(msgspec.Struct, frozen=True):
    """A plugin that cannot be used, and why, in a sentence with the cure."""

    name: str
    origin: str
    reason: str


class _Source(msgspec.Struct, frozen=True):
    origin: str
    load: EntryPoint | Path


class Plugins:
    """
    What is installed, by name.  Nothing is imported before it is asked for.

    :param strict: the first failure is raised instead of recorded, as a test run wants it.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._sources: dict[str, _Source] = {}
        self._loaded: dict[str, Plugin] = {}
        self._failed: dict[str, Failure] = {}
        self._refused: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that was found, whether it can be loaded or not."""
        return tuple(sorted(self._sources))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What was found to be broken so far."""
        return tuple(self._failed.values())

    def load_all(self) -> tuple[Plugin, ...]:
        """Import everything; the broken ones are in `failures` afterwards."""
        loaded = (self._try(name) for name in self.names)
        return tuple(plugin for plugin in loaded if plugin is not None)

    def get(self, name: str) -> Plugin:
        """
        The plugin of that name, imported if need be.

        :raises PluginError: when there is none; it says the cure.
        :raises BrokenPlugin: when there is, and it cannot be loaded.
        """
        plugin = self._try(name) if name in self._sources else None
        if plugin is not None:
            return plugin
        if name in self._failed:
            raise BrokenPlugin(f"the plugin {name} is broken: {self._failed[name].reason}")
        near = difflib.get_close_matches(name, self.names, n=1)
        meant = f"did you mean {near[0]}? Else " if near else ""
        unseen = "".join(f"; {folder} was not looked at: {why}" for folder, why in self._refused.items())
        raise PluginError(f"there is no plugin {name!r}; {meant}pip install hikrecv-{name}{unseen}")

    def add(self, name: str, origin: str, load: EntryPoint | Path) -> None:
        """Know a plugin; the second of a name is a failure and the first stays."""
        if name in self._sources:
            first = self._sources[name].origin
            self._fail(f"{name} ({origin})", origin, f"{first} has this name already; rename one of them")
        else:
            self._sources[name] = _Source(origin, load)

    def refuse(self, folder: str, reason: str) -> None:
        """Record that the plugins in *folder* are not looked at."""
        self._refused[folder] = reason
        self._fail(folder, folder, reason)

    def _try(self, name: str) -> Plugin | None:
        if name in self._loaded or name in self._failed:
            return self._loaded.get(name)
        source = self._sources[name]
        try:
            self._loaded[name] = _load(name, source)
        except PluginError as error:
            self._fail(name, source.origin, str(error))
        # SystemExit too: a module that calls sys.exit() must not end the receiver.
        except (Exception, SystemExit) as error:
            self._fail(name, source.origin, f"its import failed: {_says(error)}; reinstall or repair it")
        return self._loaded.get(name)

    def _fail(self, name: str, origin: str, reason: str) -> None:
        if self.strict:
            raise PluginError(f"{origin}: {name}: {reason}")
        self._failed[name] = Failure(name, origin, reason)


def find(
    plugin_dirs: Iterable[str | Path] = (),
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
    strict: bool = False,
    installed: Sequence[EntryPoint] | None = None,
) -> Plugins:
    """
    Find what is installed (entry points of the group ``hikrecv``) and the files of *plugin_dirs*.

    :param only: when given, nothing else is looked at.
    :param without: names that are not looked at.
    :param installed: instead of the environment's entry points.
    :raises PluginError: in *strict* mode, for the first thing that is wrong.
    """
    plugins = Plugins(strict=strict)
    points = entry_points(group=GROUP) if installed is None else installed
    for point in sorted(points, key=lambda point: point.name):
        if _wanted(point.name, only, without):
            plugins.add(point.name, _distribution(point), point)
    for folder in map(Path, plugin_dirs):
        try:
            files = files_in(folder)
        except PluginError as error:
            plugins.refuse(str(folder), str(error))
            continue
        for file in files:
            if _wanted(file.stem, only, without):
                plugins.add(file.stem, str(file), file)
    return plugins


def _wanted(name: str, only: Collection[str], without: Collection[str]) -> bool:
    return name not in without and (not only or name in only)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _load(name: str, source: _Source) -> Plugin:
    found = import_file(source.load) if isinstance(source.load, Path) else source.load.load()
    if not isinstance(found, ModuleType | type):
        raise PluginError(f"its entry point names a {type(found).__name__}; it must name a module or a class")
    subject = _subject(found)
    hooks = tuple(hooks_of(subject))
    if not hooks:
        raise PluginError("it implements no hook; mark one with @hookimpl")
    _check_api(subject)
    return Plugin(
        name=name,
        origin=source.origin,
        subject=subject,
        hooks=hooks,
        settings=_settings(subject),
        acts=bool(_said(subject, "acts", False)),
        delivery=_delivery(subject),
    )


def _subject(found: ModuleType | type) -> ModuleType | type:
    """The module itself, or its class ``Plugin`` when it has no hook of its own."""
    inner = getattr(found, "Plugin", None)
    own = any(name.startswith("hikrecv_") for name in vars(found))
    return inner if isinstance(found, ModuleType) and isinstance(inner, type) and not own else found


def _instance(made: type, context: Context) -> object:
    """A class that has no use for the context need not take it."""
    return made(context) if inspect.signature(made).parameters else made()


def _said(subject: ModuleType | type, name: str, default: Any = None) -> Any:
    """What a plugin says about itself, in the class or else in its module."""
    module = inspect.getmodule(subject) if isinstance(subject, type) else None
    return getattr(subject, name, getattr(module, name, default))


def _check_api(subject: ModuleType | type) -> None:
    version = _said(subject, "HIKRECV_API", API)
    if version != API:
        raise PluginError(
            f"it was written for version {version!r} of the plugin API and this hikrecv has {API}; "
            f"{'upgrade hikrecv' if isinstance(version, int) and version > API else 'upgrade the plugin'}"
        )


def _settings(subject: ModuleType | type) -> type[msgspec.Struct] | None:
    shape = _said(subject, "Settings")
    if shape is None:
        return None
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        raise PluginError("its Settings must be a class Settings(msgspec.Struct, frozen=True)")
    if not shape.__struct_config__.frozen:
        raise PluginError("its Settings can be changed; write class Settings(msgspec.Struct, frozen=True)")
    taken = sorted(COMMON_KEYS & {field.encode_name for field in msgspec.structs.fields(shape)})
    if taken:
        raise PluginError(f"its setting {taken[0]} is a key that every reaction has; give it another name")
    return shape


def _delivery(subject: ModuleType | type) -> Delivery | None:
    delivery = _said(subject, "delivery")
    if delivery not in (None, "at-least-once", "at-most-once"):
        raise PluginError(f'its delivery is {delivery!r}; it must be "at-least-once" or "at-most-once"')
    return cast("Delivery | None", delivery)


def _says(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

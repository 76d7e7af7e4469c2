"""The hook functions of a plugin: checked against the specifications, and how each wants to be called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pluggy

from hikrecv.errors import PluginError

from .hookspecs import Hooks

HOOKS = tuple(name for name in vars(Hooks) if name.startswith("hikrecv_"))
Kind = Literal["plain", "async", "deferred"]


class Hook(msgspec.Struct, frozen=True):
    """
    A plugin's implementation of one hook.

    :param kind: ``plain`` belongs into the reaction's thread; ``async`` gives a
        coroutine and ``deferred`` a Deferred, both on the reactor.
    :param argnames: the arguments of the specification that it asks for.
    """

    name: str
    function: Callable[..., Any]
    kind: Kind
    argnames: tuple[str, ...]

    def __call__(self, **values: Any) -> Any:
        """Call the function with those of *values* that it names; what it gives is not awaited."""
        return self.function(*[values[name] for name in self.argnames])


def kind_of(function: Callable[..., Any]) -> Kind:
    """How *function* is written, seen through ``functools.partial`` and bound methods."""
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return "async"
    return "deferred" if getattr(function, "hikrecv_deferred", False) else "plain"


def hooks_of(subject: object) -> dict[str, Hook]:
    """
    The hooks of a module, a class or an instance, by name.

    :raises PluginError: when one does not fit its specification; it says how.
    """
    _check_marks(subject)
    manager = pluggy.PluginManager("hikrecv")
    manager.add_hookspecs(Hooks)
    try:
        manager.register(subject)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_hook_error(str(error))) from None
    return {caller.name: _hook(caller) for caller in manager.get_hookcallers(subject) or ()}


def _hook(caller: pluggy.HookCaller) -> Hook:
    implementations = caller.get_hookimpls()
    if len(implementations) > 1:
        raise PluginError(f"it implements {caller.name} twice; a reaction calls one function a hook")
    found = implementations[0]
    if found.wrapper or found.hookwrapper:
        raise PluginError(
            f"its {caller.name} is a wrapper; hikrecv has none, each plugin is called by itself"
        )
    hook = Hook(caller.name, found.function, kind_of(found.function), tuple(found.argnames))
    if hook.name == "hikrecv_decode" and hook.kind != "plain":
        raise PluginError(
            "its hikrecv_decode must be a plain function; the push is decoded while it is written"
        )
    return hook


def _check_marks(subject: object) -> None:
    """A hook without its mark would never be called, and nobody would know why."""
    for name in dir(subject):
        if not name.startswith("hikrecv_"):
            continue
        function = inspect.getattr_static(subject, name)
        if inspect.isfunction(function) and function is not vars(Hooks).get(name):
            if not hasattr(function, "hikrecv_impl"):
                raise PluginError(f"its {name} is not marked; write @hookimpl above it")
            if name not in HOOKS and not (function.hikrecv_impl or {}).get("specname"):
                raise PluginError(f"there is no hook {name}; {_nearest(name)}")
            _check_arguments(name, function)


def _check_arguments(name: str, function: Callable[..., Any]) -> None:
    """In our words: pluggy's are about itself."""
    if name not in HOOKS:
        return
    known = [each for each in inspect.signature(vars(Hooks)[name]).parameters if each != "self"]
    for argument, given in inspect.signature(function).parameters.items():
        if argument not in ("self", *known) and given.default is inspect.Parameter.empty:
            raise PluginError(
                f"its {name} has an argument {argument}; it may have {' and '.join(known)}, by these names"
            )


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(HOOKS)}"


def _hook_error(message: str) -> str:
    return f"its hooks do not fit: {' '.join(message.split())}"

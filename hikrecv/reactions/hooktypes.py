"""
What a type checker knows about ``@hookimpl`` and ``@deferred``; never imported by a running receiver.

A decorator cannot see the name of the function below it, so the check is by
arguments: their names and types must be those of some hook, in any order and
any of them left out, and the result must be one that such a hook may give.
The first argument of a method is known by its name, `self`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from hikrecv.isapi.event import Event
from hikrecv.push import Push

from .context import Context

Added = Event | Mapping[str, Any] | None
OfEvent = bool | Added | Awaitable[None] | Awaitable[bool] | Awaitable[bool | None] | Awaitable[Added]
"""`hikrecv_event`, `hikrecv_remote_check` and `hikrecv_enrich` have the same arguments."""
Nothing = Awaitable[None] | None


class _Event(Protocol):
    def __call__(self, *, event: Event) -> OfEvent: ...


class _EventContext(Protocol):
    def __call__(self, *, event: Event, context: Context) -> OfEvent: ...


class _Events(Protocol):
    def __call__(self, *, events: Sequence[Event]) -> Nothing: ...


class _EventsContext(Protocol):
    def __call__(self, *, events: Sequence[Event], context: Context) -> Nothing: ...


class _Push(Protocol):
    def __call__(self, *, push: Push) -> Sequence[Event] | None: ...


class _Context(Protocol):
    def __call__(self, *, context: Context) -> Nothing: ...


class _Bare(Protocol):
    def __call__(self) -> Nothing: ...


class _EventMethod(Protocol):
    def __call__(this, self: Any, *, event: Event) -> OfEvent: ...


class _EventContextMethod(Protocol):
    def __call__(this, self: Any, *, event: Event, context: Context) -> OfEvent: ...


class _EventsMethod(Protocol):
    def __call__(this, self: Any, *, events: Sequence[Event]) -> Nothing: ...


class _EventsContextMethod(Protocol):
    def __call__(this, self: Any, *, events: Sequence[Event], context: Context) -> Nothing: ...


class _PushMethod(Protocol):
    def __call__(this, self: Any, *, push: Push) -> Sequence[Event] | None: ...


class _ContextMethod(Protocol):
    def __call__(this, self: Any, *, context: Context) -> Nothing: ...


class _BareMethod(Protocol):
    def __call__(this, self: Any) -> Nothing: ...


_Function = _Event | _EventContext | _Events | _EventsContext | _Push | _Context | _Bare
_Method = (
    _EventMethod
    | _EventContextMethod
    | _EventsMethod
    | _EventsContextMethod
    | _PushMethod
    | _ContextMethod
    | _BareMethod
)
HookFunction = TypeVar("HookFunction", bound=_Function | _Method)
DeferredFunction = TypeVar("DeferredFunction", bound=Callable[..., Deferred[Any]])


def hookimpl(function: HookFunction, /) -> HookFunction:
    """Mark the function below as the implementation of the hook of its name."""
    return function


def deferred(function: DeferredFunction, /) -> DeferredFunction:
    """Mark a hook that is a plain function but returns a Deferred: it runs on the reactor."""
    return function

"""
The hooks of a plugin: the page that its author reads.

A plugin is a module (or a class, of which every ``[reactions.<name>]`` table
gets an instance of its own, made with the `Context`) that says::

    HIKRECV_API = 1

(one that says nothing is taken to mean this version) and implements one or more
of the functions of :class:`Hooks`, marked with ``@hookimpl``.  A hook may leave
out the arguments that it does not need, but may not rename them.  A class may
inherit :class:`Hooks`, so that a type checker
compares each hook with its specification by name.

What else a plugin says of itself stands in its module or its class: `Settings`, the
keys of its table; ``acts = True``, when it opens or switches something;
``delivery = "at-most-once"``, when it must not repeat what it did; ``dry_run = True``,
when it looks at `context.dry_run`, or does nothing but by the context: only then is
it called in a dry run.

How a hook is run is decided by how it is written:

- ``async def`` runs on the reactor and must not block;
- a function marked ``@deferred`` too, and returns a Deferred;
- a plain ``def`` runs in the reaction's own thread and may block.

How a hook ends decides what happens to the event:

- it returns: done;
- it raises :class:`hikrecv.Retry`, times out or loses a connection: again, later;
- it raises :class:`hikrecv.Reject`: a dead letter, at once;
- it raises :class:`hikrecv.Hold`: nothing goes until an operator acts, as with a wrong password;
- it raises anything else: a bug; tried a few times, then a dead letter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import pluggy

from hikrecv.isapi.event import Event
from hikrecv.push import Push

from .context import Context

__all__ = ["API", "Hooks", "Later", "deferred", "hookimpl"]

API: Final = 1
"""The version of these hooks; a module says ``HIKRECV_API = 1`` when it was written for them."""

T = TypeVar("T")
Later: TypeAlias = T | Awaitable[T]
"""A result, or what gives it when awaited: a coroutine or a Deferred."""

hookspec = pluggy.HookspecMarker("hikrecv")

if TYPE_CHECKING:
    from .hooktypes import deferred, hookimpl
else:
    hookimpl = pluggy.HookimplMarker("hikrecv")

    def deferred(function: Callable) -> Callable:
        """Mark a hook that is a plain function but returns a Deferred: it runs on the reactor."""
        function.hikrecv_deferred = True
        return function


class Hooks:
    """Everything that a plugin can implement."""

    @hookspec
    def hikrecv_event(self, event: Event, context: Context) -> Later[None]:
        """React to one event that the reaction wants."""

    @hookspec
    def hikrecv_events(self, events: Sequence[Event], context: Context) -> Later[None]:
        """
        React to many events at once; returning means that all of them are done.

        Called when the table says ``batch = { most = 50, wait = "5m" }``, and
        with single events by plugins that have no `hikrecv_event`.
        """

    @hookspec
    def hikrecv_remote_check(self, event: Event, context: Context) -> Later[bool | None]:
        """
        May the terminal that waits open?  True, False, or None for "no opinion".

        Asked in the order of ``[remote_check]``; the first False, failure or
        time-out denies.  The terminal gives up after 5 seconds.
        """

    @hookspec
    def hikrecv_decode(self, push: Push) -> Sequence[Event] | None:
        """
        Read a body that nobody understood, or a vendor's own form; None when it is not yours.

        Runs on the reactor while the push is written, so it must be quick, and
        cannot be asynchronous.  Enabled by ``[decode] plugins = [..]``.
        """

    @hookspec
    def hikrecv_enrich(self, event: Event, context: Context) -> Later[Event | Mapping[str, Any] | None]:
        """
        Add to an event before the rules look at it.

        Return ``event.replace(...)``, or a dict that becomes ``event.extra["<plugin>"]``;
        None leaves the event as it is.  Enabled by ``[enrich] plugins = [..]``.
        """

    @hookspec
    def hikrecv_start(self, context: Context) -> Later[None]:
        """Prepare: called once before the reaction's first event."""

    @hookspec
    def hikrecv_stop(self, context: Context) -> Later[None]:
        """Clean up: called once after the reaction's last event, within a bound."""

"""
hikrecv: a receiver for the events that Hikvision devices push over HTTP.

What a plugin author imports stands here, and in four modules beside: the types
of settings in `hikrecv.config` (`Secret`, `Url`, `Seconds`, `Bytes`, `Login` ...),
`hikrecv.templates`, the names of an event in `hikrecv.reactions.words`, and for
tests `hikrecv.testing`.  The names here are resolved on first use (PEP 562), so
that the receiver does not pay for the parts that only plugins need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import Hold, Reject, Retry
    from .isapi.event import (
        Access,
        Audio,
        Box,
        Candidate,
        Channel,
        Counting,
        Device,
        Episode,
        Event,
        Face,
        Intercom,
        Io,
        Match,
        Panel,
        Picture,
        Plate,
        Point,
        Region,
        Target,
        Thermal,
        Vehicle,
    )
    from .push import Anomaly, Answer, Peer, Push
    from .reactions.context import Context
    from .reactions.hookspecs import deferred, hookimpl

_HOMES = {
    "hookimpl": "reactions.hookspecs",
    "deferred": "reactions.hookspecs",
    "Context": "reactions.context",
    "Retry": "errors",
    "Hold": "errors",
    "Reject": "errors",
    "Push": "push",
    "Peer": "push",
    "Anomaly": "push",
    "Answer": "push",
}

__all__ = [
    "Access",
    "Anomaly",
    "Answer",
    "Audio",
    "Box",
    "Candidate",
    "Channel",
    "Context",
    "Counting",
    "Device",
    "Episode",
    "Event",
    "Face",
    "Hold",
    "Intercom",
    "Io",
    "Match",
    "Panel",
    "Peer",
    "Picture",
    "Plate",
    "Point",
    "Push",
    "Region",
    "Reject",
    "Retry",
    "Target",
    "Thermal",
    "Vehicle",
    "deferred",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'hikrecv' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"hikrecv.{_HOMES.get(name, 'isapi.event')}")
    value: object = getattr(home, name)
    globals()[name] = value
    return value

"""How one call of a hook ended, and which exception means which end."""

from __future__ import annotations

import errno
import socket
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec
from twisted.internet import defer, error
from twisted.python.failure import Failure

from hikrecv.errors import Hold, Reject, Retry


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The hook returned *value*."""

    value: Any = None


class Again(msgspec.Struct, frozen=True, tag="again"):
    """
    Not done, and it may be done later.

    :param after: seconds that the plugin asked to wait, or None for the back-off.
    :param certain: the plugin itself said so (`Retry`): nothing has happened yet.
        After a time-out or a lost connection nobody knows.
    """

    reason: str
    after: float | None = None
    certain: bool = False


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The plugin will never do this."""

    reason: str


class OnHold(msgspec.Struct, frozen=True, tag="held"):
    """Certainly not done; nothing will be, until an operator acts."""

    reason: str


class Bug(msgspec.Struct, frozen=True, tag="bug"):
    """The plugin failed in a way that it did not foresee.  `trace` is for the log."""

    reason: str
    trace: str = ""


Outcome = Done | Again | Refused | OnHold | Bug

_LONGEST_REASON = 300
_LONGEST_TRACE = 4_000

_AWAY = (
    TimeoutError,
    defer.TimeoutError,
    error.ConnectError,
    error.ConnectionClosed,
    error.ConnectInProgressError,
    error.DNSLookupError,
    ConnectionError,
    socket.gaierror,
)
_AWAY_ERRNO = frozenset(
    {
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTUNREACH,
        errno.EHOSTDOWN,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
        errno.EPIPE,
        errno.ENOTCONN,
        errno.ESHUTDOWN,
    }
)
# Blocking HTTP libraries have names of their own for the same, below OSError.
_AWAY_NAMES = frozenset({"ConnectionError", "Timeout"})


def judge(problem: BaseException) -> Again | Refused | OnHold | Bug:
    """
    The end that *problem*, raised by a hook, stands for.

    SystemExit and KeyboardInterrupt are a plugin's bug like any other: the
    receiver's life is not a plugin's to end.
    """
    if isinstance(problem, Retry):
        return Again(in_words(problem, named=False), problem.after, certain=problem.certain)
    if isinstance(problem, Reject):
        return Refused(in_words(problem, named=False))
    if isinstance(problem, Hold):
        return OnHold(in_words(problem, named=False))
    if any(_is_away(inner) for inner in _layers(problem)):
        return Again(in_words(problem))
    return Bug(in_words(problem), _trace(problem))


def in_words(problem: BaseException, *, named: bool = True) -> str:
    """*problem* as one bounded line; it may quote a device, so nothing in it is a control character."""
    try:
        text = str(problem)
    except Exception:  # a plugin's exception may not even be able to say what it is
        text = ""
    if named:
        text = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST_REASON])
    return " ".join(line.split())[:_LONGEST_REASON]


def _trace(problem: BaseException) -> str:
    """The traceback from where the plugin's own code begins; what is above it helps nobody."""
    step = problem.__traceback__
    while step is not None and _is_ours(step.tb_frame.f_globals.get("__name__", "")):
        step = step.tb_next
    lines = traceback.format_exception(type(problem), problem, step or problem.__traceback__)
    return "".join(lines)[-_LONGEST_TRACE:]


def _is_ours(module: str) -> bool:
    return module.startswith(("hikrecv.", "twisted."))


def _is_away(problem: BaseException) -> bool:
    if isinstance(problem, _AWAY):
        return True
    if not isinstance(problem, OSError):
        return False
    return problem.errno in _AWAY_ERRNO or any(base.__name__ in _AWAY_NAMES for base in type(problem).__mro__)


def _layers(problem: BaseException) -> Iterator[BaseException]:
    """*problem* and what it openly wraps: `URLError.reason`, the `reasons` of Twisted's HTTP client."""
    yield problem
    reason = getattr(problem, "reason", None)
    if isinstance(reason, BaseException):
        yield reason
    reasons = getattr(problem, "reasons", None)
    for inner in reasons if isinstance(reasons, list | tuple) else ():
        if isinstance(inner, Failure) and isinstance(inner.value, BaseException):
            yield inner.value

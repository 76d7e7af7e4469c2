"""
Every exception of hikrecv.

The docstring of an error is the text an operator reads when nothing better is
known; the message given at the raise is one plain sentence that names the thing
and the cure.  An error that ends as an HTTP answer knows its status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class HikrecvError(Exception):
    """Something went wrong in hikrecv."""

    status: ClassVar[int | None] = None
    """The HTTP status that a device is told, where the error ends in an answer."""
    exit_code: ClassVar[int] = 1
    """What a command exits with; `docs/reference/exit-codes-and-errors.md` has them all."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip()


class WrongUse(HikrecvError):
    """The command was not used as it is meant to be."""

    exit_code = 2


# -- before anything listens ----------------------------------------------


class ConfigError(HikrecvError):
    """The configuration cannot be used."""

    exit_code = 3

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class ConfigErrors(ConfigError):
    """Several things are wrong with the configuration."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class ListenError(HikrecvError):
    """The receiver could not listen on a port."""

    exit_code = 3


class PortUnavailable(ListenError):
    """A port or an address is not available now; it may be later, so a service manager may try again."""

    exit_code = 5


class StateError(HikrecvError):
    """The state directory cannot be used."""

    exit_code = 3


class StateInUse(StateError):
    """Another process writes to this state directory."""


class StateTooNew(StateError):
    """A newer hikrecv wrote this state directory; install that version to read it."""


# -- keeping ----------------------------------------------------------------


class JournalError(HikrecvError):
    """The journal could not keep or give an event."""

    status = 503


class JournalFull(JournalError):
    """The disk or the journal's own budget is full."""


class JournalBroken(JournalError):
    """A write or a sync failed; nothing more is acknowledged and the receiver stops."""


class Gone(JournalError):
    """That event is no longer kept."""


class IndexBroken(StateError):
    """The index is damaged; it is made again from the journal."""


class LedgerError(StateError):
    """The book of the reactions' places is lost or damaged."""


class LedgerBusy(LedgerError):
    """The book of the reactions' places cannot be used now; it is neither lost nor damaged."""


# -- what a device sent ------------------------------------------------------


class Refused(HikrecvError):
    """A request was refused; `status` says how."""

    status = 400

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.http_status = status
        self.reason = reason


class Undecodable(HikrecvError):
    """A document is neither XML nor JSON, even after repair."""


# -- reactions ---------------------------------------------------------------


class PluginError(HikrecvError):
    """A plugin could not be loaded or does not fit this hikrecv."""

    exit_code = 3


class BrokenPlugin(PluginError):
    """A plugin is there and cannot be loaded."""


class RuleError(ConfigError):
    """A `when` cannot be used."""


class Retry(HikrecvError):
    """
    Not done yet: call again later.

    :param reason: what is missing, for the operator.
    :param after: seconds to wait at least; None leaves it to the back-off.
    :param certain: it was certainly not done.  False when an answer was lost on
        the way; what must not be repeated is then not tried again.
    """

    def __init__(
        self, reason: str = "not done yet", *, after: float | None = None, certain: bool = True
    ) -> None:
        super().__init__(reason)
        self.after = after
        self.certain = certain


class Reject(HikrecvError):
    """This event will never be done by this reaction: it becomes a dead letter at once."""

    def __init__(self, reason: str = "refused for good") -> None:
        super().__init__(reason)
        self.reason = reason


class LoginRefused(Reject):
    """A configured device does not let us in.  A reaction to several devices goes on with the others."""


class Hold(HikrecvError):
    """
    Nothing is wrong with the event, but nothing can go until an operator acts.

    A wrong password, an account that has run out: the reaction holds, says so, and
    tries now and then whether it is over.  No event is given up for it, and it is
    certain that this one was not done.

    :param reason: what is refused and where it is put right, for the operator.
    """

    def __init__(self, reason: str = "nothing can go until an operator acts") -> None:
        super().__init__(reason)
        self.reason = reason

"""Commands that change something: through a running receiver, else under the lock by ourselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hikrecv import control
from hikrecv.errors import LedgerError
from hikrecv.journal.ledger import Ledger
from hikrecv.journal.lock import Lock
from hikrecv.journal.state import Layout, check_format
from hikrecv.journal.store import Store
from hikrecv.journal.writer import CURE
from hikrecv.ownership import give_all
from hikrecv.state import State


def ask(state: State, do: str, alone: Callable[[Ledger], Any], **arguments: Any) -> Any:
    """
    Ask the running receiver to *do* it; where none runs, call *alone* with the ledger, under the lock.

    :raises StateInUse: when another command has the lock.
    """
    try:
        return control.call(state.control, do, **arguments)
    except control.NotRunning:
        with ledger_of(state) as ledger:
            return alone(ledger)


def ledger_to_read(state: State) -> Ledger:
    """
    The ledger of *state* for one look.

    :raises LedgerError: when it is lost or damaged.
    :raises StateTooNew: when a newer hikrecv wrote what is there.
    """
    check_format(Store(), Layout(state.root))
    if not state.ledger.exists():
        raise LedgerError(
            f"the ledger {state.ledger} is lost, so nobody knows what the reactions have done; {CURE}"
        )
    return Ledger.read(state.ledger)


@contextmanager
def locked(state: State) -> Iterator[None]:
    """
    The state directory for ourselves; what root makes in it belongs to the directory's owner afterwards.

    :raises StateInUse: when a receiver or another command has it.
    """
    with Lock(state.root):
        try:
            yield
        finally:
            give_all(state.root)


@contextmanager
def ledger_of(state: State) -> Iterator[Ledger]:
    """The ledger of a stopped receiver, locked."""
    with locked(state):
        ledger = Ledger.open(state.ledger, expected=True)
        try:
            yield ledger
        finally:
            ledger.close()

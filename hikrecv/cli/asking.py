"""Commands that change something: through a running receiver, else under the lock by ourselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hikrecv import control
from hikrecv.journal.ledger import Ledger
from hikrecv.journal.lock import Lock
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


@contextmanager
def ledger_of(state: State) -> Iterator[Ledger]:
    """The ledger of a stopped receiver, locked."""
    with Lock(state.root):
        ledger = Ledger.open(state.ledger, expected=True)
        try:
            yield ledger
        finally:
            ledger.close()

"""What the device sees of each row, from the row's outcome."""

from __future__ import annotations

WHOLE = (b"}", b">", b"--")
"""How bodies of cut requests end that are complete documents all the same."""


def statuses(row, mode: str) -> list[int]:
    """The statuses of its answers, ``100`` left out."""
    seen = []
    for at, outcome in enumerate(_outcomes(row, mode)):
        if outcome in ("keep", "close"):
            seen.append(200)
        elif outcome == "cut":
            seen.append(200 if row.bodies[at].rstrip().endswith(WHOLE) else 408)
        elif outcome.isdigit():
            seen.append(int(outcome))
    return seen


def kept(row, mode: str) -> int:
    """How many pushes it leaves: every request that does not only ask, and whatever is no request."""
    return 0 if row.asks else len(_outcomes(row, mode))


def closes(row, mode: str) -> bool:
    """Whether the connection ends."""
    return _outcomes(row, mode)[-1] != "keep"


def _outcomes(row, mode: str) -> list[str]:
    return [words.split()[0] for words in row.outcome(mode).split("; ")]

"""What an operator sees of a reaction, an enricher or a decoder."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal[
    "starting",
    "waiting",
    "working",
    "retrying",
    "probing",
    "failing",
    "paused",
    "throttled",
    "suspended",
    "blocked",
    "holding",
    "losing",
    "unplaced",
    "removed",
    "stopping",
    "stopped",
]


TROUBLED: frozenset[State] = frozenset({"unplaced", "blocked", "holding", "losing"})
"""States in which a reaction does not do its work, or not all of it: `/deliveryz` is 503 then."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """
    One reaction; times are seconds since 1970, `None` where nothing can be said.

    :param reason: why it is in that state, in a sentence; "" when nothing is wrong.
    :param position: the cursor: everything up to this seq is done or was not wanted.
    :param lag_events: pushes above the cursor, wanted or not.
    :param lag_seconds: how long the oldest event that is not done has been here.
    :param attempts: of the hand-over that is being tried.
    :param retry_in: seconds until the next attempt.
    :param trace: where the last error came from, when it was a bug of the plugin.
    :param dead: dead letters that wait for the operator.
    :param left_out: wanted events that were not handed over in this life, by reason.
    :param lost: pushes that the journal gave up before the reaction had read them.
    :param hold: what the journal does for it: ``budget``, ``always``, or ``released`` by the operator.
    :param held_bytes: what it holds back of the journal, in sealed segments.
    :param held_most: how much that may become before it loses the oldest, or pushes are refused.
    :param zombies: calls that were given up and still run.
    :param kept: how often it blocked the reactor, and the longest time in seconds.
    """

    name: str
    plugin: str
    state: State
    reason: str = ""
    position: int = 0
    lag_events: int = 0
    lag_seconds: float = 0.0
    done: int = 0
    attempts: int = 0
    retry_in: float | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    trace: str = ""
    dead: int = 0
    left_out: dict[str, int] = {}
    lost: int = 0
    hold: Literal["budget", "always", "released"] = "budget"
    held_bytes: int = 0
    held_most: int = 0
    zombies: int = 0
    kept: int = 0
    kept_longest: float = 0.0

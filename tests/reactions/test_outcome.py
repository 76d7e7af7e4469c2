"""Which exception means which end."""

from __future__ import annotations

import errno
import socket
import urllib.error

import pytest
from twisted.internet import defer, error
from twisted.python.failure import Failure

from hikrecv.errors import Hold, Reject, Retry
from hikrecv.reactions.outcome import Again, Bug, OnHold, Refused, in_words, judge


def test_retry_is_again_and_says_that_nothing_has_happened() -> None:
    assert judge(Retry("the disk is full", after=7)) == Again("the disk is full", 7, certain=True)


def test_hold_is_held() -> None:
    assert judge(Hold("the licence has run out")) == OnHold("the licence has run out")


def test_reject_is_refused() -> None:
    assert judge(Reject("no such door")) == Refused("no such door")


class FailedRequest(Exception):
    """As Twisted's HTTP client wraps what went wrong."""

    def __init__(self, *reasons: BaseException) -> None:
        self.reasons = [Failure(reason) for reason in reasons]


@pytest.mark.parametrize(
    "problem",
    [
        TimeoutError(),
        defer.TimeoutError(),
        error.TimeoutError(),
        error.ConnectionLost(),
        error.ConnectionDone(),
        error.ConnectionRefusedError(),
        error.DNSLookupError(),
        error.NoRouteError(),
        ConnectionResetError(),
        BrokenPipeError(),
        socket.gaierror(-2, "Name or service not known"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")),
        FailedRequest(error.ConnectionLost()),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_a_time_out_or_a_lost_connection_is_again_and_nobody_knows_what_happened(problem: Exception) -> None:
    outcome = judge(problem)

    assert isinstance(outcome, Again)
    assert not outcome.certain


@pytest.mark.parametrize(
    "problem",
    [
        ValueError("no"),
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "gone"),
        SystemExit(3),
        KeyboardInterrupt(),
        defer.CancelledError(),
        FailedRequest(ValueError("no")),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_anything_else_is_a_bug_even_what_would_end_the_process(problem: BaseException) -> None:
    outcome = judge(problem)

    assert isinstance(outcome, Bug)
    assert type(problem).__name__ in outcome.reason
    assert type(problem).__name__ in outcome.trace


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


def test_an_exception_that_cannot_say_what_it_is_still_has_a_name() -> None:
    assert in_words(Unspeakable()) == "Unspeakable"


def test_what_a_device_wrote_into_an_exception_stays_on_one_short_line() -> None:
    words = in_words(ValueError("bad\x1b[31m\r\nname" + "x" * 10_000))

    assert words.isprintable()
    assert len(words) <= 300

"""What is being handed over: every line that is logged meanwhile is about it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, ContextVar, copy_context
from typing import Any

from twisted.logger import LogEvent, formatEventAsClassicLogText

SUBJECT: ContextVar[str] = ContextVar("hikrecv.subject", default="")
"""The event's id, of a batch that of its first event; empty outside of a hook."""
_MARK = "\x1e"


def about(values: Mapping[str, Any]) -> Context:
    """The context in which a hook is called with these *values*."""
    context = copy_context()
    event = values.get("event") or next(iter(values.get("events", ())), None)
    if event is not None:
        context.run(SUBJECT.set, event.id)
    return context


def marked(event: LogEvent) -> str | None:
    """A line of an isolated reaction's log, which says to the receiver what it is about."""
    line, subject = formatEventAsClassicLogText(event), SUBJECT.get()
    return f"{_MARK}{subject}{_MARK}{line}" if line and subject else line


def unmarked(line: str) -> tuple[str, str]:
    """What a line of an isolated reaction says, and what it is about, if that is known."""
    if not line.startswith(_MARK):
        return line, ""
    subject, _, text = line[1:].partition(_MARK)
    return text, subject

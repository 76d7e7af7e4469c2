"""One JSON object a line, for journald, Loki and the like."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import IO, Any

import msgspec
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatEventAsClassicLogText,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

from .config import Log
from .isapi.event import Event
from .isapi.words import visible, visible_json
from .reactions.subject import SUBJECT

# Fields of a log call that are copied: what a line is about, from the request to the plugin.
_ABOUT = ("seq", "event", "device", "peer", "reaction", "attempt", "listener", "reason", "count")


_log = Logger()


@implementer(ILogObserver)
class JsonObserver:
    """
    Writes each log event as one line of JSON.

    Only fields that are known to hold no secret are copied beside the text.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        """Write one line; a log event that cannot be formatted is still a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(event["log_time"], timezone.utc),
            "level": event["log_level"].name,
            "from": event.get("log_namespace", ""),
            "text": formatEvent(event),
        }
        if subject := SUBJECT.get():
            line["event"] = subject
        line |= {name: str(event[name]) for name in _ABOUT if name in event}
        if (failure := event.get("log_failure")) is not None:
            line["trace"] = failure.getTraceback()
        self._out.write(visible_json(msgspec.json.encode(line).decode()) + "\n")
        self._out.flush()


def kept(seq: int, events: tuple[Event, ...], size: int) -> None:
    """One line for each event of a push, as soon as it is on disk: what became of a request has its id."""
    for event in events:
        _log.debug(
            "{peer} sent {type} of {device}, {size} bytes; kept as {event}",
            peer=event.peer.ip,
            type=event.type,
            device=event.device.id,
            size=size,
            event=event.id,
            seq=seq,
        )


def of_twistd(options: Mapping[str, Any]) -> IO[str]:
    """Where twistd with these options writes its log: the terminal, or a file that is rotated."""
    name = options.get("logfile")
    if options.get("nodaemon") and name in (None, "", "-"):
        return sys.stdout
    rotated: Any = LogFile.fromFullPath(name or "twistd.log")
    return rotated  # type: ignore[no-any-return]


def _text(event: LogEvent) -> str | None:
    # Whoever logs a device's words makes them visible; this is for whoever forgot.
    line = formatEventAsClassicLogText(event)
    return None if line is None else visible(line, keep="\n\t")


def observer(table: Log, out: IO[str]) -> ILogObserver:
    """The observer that ``[log]`` asks for, writing to *out*."""
    written: ILogObserver = JsonObserver(out) if table.format == "json" else FileLogObserver(out, _text)
    level = LogLevel.levelWithName(table.level)
    filtered: ILogObserver = FilteringLogObserver(written, [LogLevelFilterPredicate(defaultLogLevel=level)])
    return filtered

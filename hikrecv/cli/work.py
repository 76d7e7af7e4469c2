"""Work of a command that needs the reactor, run to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)


def on_the_reactor(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """
    Run the coroutine *work*(reactor) to its end; its error is raised here.

    :raises KeyboardInterrupt: when it was stopped before its end, by Ctrl-C or SIGTERM.
    """
    from twisted.internet import reactor, task
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    ended: list[Any] = []
    stopped: list[bool] = []

    def begin(clock: Any) -> Deferred[None]:
        clock.addSystemEventTrigger("before", "shutdown", lambda: stopped.append(not ended))
        return Deferred.fromCoroutine(work(clock)).addBoth(ended.append)

    try:
        task.react(begin, _reactor=reactor)
    except SystemExit:
        pass
    # What fails because its connections are closed when the reactor stops is nobody's fault.
    if not ended or (stopped == [True] and isinstance(ended[0], Failure)):
        raise KeyboardInterrupt
    if isinstance(ended[0], Failure):
        ended[0].raiseException()
    return ended[0]


def hear_plugins() -> None:
    """Let what plugins log be seen, on standard error: in a dry run that is what they would do."""
    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    levels.setLogLevelForNamespace("hikrecv", LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [levels])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)

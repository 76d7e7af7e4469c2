"""`hikrecv simulate`: devices that are not there, to try a receiver without a camera."""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import (
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    globalLogBeginner,
    textFileLogObserver,
)

from hikrecv.errors import HikrecvError
from hikrecv.testing.destination import Destination
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import Identity, profiles
from hikrecv.testing.profiles.deepinview import vendor_note

from .group import Group
from .work import on_the_reactor

TO = "http://127.0.0.1:8089/"
PATIENCE = 3.0
"""Seconds that answers under way get after Ctrl-C."""


@click.group(cls=Group)
def command() -> None:
    """Send what real devices send: one message, a file, or a crowd of devices."""


@command.command()
@click.argument("what", metavar="FILE|PROFILE")
@click.option("--to", default=TO, show_default=True, metavar="URL", help="Where the receiver listens.")
@click.option(
    "--count",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="How many messages (of a profile), or how often.",
)
@click.option("--keep-alive", is_flag=True, help="Keep the connection, as newer terminals do.")
@click.option("--chunked", is_flag=True, help="Send the body in chunks.")
@click.option("--content-type", metavar="TYPE", help="For a FILE that is a bare body; guessed when missing.")
@click.option("--insecure", is_flag=True, help="Do not verify the receiver's certificate.")
def send(
    what: str, to: str, count: int, keep_alive: bool, chunked: bool, content_type: str | None, insecure: bool
) -> None:
    """
    Send FILE, or messages of a PROFILE.

    FILE is posted as a device would post it; a file that ends with .http is sent
    byte for byte.  PROFILE is one of deepinview, minmoe, acusense, anpr, nvr, or
    vendor-note for the face comparison of the vendor's how-to.
    """
    destination = Destination.parse(to, verify=not insecure)
    requests = _requests(what, destination, count, content_type, keep_alive=keep_alive, chunked=chunked)
    _quiet_about_certificates()
    statuses = on_the_reactor(lambda reactor: _send_all(reactor, destination, requests, keep_alive))
    if any(status != 200 for status in statuses):
        raise HikrecvError("the receiver did not accept everything")


def _requests(
    what: str, to: Destination, count: int, content_type: str | None, *, keep_alive: bool, chunked: bool
) -> list[tuple[str, bytes]]:
    path = Path(what)
    if path.suffix == ".http" and path.is_file():
        return [(path.name, path.read_bytes())] * count
    return [
        (message.label, message.request(to.host, to.path, keep_alive=keep_alive, chunked=chunked))
        for message in _messages(what, count, content_type)
    ]


def _messages(what: str, count: int, content_type: str | None) -> list[Message]:
    if what == "vendor-note":
        return [vendor_note()] * count
    if what in (known := profiles()):
        script = known[what](Identity(), lambda: datetime.now().astimezone())
        return [next(script) for _ in range(count)]
    path = Path(what)
    if not path.is_file():
        names = ", ".join(known)
        raise click.BadParameter(f"{what!r} is neither a file nor a profile ({names} or vendor-note)")
    body = path.read_bytes()
    return [Message(label=path.name, content_type=content_type or _guess(body), body=body)] * count


def _guess(body: bytes) -> str:
    start = body.lstrip()[:200]
    if start.startswith(b"--"):
        return "multipart/form-data; boundary=" + start.splitlines()[0][2:].decode("latin-1")
    return "application/json" if start[:1] in (b"{", b"[") else "application/xml"


async def _send_all(
    reactor: Any, to: Destination, requests: list[tuple[str, bytes]], keep_alive: bool
) -> list[int | None]:
    from hikrecv.testing.line import Caller

    caller = Caller(to.endpoint(reactor), reactor, host=to.host, path=to.path, keep_alive=keep_alive)
    statuses: list[int | None] = []
    for label, request in requests:
        try:
            reply = await caller.send(request)
        except Exception as error:
            raise HikrecvError(f"could not send to {to.host}:{to.port}: {_reason(error)}") from None
        click.echo(f"{label}: {len(request):,} bytes, answer {reply.status}")
        statuses.append(reply.status)
    caller.hang_up()
    return statuses


def _quiet_about_certificates() -> None:
    """Twisted logs a traceback for each that it does not accept; we say it in a sentence."""

    def others(event: LogEvent) -> Any:
        ours = event.get("log_namespace") != "twisted.internet._sslverify"
        return PredicateResult.maybe if ours else PredicateResult.no

    levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.critical)
    wanted: list[Any] = [others, levels]
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), wanted)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _reason(error: Exception) -> str:
    if "certificate verify failed" in str(error):
        return "its certificate cannot be verified; --insecure sends all the same, as cameras do"
    return str(error) or type(error).__name__


@command.command()
@click.option("--devices", default=4, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option(
    "--rate",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.001),
    help="Messages a second, all together.",
)
@click.option("--to", default=TO, show_default=True, metavar="URL", help="Where the receiver listens.")
@click.option("--profile", "chosen", multiple=True, help="Which models (repeatable); all when missing.")
@click.option("--each", type=click.IntRange(1), help="Stop after so many messages of each device.")
@click.option("--keep-alive", is_flag=True, help="Keep the connections, as newer terminals do.")
@click.option("--chunked", is_flag=True, help="Send the bodies in chunks.")
@click.option("--insecure", is_flag=True, help="Do not verify the receiver's certificate.")
def run(
    devices: int,
    rate: float,
    to: str,
    chosen: tuple[str, ...],
    each: int | None,
    keep_alive: bool,
    chunked: bool,
    insecure: bool,
) -> None:
    """
    Let a crowd of devices send until Ctrl-C (or --each): a number of them, and a rate.

    At the end, also after Ctrl-C, it says what was answered and how fast.
    """
    known = profiles()
    for name in chosen:
        if name not in known:
            raise click.BadParameter(f"there is no profile {name!r}; profiles are {', '.join(known)}")
    scripts = [known[name] for name in chosen or known]
    destination = Destination.parse(to, verify=not insecure)
    _quiet_about_certificates()
    on_the_reactor(
        lambda reactor: _crowd(reactor, destination, scripts, devices, rate, each, keep_alive, chunked)
    )


async def _crowd(
    reactor: Any,
    to: Destination,
    scripts: list[Any],
    devices: int,
    rate: float,
    each: int | None,
    keep_alive: bool,
    chunked: bool,
) -> None:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from hikrecv.testing.crowd import Crowd
    from hikrecv.testing.line import Caller

    def make_caller(who: Identity) -> Caller:
        return Caller(
            to.endpoint(reactor), reactor, host=to.host, path=to.path, keep_alive=keep_alive, chunked=chunked
        )

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} answered"))
    with Progress(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task(f"{devices} devices", total=None if each is None else each * devices)

        def told(message: Message, status: int | None) -> None:
            progress.update(
                task, advance=int(status == 200), description=f"{message.label[:40]}: {status or 'no answer'}"
            )

        crowd = Crowd(
            scripts,
            make_caller,
            reactor,
            lambda: datetime.now().astimezone(),
            devices=devices,
            rate=rate,
            told=told,
        )
        ended: Deferred[None] = Deferred()
        patience: Deferred[Any] = Deferred()

        def interrupted() -> Deferred[None]:
            crowd.stop()
            reactor.callLater(PATIENCE, patience.callback, None)
            # It ends by itself now, and soon; Twisted would answer another Ctrl-C with a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return ended

        reactor.addSystemEventTrigger("before", "shutdown", interrupted)
        try:
            either: list[Deferred[Any]] = [crowd.live(each), patience]
            await DeferredList(either, fireOnOneCallback=True, fireOnOneErrback=True)
            progress.stop()
            _summary(crowd.tally)
        finally:
            ended.callback(None)


def _summary(tally: Any) -> None:
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(tally.answers.items())) or "none"
    failures = ", ".join(f"{count} x {name}" for name, count in tally.failures.items()) or "none"
    click.echo(f"sent {tally.sent}; answers {answers}; without an answer {failures}")
    if (median := tally.quantile(0.5)) is not None:
        click.echo(
            f"answered after {median * 1000:.1f} ms (median), {tally.quantile(0.99) * 1000:.1f} ms (p99)"
        )

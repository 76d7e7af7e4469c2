"""`hikrecv run`: the receiver in the foreground."""

from __future__ import annotations

import sys

import click

from .options import read_config, state_options


@click.command()
@state_options
@click.option("--port", "-p", "ports", multiple=True, metavar="PORT|ENDPOINT", help="Instead of [[listen]].")
def command(state_dir: str | None, config_file: str | None, ports: tuple[str, ...]) -> None:
    """Run the receiver in the foreground and log to the terminal; Ctrl-C stops it."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    from hikrecv.logs import observer
    from hikrecv.tap import make

    out = sys.stdout
    service = make(config_file, state_dir, list(ports), reactor)
    globalLogBeginner.beginLoggingTo([observer(read_config(config_file).log, out)], redirectStandardIO=False)
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()

"""Looking again and again: what --watch does."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

EVERY = 2.0


def again(look: Callable[[], None], watch: bool) -> None:
    """Call *look* once, or over and over on a cleared screen until Ctrl-C."""
    if not watch:
        look()
        return
    while True:
        click.clear()
        look()
        time.sleep(EVERY)

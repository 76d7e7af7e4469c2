"""A progress bar for work that goes along the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def along(what: str, steps: Iterable[tuple[float, T]], total: float) -> Iterator[T]:
    """Go through *steps*, each with how far it is of *total*, and show it on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        for done, step in steps:
            progress.update(task, completed=done)
            yield step

"""A progress bar for work that goes along the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def bar(what: str, total: float = 1.0) -> Iterator[Callable[[float], None]]:
    """A bar on standard error; gives what is to be told how far of *total* the work is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def along(what: str, steps: Iterable[tuple[float, T]], total: float) -> Iterator[T]:
    """Go through *steps*, each with how far it is of *total*, and show it."""
    with bar(what, total) as show:
        for done, step in steps:
            show(done)
            yield step

"""One text about several events, for plugins that hand over many at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .isapi.event import Event
from .templates import Template, names_of

Told = Sequence[Mapping[str, Any]]
"""For each event, what a template is told beside the event's own names."""


def together(events: Sequence[Event], more: Told = ()) -> list[dict[str, Any]]:
    """
    What templates are told of *events* that go into one text.

    Each is told ``count``, and ``events``: all of them, each with its own names.

    :param more: further names, for each of the events.
    """
    more = more or [{}] * len(events)
    every = [names_of(event) | dict(mine) for event, mine in zip(events, more, strict=True)]
    return [{**mine, "count": len(events), "events": every} for mine in more]


class Sheet:
    """
    A template for a text about one or many events.

    It is filled once for each event, one below the other; a template that speaks of
    ``events`` is filled once for all.

    :param between: stands between one event and the next.
    :param options: as for `Template`.
    :raises ConfigError: when it cannot be used.
    """

    def __init__(
        self,
        text: str,
        path: str = "",
        *,
        between: str = "\n",
        html: bool = False,
        escape: Callable[[str], str] | None = None,
        more: Collection[str] = (),
    ) -> None:
        self._template = Template(text, path, html=html, escape=escape, more=more)
        self._between = between
        self._whole = re.search(r"\bevents\b", text) is not None

    def fill(self, events: Sequence[Event], told: Told) -> str:
        """
        The text about *events*, of which each is *told* what :func:`together` gives.

        :raises Reject: when the template fails.
        """
        pairs = list(zip(events, told, strict=True))[: 1 if self._whole else None]
        return self._between.join(self._template.render(event, **mine).strip() for event, mine in pairs)

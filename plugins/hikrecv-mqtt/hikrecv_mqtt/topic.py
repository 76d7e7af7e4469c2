"""Topics: what a device says is one level of one, whatever it says."""

from __future__ import annotations

import re

from hikrecv import Event, Reject
from hikrecv.errors import ConfigError
from hikrecv.templates import Template

LEVEL = 128
"""Characters of what an expression gives."""
LONGEST = 65_535
"""Bytes of a topic (MQTT 3.1.1, 1.5.3)."""

_PLACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def level(text: str) -> str:
    """
    *text* as one level of a topic.

    ``/`` would make two of it, ``+`` and ``#`` are for subscribers, a leading ``$`` is the
    broker's own, and brokers close the connection at control characters.
    """
    safe = "".join("_" if each in "/+#" or not each.isprintable() else each for each in text[:LEVEL])
    return "_" + safe[1:] if safe[:1] in ("", "$") else safe


class Topic:
    """
    A topic with places for what an event says.

    :raises ConfigError: when it cannot be used.
    """

    def __init__(self, text: str, path: str = "") -> None:
        fixed = _PLACES.sub("", text)
        if not text or "+" in fixed or "#" in fixed or not fixed.isprintable() or text.startswith("$"):
            raise ConfigError("is not a topic to send to; write one without +, # and a leading $", path)
        self._template = Template(text, path, escape=level)

    def of(self, event: Event, **more: object) -> str:
        """
        The topic for *event*; *more* are further names.

        :raises Reject: when the template fails at it.
        """
        topic = self._template.render(event, **more)
        if not 0 < len(topic.encode("utf-8", "replace")) <= LONGEST:
            raise Reject(f"the topic for event {event.id} is empty or too long")
        return topic

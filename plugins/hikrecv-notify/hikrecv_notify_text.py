"""What a device says, made fit for a chat: it calls nobody, and its markup is text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Format = Literal["text", "markdown", "html"]

TITLE = 200
"""Characters of a title."""

_APART = "\u200b"
"""An invisible blank of no width: what it parts looks the same and means nothing any more."""
# Discord, Slack and others ring everybody's phone at these.
_CALLS = re.compile(r"(?<=@)(?=everyone|here|channel|all\b)|(?<=<)(?=[!@#])", re.IGNORECASE)
_MARKS = re.compile(r"([\\`*_\[\]#|<>~])")


def plain(text: str) -> str:
    """*text* without control characters, and without calls to everybody."""
    shown = "".join(each if each.isprintable() or each == "\n" else " " for each in text)
    return _CALLS.sub(_APART, shown)


def unmarked(text: str) -> str:
    """The same, and what Markdown would take for a mark stays a character."""
    return _MARKS.sub(r"\\\1", plain(text))


def escape_for(format: Format) -> Callable[[str], str]:
    """What is done with each text of a device; HTML is escaped by the templates themselves."""
    return unmarked if format == "markdown" else plain


def one_line(text: str) -> str:
    """*text* as a title."""
    return " ".join(text.split())[:TITLE]

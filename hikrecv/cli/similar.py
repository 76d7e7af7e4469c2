"""Did you mean: the known word that comes nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def similar(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """``; did you mean "events"?``, else what *otherwise* says, to stand behind what was said of *word*."""
    near = get_close_matches(word, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else f"; {otherwise}" if otherwise else ""

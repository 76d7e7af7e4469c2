"""A line of CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any


def row(cells: Iterable[Any]) -> bytes:
    """The *cells* as one line; what the device did not say is empty, several values are joined."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    """The text of a device may begin like a formula, and a spreadsheet would carry that out."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"'{line}" if line.lstrip().startswith(("=", "+", "-", "@")) else line
